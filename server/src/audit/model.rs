//! The chain itself: what is hashed, how a chain is checked, and what must never be written. Pure.

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::kernel::Timestamp;

/// One entry without its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub id: Uuid,
    pub at: Timestamp,
    pub actor_id: Option<Uuid>,
    pub actor_email: Option<String>,
    pub session_id: Option<Uuid>,
    pub api_token_id: Option<Uuid>,
    pub address: Option<String>,
    pub action: String,
    pub outcome: String,
    pub target_kind: Option<String>,
    pub target_id: Option<Uuid>,
    pub target_name: Option<String>,
    /// JSON texts.
    pub before: Option<String>,
    pub after: Option<String>,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub seq: i64,
    pub prev_hash: Vec<u8>,
    pub hash: Vec<u8>,
    pub record: Record,
}

/// JSON without spaces, members sorted: the same value is always the same text (RFC 8785 for what we write:
/// no fractions).
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::String(name.clone()), canonical(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A stored JSON text as a value; what is not JSON stays a text, and then the hash tells.
fn parsed(text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Everything that the hash covers, as an object: the hash itself is not in it.
pub fn content(seq: i64, prev_hash: &[u8], record: &Record) -> Value {
    json!({
        "action": record.action,
        "actorEmail": record.actor_email,
        "actorId": record.actor_id,
        "address": record.address,
        "after": parsed(record.after.as_deref()),
        "apiTokenId": record.api_token_id,
        "at": record.at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "before": parsed(record.before.as_deref()),
        "id": record.id,
        "outcome": record.outcome,
        "prevHash": hex(prev_hash),
        "seq": seq,
        "sessionId": record.session_id,
        "targetId": record.target_id,
        "targetKind": record.target_kind,
        "targetName": record.target_name,
        "v": 1,
    })
}

pub fn hash(seq: i64, prev_hash: &[u8], record: &Record) -> Vec<u8> {
    Sha256::digest(canonical(&content(seq, prev_hash, record)).as_bytes()).to_vec()
}

/// A line of the export: the hashed content, and its hash.
pub fn line(link: &Link) -> String {
    let mut object = content(link.seq, &link.prev_hash, &link.record);
    object["hash"] = Value::String(hex(&link.hash));
    canonical(&object)
}

/// Where a chain does not hold, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub seq: i64,
    pub problem: &'static str,
}

/// Walks a chain from its beginning.
#[derive(Debug, Clone)]
pub struct Walk {
    /// The last entry that holds.
    pub seq: i64,
    pub hash: Vec<u8>,
}

impl Walk {
    pub fn from(genesis: Vec<u8>) -> Self {
        Self {
            seq: 0,
            hash: genesis,
        }
    }

    pub fn step(&mut self, link: &Link) -> Result<(), Broken> {
        let next = self.seq + 1;
        let broken = |problem| Err(Broken { seq: next, problem });
        if link.seq != next {
            return broken("the entry is missing");
        }
        if link.hash != hash(link.seq, &link.prev_hash, &link.record) {
            return broken("the entry was changed");
        }
        if link.prev_hash != self.hash {
            return broken("the entry does not follow the one before it");
        }
        (self.seq, self.hash) = (next, link.hash.clone());
        Ok(())
    }

    /// After the last entry: whether it is the one that the head names.
    pub fn end(&self, seq: i64, hash: &[u8]) -> Result<(), Broken> {
        let next = self.seq + 1;
        if self.seq < seq {
            return Err(Broken {
                seq: next,
                problem: "the entry is missing",
            });
        }
        if self.hash != hash {
            return Err(Broken {
                seq: self.seq,
                problem: "the end of the log is not the one that was noted",
            });
        }
        Ok(())
    }
}

/// Members whose values are never written, whatever a slice hands over.
const SECRET: [&str; 8] = [
    "password",
    "secret",
    "token",
    "hash",
    "key",
    "authorization",
    "cookie",
    "credential",
];

/// Replaces the values of members that are named like secrets.
pub fn redacted(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .map(|(name, value)| {
                    let low = name.to_lowercase();
                    let secret = value.is_string() && SECRET.iter().any(|word| low.ends_with(word));
                    let value = if secret {
                        Value::from("[redacted]")
                    } else {
                        redacted(value)
                    };
                    (name, value)
                })
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(n: u128) -> Record {
        Record {
            id: Uuid::from_u128(n),
            at: Timestamp::default(),
            actor_id: Some(Uuid::from_u128(7)),
            actor_email: Some("a@example.test".into()),
            session_id: None,
            api_token_id: None,
            address: Some("192.0.2.1".into()),
            action: "UPDATE_USER".into(),
            outcome: "DONE".into(),
            target_kind: Some("USER".into()),
            target_id: Some(Uuid::from_u128(n)),
            target_name: None,
            before: Some(r#"{"role":"VIEWER"}"#.into()),
            after: Some(r#"{"role":"ADMIN"}"#.into()),
        }
    }

    fn chain(length: i64) -> (Vec<u8>, Vec<Link>) {
        let genesis = vec![9; 32];
        let mut prev_hash = genesis.clone();
        let links = (1..=length).map(|seq| {
            let record = record(seq as u128);
            let hash = hash(seq, &prev_hash, &record);
            Link {
                seq,
                prev_hash: std::mem::replace(&mut prev_hash, hash.clone()),
                hash,
                record,
            }
        });
        (genesis, links.collect())
    }

    fn walk(genesis: Vec<u8>, links: &[Link], end: (i64, &[u8])) -> Result<i64, Broken> {
        let mut walk = Walk::from(genesis);
        for link in links {
            walk.step(link)?;
        }
        walk.end(end.0, end.1)?;
        Ok(walk.seq)
    }

    #[test]
    fn what_is_hashed_is_the_same_text_for_ever() {
        let (_, links) = chain(1);
        insta::assert_snapshot!(line(&links[0]), @r#"{"action":"UPDATE_USER","actorEmail":"a@example.test","actorId":"00000000-0000-0000-0000-000000000007","address":"192.0.2.1","after":{"role":"ADMIN"},"apiTokenId":null,"at":"1970-01-01T00:00:00.000000Z","before":{"role":"VIEWER"},"hash":"7b56df68cd911ed5490e75879475b5d471307aa8ec2e8a1e27daaf04d6f5e1c8","id":"00000000-0000-0000-0000-000000000001","outcome":"DONE","prevHash":"0909090909090909090909090909090909090909090909090909090909090909","seq":1,"sessionId":null,"targetId":"00000000-0000-0000-0000-000000000001","targetKind":"USER","targetName":null,"v":1}"#);
    }

    #[test]
    fn a_change_a_gap_and_a_swap_show_where_they_are() {
        let (genesis, links) = chain(5);
        let end = (5, links[4].hash.clone());
        let at = |links: &[Link]| walk(genesis.clone(), links, (end.0, &end.1)).map_err(|b| b.seq);
        assert_eq!(at(&links), Ok(5));
        let mut changed = links.clone();
        changed[2].record.after = Some(r#"{"role":"VIEWER"}"#.into());
        assert_eq!(at(&changed), Err(3));
        let mut gone = links.clone();
        gone.remove(3);
        assert_eq!(at(&gone), Err(4));
        let mut swapped = links.clone();
        swapped.swap(1, 2);
        (swapped[1].seq, swapped[2].seq) = (2, 3);
        assert_eq!(at(&swapped), Err(2));
        assert_eq!(at(&links[..4]), Err(5));
        // One that is hashed again, too, does not fit to the next.
        let mut forged = links.clone();
        forged[2].record.after = None;
        forged[2].hash = hash(3, &forged[2].prev_hash, &forged[2].record);
        assert_eq!(at(&forged), Err(4));
        let mut last = links.clone();
        last[4].record.after = None;
        last[4].hash = hash(5, &last[4].prev_hash, &last[4].record);
        assert_eq!(at(&last), Err(5));
        assert_eq!(walk(vec![8; 32], &links, (5, &end.1)).map_err(|b| b.seq), Err(1));
    }

    #[test]
    fn a_text_that_only_looks_like_the_json_is_another_entry() {
        let (_, links) = chain(1);
        let mut record = links[0].record.clone();
        record.after = Some(r#"{ "role" : "ADMIN" }"#.into());
        assert_eq!(hash(1, &[9; 32], &record), links[0].hash, "spaces say nothing");
        record.after = Some("\"{\\\"role\\\":\\\"ADMIN\\\"}\"".into());
        assert_ne!(hash(1, &[9; 32], &record), links[0].hash);
    }

    #[test]
    fn values_that_are_named_like_secrets_are_not_written() {
        let given = json!({ "name": "n", "password": "p", "list": [{ "apiKey": "k" }], "tokens": 2, "tokenHash": "h" });
        let kept = json!({ "name": "n", "password": "[redacted]", "list": [{ "apiKey": "[redacted]" }], "tokens": 2,
            "tokenHash": "[redacted]" });
        assert_eq!(redacted(given), kept);
    }
}
