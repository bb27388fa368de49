//! API tokens and sessions: what they allow, how they end, and what of them is kept.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use crate::jobs::{event, run};
use crate::support::served::Served;
use crate::support::{PASSWORD, TestApp};

const CREATE: &str = "mutation ($i: CreateApiTokenInput!) { createApiToken(input: $i) {
    apiToken { id hint scopes resourceKinds expiresAt } secret userErrors { code field } } }";
pub const REVOKE: &str = "mutation ($id: ID!) { revokeApiToken(input: { id: $id }) {
    apiToken { status } userErrors { code } } }";
const REVOKE_SESSION: &str = "mutation ($id: ID!) { revokeSession(input: { id: $id }) {
    session { id } userErrors { code } } }";

async fn create(test: &TestApp, token: &str, input: Value) -> Value {
    test.graphql(token, CREATE, json!({ "i": input })).await["data"]["createApiToken"].clone()
}

/// A token with these scopes: its id and its secret.
pub async fn api_token(test: &TestApp, token: &str, more: Value) -> (String, String) {
    let mut input = json!({ "name": "CI" });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = create(test, token, input).await;
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    (text(&made["apiToken"]["id"]), text(&made["secret"]))
}

#[tokio::test]
async fn a_token_is_shown_once_and_only_its_hash_is_kept() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let (id, secret) = api_token(&test, &me.token, json!({})).await;
    assert!(
        secret.starts_with("crn_") && secret.len() == 47,
        "256 bits after the prefix"
    );
    let kept: String = sqlx::query_scalar("SELECT to_jsonb(t)::text FROM api_tokens t")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    for secret in [&secret, &secret[4..], &hex, &hex[8..]] {
        assert!(!kept.contains(secret), "{kept}");
    }
    let query =
        "{ viewer { email apiTokens(first: 5) { totalCount nodes { id name hint status lastUsedAt } } } }";
    let seen = test.graphql(&secret, query, json!({})).await["data"]["viewer"].clone();
    assert_eq!(seen["email"], me.email);
    let hint = format!("crn_…{}", &secret[43..]);
    let one = json!([{ "id": id, "name": "CI", "hint": hint, "status": "ACTIVE", "lastUsedAt": "2026-03-01T12:00:00+00:00" }]);
    assert_eq!(seen["apiTokens"]["nodes"], one);
}

#[tokio::test]
async fn all_other_sessions_end_at_once_and_nobody_elses() {
    const OTHERS: &str = "mutation { revokeOtherSessions { revokedCount userErrors { code } } }";
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let mut elsewhere = Vec::new();
    for _ in 0..3 {
        let op = test.op("").await;
        let session = test
            .app
            .identity
            .sign_in(&op, &me.email, PASSWORD.into(), None)
            .await;
        elsewhere.push(session.ok().unwrap().token);
    }
    let ended = test.graphql(&me.token, OTHERS, json!({})).await;
    assert_eq!(
        ended["data"]["revokeOtherSessions"],
        json!({ "revokedCount": 3, "userErrors": [] })
    );
    for token in &elsewhere {
        assert!(!test.works(token).await);
    }
    assert!(test.works(&me.token).await && test.works(&other.token).await);
    let again = test.graphql(&me.token, OTHERS, json!({})).await;
    assert_eq!(again["data"]["revokeOtherSessions"]["revokedCount"], 0);
    // A token is no session: all of them end.
    let (_, token) = api_token(&test, &me.token, json!({})).await;
    let ended = test.graphql(&token, OTHERS, json!({})).await;
    assert_eq!(ended["data"]["revokeOtherSessions"]["revokedCount"], 1);
    assert!(!test.works(&me.token).await && test.works(&token).await);
}

#[tokio::test]
async fn a_token_allows_what_its_scopes_say_and_no_more() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &me, json!({})).await;
    let (_, reader) = api_token(&test, &me, json!({ "scopes": ["READ_EVENTS"] })).await;
    let seen = test
        .graphql(
            &reader,
            "{ events(first: 5) { nodes { id viewerCan } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        seen["data"]["events"]["nodes"],
        json!([{ "id": id, "viewerCan": ["READ"] }])
    );
    let jobs = test
        .graphql(&reader, "{ jobs(first: 5) { totalCount } }", json!({}))
        .await;
    assert_eq!(jobs["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let refused = run(&test, &reader, json!({ "eventId": id })).await;
    assert_eq!(
        (&refused["job"], &refused["userErrors"][0]["code"]),
        (&Value::Null, &json!("FORBIDDEN"))
    );
    let (_, jobs_only) = api_token(&test, &me, json!({ "resourceKinds": ["JOB"] })).await;
    let jobs = test
        .graphql(&jobs_only, "{ jobs(first: 5) { totalCount } }", json!({}))
        .await;
    assert_eq!(jobs["data"]["jobs"]["totalCount"], 0);
    let events = test
        .graphql(&jobs_only, "{ events(first: 5) { totalCount } }", json!({}))
        .await;
    assert_eq!(events["errors"][0]["extensions"]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn a_token_of_an_administrator_reaches_others_only_with_the_scope_for_it() {
    let test = TestApp::start().await;
    let (admin, other) = (
        test.sign_in(UserRole::Admin).await,
        test.sign_in(UserRole::Editor).await,
    );
    event(&test, &other, json!({})).await;
    let count = async |scopes: Value| {
        let (_, secret) = api_token(&test, &admin, json!({ "scopes": scopes })).await;
        let seen = test
            .graphql(&secret, "{ events(first: 5) { totalCount } }", json!({}))
            .await;
        seen["data"]["events"]["totalCount"].clone()
    };
    assert_eq!(count(json!(["READ_EVENTS"])).await, 0);
    assert_eq!(count(json!(["READ_EVENTS", "ALL_RESOURCES"])).await, 1);
}

#[tokio::test]
async fn nobody_makes_a_token_that_may_more_or_lasts_longer_than_themselves() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Viewer).await;
    let more = create(&test, &me, json!({ "name": "x", "scopes": ["RUN_EVENTS"] })).await;
    assert_eq!(
        more["userErrors"],
        json!([{ "code": "FORBIDDEN", "field": ["scopes"] }])
    );
    let scopes = json!({ "scopes": ["MANAGE_ACCOUNT", "READ_JOBS"], "expiresAt": "2026-03-02T00:00:00Z" });
    let (parent, secret) = api_token(&test, &me, scopes).await;
    let wider = create(&test, &secret, json!({ "name": "x", "scopes": ["READ_EVENTS"] })).await;
    assert_eq!(
        wider["userErrors"],
        json!([{ "code": "FORBIDDEN", "field": ["scopes"] }])
    );
    let longer = create(
        &test,
        &secret,
        json!({ "name": "x", "expiresAt": "2026-03-03T00:00:00Z" }),
    )
    .await;
    assert_eq!(
        longer["userErrors"],
        json!([{ "code": "INVALID", "field": ["expiresAt"] }])
    );
    // What is not said is what the maker has, and not what the user has.
    let made = create(&test, &secret, json!({ "name": "x" })).await;
    assert_eq!(made["apiToken"]["scopes"], json!(["READ_JOBS", "MANAGE_ACCOUNT"]));
    assert_eq!(made["apiToken"]["expiresAt"], "2026-03-02T00:00:00+00:00");
    let child = made["secret"].as_str().unwrap();
    let grandchild = create(&test, child, json!({ "name": "y" })).await["secret"].clone();
    let gone = test.graphql(&me, REVOKE, json!({ "id": parent })).await;
    assert_eq!(gone["data"]["revokeApiToken"]["apiToken"]["status"], "REVOKED");
    for secret in [&secret, child, grandchild.as_str().unwrap()] {
        assert!(!test.works(secret).await);
    }
    assert!(test.works(&me).await);
}

#[tokio::test]
async fn a_token_is_dead_at_once_when_it_is_over_or_its_user_is() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let me = test.person(UserRole::Editor).await;
    let tokens = json!({ "expiresAt": "2026-03-01T12:30:00Z" });
    let (_, expiring) = api_token(&test, &me.token, tokens).await;
    let (_, lasting) = api_token(&test, &me.token, json!({})).await;
    test.clock.advance(TimeDelta::minutes(31));
    assert!(!test.works(&expiring).await && test.works(&lasting).await);
    let state = "mutation ($id: ID!, $s: UserStatus!) { updateUser(input: { id: $id, status: $s }) {
        user { status } userErrors { code } } }";
    let off = test
        .graphql(&admin, state, json!({ "id": me.id, "s": "DISABLED" }))
        .await;
    assert_eq!(off["data"]["updateUser"]["user"]["status"], "DISABLED", "{off}");
    assert!(!test.works(&lasting).await && !test.works(&me.token).await);
    test.graphql(&admin, state, json!({ "id": me.id, "s": "ACTIVE" }))
        .await;
    assert!(
        !test.works(&lasting).await,
        "a disabled account's tokens do not come back"
    );
    let again = test.person(UserRole::Editor).await;
    let (_, secret) = api_token(&test, &again.token, json!({})).await;
    assert!(test.works(&secret).await);
    sqlx::query("DELETE FROM users WHERE email = $1")
        .bind(&again.email)
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
    assert!(!test.works(&secret).await);
}

#[tokio::test]
async fn the_last_use_is_noted_at_most_once_a_minute() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Viewer).await;
    let (_, secret) = api_token(&test, &me, json!({ "scopes": ["READ_JOBS"] })).await;
    let pool = &test.app.kernel.pool;
    let noted = async || -> (Option<String>, String) {
        sqlx::query_as(
            "SELECT (SELECT last_used_at::text FROM api_tokens), (SELECT last_seen_at::text FROM sessions)",
        )
        .fetch_one(pool)
        .await
        .unwrap()
    };
    assert_eq!(noted().await.0, None);
    let mut seen = Vec::new();
    for _ in 0..3 {
        assert!(test.works(&secret).await && test.works(&me).await);
        seen.push(noted().await);
        test.clock.advance(TimeDelta::seconds(31));
    }
    assert_eq!(seen[0].0.as_deref(), Some("2026-03-01 12:00:00+00"));
    assert_eq!(seen[0], seen[1]);
    assert_eq!(
        seen[2],
        (
            Some("2026-03-01 12:01:02+00".into()),
            "2026-03-01 12:01:02+00".into()
        )
    );
}

#[tokio::test]
async fn a_job_remembers_the_token_that_started_it() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &me, json!({ "shared": true })).await;
    let other = test.person(UserRole::Operator).await;
    let (token, secret) = api_token(&test, &other.token, json!({})).await;
    let job = run(&test, &secret, json!({ "eventId": id })).await["job"]["id"].clone();
    let query = "query ($id: ID!) { job(id: $id) { trigger actor { email } apiToken { id name } } }";
    let seen = test.graphql(&other.token, query, json!({ "id": job })).await["data"]["job"].clone();
    let expected = json!({ "trigger": "API", "actor": { "email": other.email }, "apiToken": { "id": token, "name": "CI" } });
    assert_eq!(seen, expected);
    // The owner of the event sees the job, but the token is none of theirs.
    let owner = test.graphql(&me, query, json!({ "id": job })).await["data"]["job"].clone();
    assert_eq!(
        (&owner["trigger"], &owner["apiToken"]),
        (&json!("API"), &Value::Null)
    );
}

#[tokio::test]
async fn a_cookie_holds_no_token_and_a_token_needs_no_origin() {
    let served = Served::start().await;
    let me = served.test.sign_in(UserRole::Viewer).await;
    let (_, secret) = api_token(&served.test, &me, json!({})).await;
    let ask = async |name: &str, value: String| {
        let request = served.client.post(served.url("/graphql")).header(name, value);
        let request = request.header(
            "sec-fetch-site",
            if name == "cookie" {
                "same-origin"
            } else {
                "cross-site"
            },
        );
        let body = json!({ "query": "{ viewer { role } }" });
        request
            .json(&body)
            .send()
            .await
            .unwrap()
            .json::<Value>()
            .await
            .unwrap()["data"]["viewer"]
            .clone()
    };
    assert_eq!(
        ask("authorization", format!("Bearer {secret}")).await["role"],
        "VIEWER"
    );
    assert_eq!(ask("cookie", format!("cronium={me}")).await["role"], "VIEWER");
    assert_eq!(ask("cookie", format!("cronium={secret}")).await, Value::Null);
}

#[tokio::test]
async fn open_sockets_close_within_five_seconds_of_a_revocation_or_a_change_of_role() {
    let served = Served::start().await;
    let test = &served.test;
    let admin = test.sign_in(UserRole::Admin).await;
    let me = test.person(UserRole::Editor).await;
    let (token, secret) = api_token(test, &me.token, json!({})).await;
    let mut by_token = served.acknowledged(&secret).await;
    let mut by_session = served.acknowledged(&me.token).await;
    let begin = Instant::now();
    let revoked = test.graphql(&me.token, REVOKE, json!({ "id": token })).await;
    assert_eq!(revoked["data"]["revokeApiToken"]["userErrors"], json!([]));
    let demote =
        "mutation ($id: ID!) { updateUser(input: { id: $id, role: VIEWER }) { userErrors { code } } }";
    let demoted = test.graphql(&admin, demote, json!({ "id": me.id })).await;
    assert_eq!(demoted["data"]["updateUser"]["userErrors"], json!([]));
    assert_eq!(by_token.close_code().await, 4403);
    assert_eq!(by_session.close_code().await, 4403);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn sessions_are_listed_and_revoked_by_their_owner() {
    let served = Served::start().await;
    let test = &served.test;
    let me = test.person(UserRole::Viewer).await;
    let sign_in = "mutation ($e: String!, $p: String!) { signIn(input: { email: $e, password: $p, returnToken: true }) {
        accessToken } }";
    let body = json!({ "query": sign_in, "variables": { "e": me.email, "p": PASSWORD } });
    let request = served
        .client
        .post(served.url("/graphql"))
        .header("user-agent", "curl/8");
    let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
    let second = answer["data"]["signIn"]["accessToken"].as_str().unwrap();
    let list = "{ viewer { sessions(first: 10) { totalCount nodes { id current address userAgent } } } }";
    let seen = test.graphql(&me.token, list, json!({})).await["data"]["viewer"]["sessions"].clone();
    assert_eq!(seen["totalCount"], 2);
    let mut nodes = seen["nodes"].as_array().unwrap().clone();
    nodes.sort_by_key(|node| node["current"] == true);
    let elsewhere = &nodes[0];
    assert_eq!(
        (&elsewhere["address"], &elsewhere["userAgent"]),
        (&json!("127.0.0.1"), &json!("curl/8"))
    );
    assert_eq!(nodes[1]["current"], true);
    let stranger = test.sign_in(UserRole::Editor).await;
    let revoke = json!({ "id": elsewhere["id"] });
    let refused = test.graphql(&stranger, REVOKE_SESSION, revoke.clone()).await;
    assert_eq!(
        refused["data"]["revokeSession"]["userErrors"],
        json!([{ "code": "NOT_FOUND" }])
    );
    assert!(test.works(second).await);
    let done = test.graphql(&me.token, REVOKE_SESSION, revoke).await;
    assert_eq!(done["data"]["revokeSession"]["session"]["id"], elsewhere["id"]);
    assert!(!test.works(second).await && test.works(&me.token).await);
}
