//! The tokens of executions: for one, until it is over; another claim of the same execution has another token.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::kernel::jwt::Jwt;
use crate::kernel::{Entropy, Result, Timestamp};

const TYPE: &str = "cronium-runtime+jwt";
const AUDIENCE: &str = "cronium-runtime";
/// Setup, grace and cleanup, beside the time of user code itself.
const MARGIN: TimeDelta = TimeDelta::minutes(10);

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The execution.
    pub sub: Uuid,
    /// The epoch of the claim that it was made for; an adoption of what that claim started changes nothing.
    pub claim: i32,
    pub jti: Uuid,
}

/// Makes and reads the tokens of executions.
#[derive(Debug, Clone)]
pub struct Tokens {
    jwt: Jwt,
    /// Where a job with a network finds the API; None: nowhere.
    pub api_url: Option<String>,
}

impl Tokens {
    /// `public_url`: where others find this server. One that only this machine can reach is none for a container.
    pub fn new(key: &[u8; 32], public_url: &str) -> Self {
        let base = public_url.trim_end_matches('/');
        let host = base.split_once("://").map_or(base, |(_, rest)| rest);
        let near = ["localhost", "127.", "[::1]", "0.0.0.0", "[::]"];
        let reachable = !near.iter().any(|near| host.starts_with(near));
        Self {
            jwt: Jwt::new(key, TYPE, AUDIENCE),
            api_url: reachable.then(|| format!("{base}{}", cronium_protocol::runtime::PREFIX)),
        }
    }

    pub fn mint(
        &self,
        entropy: Entropy,
        now: Timestamp,
        (execution, claim): (Uuid, i32),
        timeout_ms: i64,
    ) -> Result<String> {
        let claims = Claims {
            sub: execution,
            claim,
            jti: entropy.uuid_v7(now),
        };
        self.jwt
            .write(claims, now, now + TimeDelta::milliseconds(timeout_ms) + MARGIN)
    }

    /// None: not ours, for something else, or over.
    pub fn read(&self, token: &str, now: Timestamp) -> Option<Claims> {
        self.jwt.read(token, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_until_it_is_over_and_by_its_own_key_only() {
        let (now, id) = (Timestamp::default(), Uuid::from_u128(7));
        let tokens = Tokens::new(&[7; 32], "https://cronium.example/");
        let token = tokens.mint(Entropy, now, (id, 3), 60_000).unwrap();
        let read = tokens.read(&token, now + TimeDelta::seconds(659)).unwrap();
        assert_eq!((read.sub, read.claim), (id, 3));
        assert_eq!(tokens.read(&token, now + TimeDelta::seconds(660)), None);
        assert_eq!(Tokens::new(&[8; 32], "").read(&token, now), None);
        let other = Jwt::new(&[7; 32], "at+jwt", "cronium-api");
        let foreign = other.write(read, now, now + MARGIN).unwrap();
        assert_eq!(tokens.read(&foreign, now), None);
    }

    #[test]
    fn an_address_of_this_machine_only_is_none() {
        let url = |url| Tokens::new(&[7; 32], url).api_url;
        assert_eq!(
            url("https://cronium.example/").as_deref(),
            Some("https://cronium.example/runtime/v1")
        );
        for near in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80"] {
            assert_eq!(url(near), None);
        }
    }
}
