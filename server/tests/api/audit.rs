//! The audit log: nothing without its entry, refusals bounded, and a change of the log shows where it is.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use futures::StreamExt as _;
use futures::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::credentials::api_token;
use crate::jobs::{event, run};
use crate::support::served::Served;
use crate::support::{PASSWORD, TestApp};

const LOG: &str = "query ($f: AuditFilter) { auditLog(filter: $f, first: 100) { totalCount nodes {
    seq action outcome actorEmail apiTokenId targetKind targetId targetName before after } } }";
const VERIFY: &str = "{ auditVerification { whole entries verifiedUpTo brokenAt problem } }";

async fn log(test: &TestApp, token: &str, filter: Value) -> Vec<Value> {
    let found = test.graphql(token, LOG, json!({ "f": filter })).await;
    found["data"]["auditLog"]["nodes"]
        .as_array()
        .unwrap_or_else(|| panic!("{found}"))
        .clone()
}

async fn verify(test: &TestApp, token: &str) -> Value {
    test.graphql(token, VERIFY, json!({})).await["data"]["auditVerification"].clone()
}

async fn sql(test: &TestApp, statement: &'static str) {
    sqlx::raw_sql(statement)
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
}

async fn rename(test: &TestApp, token: &str, name: &str) -> Value {
    let document = "mutation ($n: String!) { updateProfile(input: { name: $n }) { viewer { name } userErrors { code } } }";
    test.graphql(token, document, json!({ "n": name })).await
}

#[tokio::test]
async fn an_entry_says_who_did_what_to_whom_and_how_it_was() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let me = test.person(UserRole::Editor).await;
    let (token, secret) = api_token(&test, &admin.token, json!({})).await;
    let change = "mutation ($id: ID!) { updateUser(input: { id: $id, role: VIEWER, status: DISABLED }) { userErrors { code } } }";
    test.graphql(&secret, change, json!({ "id": me.id })).await;
    let entries = log(
        &test,
        &admin.token,
        json!({ "targetId": me.id, "actions": ["UPDATE_USER"] }),
    )
    .await;
    let expected = json!([{
        "seq": entries[0]["seq"], "action": "UPDATE_USER", "outcome": "DONE", "actorEmail": admin.email,
        "apiTokenId": token, "targetKind": "USER", "targetId": me.id, "targetName": me.email,
        "before": { "name": "Test", "role": "EDITOR", "status": "ACTIVE" },
        "after": { "name": "Test", "role": "VIEWER", "status": "DISABLED" },
    }]);
    assert_eq!(Value::from(entries), expected);
    let id = event(
        &test,
        &admin.token,
        json!({ "environment": [{ "name": "KEY", "value": "hunter2" }] }),
    )
    .await;
    let by_kind = log(&test, &admin.token, json!({ "targetId": id })).await;
    assert_eq!(
        (&by_kind[0]["action"], &by_kind[0]["after"]["versionNumber"]),
        (&json!("CREATE_EVENT"), &json!(1))
    );
    let signed_in = log(
        &test,
        &admin.token,
        json!({ "actions": ["SIGN_IN"], "actorId": me.id }),
    )
    .await;
    assert_eq!(signed_in.len(), 1);
}

#[tokio::test]
async fn a_change_whose_entry_cannot_be_written_does_not_happen() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    assert_eq!(
        rename(&test, &me, "Before").await["data"]["updateProfile"]["viewer"]["name"],
        "Before"
    );
    let id = event(&test, &me, json!({})).await;
    sql(
        &test,
        "ALTER TABLE audit_entries ADD CONSTRAINT full_disk CHECK (false) NOT VALID",
    )
    .await;
    let refused = rename(&test, &me, "After").await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "INTERNAL");
    let delete = "mutation ($id: ID!) { deleteEvent(input: { id: $id }) { userErrors { code } } }";
    test.graphql(&me, delete, json!({ "id": id })).await;
    let made = "mutation { createApiToken(input: { name: \"x\" }) { secret } }";
    test.graphql(&me, made, json!({})).await;
    let seen = test
        .graphql(
            &me,
            "{ viewer { name apiTokens(first: 1) { totalCount } } events(first: 1) { totalCount } }",
            json!({}),
        )
        .await;
    let expected = json!({ "viewer": { "name": "Before", "apiTokens": { "totalCount": 0 } }, "events": { "totalCount": 1 } });
    assert_eq!(seen["data"], expected);
}

#[tokio::test]
async fn changes_at_the_same_time_make_one_chain() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    join_all((0..24).map(|n| {
        let (test, admin) = (&test, &admin);
        async move { rename(test, admin, &format!("Name {n}")).await }
    }))
    .await;
    let found = verify(&test, &admin).await;
    assert_eq!(
        (&found["whole"], &found["entries"]),
        (&json!(true), &json!(26)),
        "{found}"
    );
}

#[tokio::test]
async fn a_log_that_was_tampered_with_says_where() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    for n in 0..8 {
        rename(&test, &admin, &format!("Name {n}")).await;
    }
    sql(&test, "CREATE TABLE kept AS TABLE audit_entries").await;
    let whole = verify(&test, &admin).await;
    assert_eq!(
        whole,
        json!({ "whole": true, "entries": 10, "verifiedUpTo": 10, "brokenAt": null, "problem": null })
    );
    for (attack, at, problem) in [
        ("UPDATE audit_entries SET actor_email = 'someone@else.test' WHERE seq = 4", 4, "the entry was changed"),
        ("UPDATE audit_entries SET after = replace(after, 'Name', 'Nome') WHERE seq = 7", 7, "the entry was changed"),
        ("UPDATE audit_entries SET at = at + interval '1 microsecond' WHERE seq = 5", 5, "the entry was changed"),
        ("UPDATE audit_entries SET address = '' WHERE seq = 3", 3, "the entry was changed"),
        ("DELETE FROM audit_entries WHERE seq = 6", 6, "the entry is missing"),
        ("DELETE FROM audit_entries WHERE seq = 1", 1, "the entry is missing"),
        ("DELETE FROM audit_entries WHERE seq > 8", 9, "the entry is missing"),
        (
            "UPDATE audit_entries SET seq = -seq WHERE seq IN (5, 6);
             UPDATE audit_entries SET seq = CASE seq WHEN -5 THEN 6 ELSE 5 END WHERE seq < 0",
            5,
            "the entry was changed",
        ),
        (
            "DELETE FROM audit_entries WHERE seq = 6;
             UPDATE audit_entries SET seq = seq - 1 WHERE seq > 6; UPDATE audit_head SET seq = 9",
            6,
            "the entry was changed",
        ),
        (
            "INSERT INTO audit_entries SELECT 11, gen_random_uuid(), at, actor_id, actor_email, session_id, api_token_id,
             address, action, outcome, target_kind, target_id, target_name, before, after, prev_hash, hash
             FROM audit_entries WHERE seq = 10",
            11,
            "the entry is not part of the log",
        ),
        ("UPDATE audit_head SET genesis = sha256('other')", 1, "the entry does not follow the one before it"),
    ] {
        sql(&test, "CREATE TABLE head_kept AS TABLE audit_head").await;
        sql(&test, attack).await;
        let found = verify(&test, &admin).await;
        let expected = (json!(false), json!(at), json!(at - 1), json!(problem));
        let found = (&found["whole"], &found["brokenAt"], &found["verifiedUpTo"], &found["problem"]);
        assert_eq!(found, (&expected.0, &expected.1, &expected.2, &expected.3), "{attack}");
        sql(
            &test,
            "TRUNCATE audit_entries, audit_head; INSERT INTO audit_entries TABLE kept;
             INSERT INTO audit_head TABLE head_kept; DROP TABLE head_kept",
        )
        .await;
    }
    assert_eq!(verify(&test, &admin).await, whole);
}

#[tokio::test]
async fn who_has_only_the_database_cannot_write_another_log() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let lines: Vec<String> = test
        .app
        .audit
        .export(0)
        .map(|part| part.ok().unwrap())
        .collect()
        .await;
    // The last entry, with another actor, hashed as it must be, and the end of the chain moved to it.
    let mut entry: Value = serde_json::from_str(lines.concat().lines().last().unwrap()).unwrap();
    entry.as_object_mut().unwrap().remove("hash");
    entry["actorEmail"] = json!("someone@else.test");
    let hash = Sha256::digest(entry.to_string().as_bytes()).to_vec();
    sqlx::query(
        "WITH e AS (UPDATE audit_entries SET actor_email = 'someone@else.test', hash = $1 WHERE seq = 2)
         UPDATE audit_head SET hash = $1",
    )
    .bind(hash)
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
    let found = verify(&test, &admin).await;
    let problem = "the end of the log was not written by this installation";
    let expected =
        json!({ "whole": false, "entries": 2, "verifiedUpTo": 2, "brokenAt": 2, "problem": problem });
    assert_eq!(found, expected);
}

#[tokio::test]
async fn refusals_are_kept_counted_and_bounded() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let me = test.person(UserRole::Viewer).await;
    let foreign = event(&test, &admin, json!({})).await;
    let create = "mutation { createEvent(input: { name: \"x\", type: BASH, source: \"true\" }) { userErrors { code } } }";
    let delete = "mutation ($id: ID!) { revokeApiToken(input: { id: $id }) { userErrors { code } } }";
    for _ in 0..5 {
        test.graphql(&me.token, create, json!({})).await;
        test.graphql("", "{ jobs(first: 1) { totalCount } }", json!({}))
            .await;
        test.graphql(&me.token, delete, json!({ "id": foreign })).await;
    }
    assert_eq!(test.app.audit.flush_denials(false).await.unwrap(), 3);
    let denied = async || log(&test, &admin, json!({ "outcome": "DENIED" })).await;
    let mut seen: Vec<_> = denied()
        .await
        .iter()
        .map(|entry| {
            (
                entry["targetName"].to_string(),
                entry["actorEmail"].clone(),
                entry["after"].clone(),
            )
        })
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    let times = |reason: &str| json!({ "reason": reason, "times": 5 });
    let expected = [
        (
            "\"CREATE_EVENTS\"".to_owned(),
            json!(me.email),
            times("FORBIDDEN"),
        ),
        ("\"READ_JOBS\"".to_owned(), Value::Null, times("UNAUTHENTICATED")),
        (
            "\"revokeApiToken\"".to_owned(),
            json!(me.email),
            times("NOT_FOUND"),
        ),
    ];
    assert_eq!(seen, expected);
    // A flood: each second 200 wrong sign-ins, over two minutes.
    for second in 0..120 {
        for _ in 0..200 {
            let op = test.op("").await;
            op.denied(format!("field{second}"), "FORBIDDEN");
        }
        test.app.audit.flush_denials(false).await.unwrap();
        test.clock.advance(TimeDelta::seconds(1));
    }
    test.app.audit.flush_denials(true).await.unwrap();
    let entries = denied().await;
    assert!(entries.len() <= 3 + 3 * 21, "{} entries", entries.len());
    let counted: u64 = entries
        .iter()
        .map(|entry| entry["after"]["times"].as_u64().unwrap())
        .sum();
    assert_eq!(counted, 15 + 120 * 200);
    assert_eq!(verify(&test, &admin).await["whole"], true);
}

#[tokio::test]
async fn a_wrong_password_is_kept_without_the_password() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let sign_in = "mutation ($e: String!, $p: String!) { signIn(input: { email: $e, password: $p }) { userErrors { code } } }";
    test.graphql(
        "",
        sign_in,
        json!({ "e": admin.email, "p": "correct horse battery staple" }),
    )
    .await;
    test.app.audit.flush_denials(false).await.unwrap();
    let entries = log(&test, &admin.token, json!({ "outcome": "DENIED" })).await;
    assert_eq!(
        (&entries[0]["targetName"], &entries[0]["after"]["reason"]),
        (&json!("signIn"), &json!("WRONG_PASSWORD"))
    );
    let change = "mutation ($c: String!) { changePassword(input: { currentPassword: $c, newPassword: \"another long password\" }) {
        userErrors { code } } }";
    test.graphql(&admin.token, change, json!({ "c": PASSWORD })).await;
    let (_, secret) = api_token(&test, &admin.token, json!({})).await;
    let id = event(
        &test,
        &admin.token,
        json!({ "environment": [{ "name": "KEY", "value": "hunter2" }] }),
    )
    .await;
    run(
        &test,
        &admin.token,
        json!({ "eventId": id, "input": { "password": "hunter3" } }),
    )
    .await;
    let all: String = sqlx::query_scalar("SELECT string_agg(to_jsonb(e)::text, ' ') FROM audit_entries e")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    assert!(all.contains("CREATE_API_TOKEN") && all.contains("CHANGE_PASSWORD"));
    for secret in [
        PASSWORD,
        "correct horse",
        "another long",
        "hunter2",
        "hunter3",
        &secret[4..],
        &admin.token,
    ] {
        assert!(!all.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn the_log_is_downloaded_by_those_who_may_read_it() {
    let served = Served::start().await;
    let admin = served.test.sign_in(UserRole::Admin).await;
    let editor = served.test.sign_in(UserRole::Editor).await;
    let get = |secret: &str, query: &str| {
        let request = served
            .client
            .get(served.url(&format!("/api/audit.ndjson{query}")));
        request.bearer_auth(secret).send()
    };
    assert_eq!(get(&editor, "").await.unwrap().status(), 403);
    let nobody = served
        .client
        .get(served.url("/api/audit.ndjson"))
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), 401);
    let whole = get(&admin, "").await.unwrap();
    assert_eq!(whole.headers()["content-type"], "application/x-ndjson");
    let whole = whole.text().await.unwrap();
    assert_eq!(whole.lines().count(), 4, "two accounts, two sign-ins");
    let rest = get(&admin, "?after=3").await.unwrap().text().await.unwrap();
    assert_eq!(Some(rest.trim_end()), whole.lines().last());
}

#[tokio::test]
async fn a_stranger_can_check_an_export_with_a_few_lines() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    rename(&test, &admin, "Ünï \"quoted\"\n").await;
    let lines: Vec<String> = test
        .app
        .audit
        .export(0)
        .map(|part| part.ok().unwrap())
        .collect()
        .await;
    let lines = lines.concat();
    let mut previous = None;
    for line in lines.lines() {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        let hash = entry.as_object_mut().unwrap().remove("hash").unwrap();
        // serde_json keeps members sorted, which is all that the canonical form asks for.
        let digest: String = Sha256::digest(entry.to_string().as_bytes())
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        assert_eq!(hash, digest);
        assert!(
            previous.is_none_or(|before| entry["prevHash"] == before),
            "{line}"
        );
        previous = Some(hash);
    }
    assert_eq!(lines.lines().count(), 3);
}
