//! Access tokens and refresh tokens: short-lived, replaced at each use, and dead with their session.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, TestApp};

const SIGN_IN: &str =
    "mutation ($e: String!, $p: String!) { signIn(input: { email: $e, password: $p, refreshable: true }) {
    accessToken accessTokenExpiresAt refreshToken expiresAt } }";
const REFRESH: &str = "mutation ($t: String!) { refreshToken(input: { refreshToken: $t }) {
    viewer { email } accessToken refreshToken userErrors { code field } } }";

async fn sign_in(test: &TestApp, me: &Person) -> (String, String) {
    let answer = test
        .graphql("", SIGN_IN, json!({ "e": me.email, "p": PASSWORD }))
        .await["data"]["signIn"]
        .clone();
    assert_eq!(
        answer["accessTokenExpiresAt"], "2026-03-01T12:10:00+00:00",
        "{answer}"
    );
    pair(&answer)
}

fn pair(answer: &Value) -> (String, String) {
    let text = |name: &str| {
        answer[name]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    };
    (text("accessToken"), text("refreshToken"))
}

async fn refresh(test: &TestApp, token: &str) -> Value {
    test.graphql("", REFRESH, json!({ "t": token })).await["data"]["refreshToken"].clone()
}

#[tokio::test]
async fn an_access_token_lasts_ten_minutes_and_is_replaced() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let (access, token) = sign_in(&test, &me).await;
    let seen = test.graphql(&access, "{ viewer { email } }", json!({})).await;
    assert_eq!(seen["data"]["viewer"]["email"], me.email);
    test.clock.advance(TimeDelta::minutes(10));
    assert!(!test.works(&access).await);
    let fresh = refresh(&test, &token).await;
    assert_eq!(fresh["viewer"]["email"], me.email);
    let (access, token) = pair(&fresh);
    assert!(
        test.works(&access).await && !test.works(&token).await,
        "a refresh token is no access token"
    );
    let stored: String =
        sqlx::query_scalar("SELECT string_agg(encode(token_hash, 'escape'), ' ') FROM refresh_tokens")
            .fetch_one(&test.app.kernel.pool)
            .await
            .unwrap();
    assert!(!stored.contains(&token));
}

#[tokio::test]
async fn a_refresh_token_that_comes_twice_ends_its_session() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let (_, stolen) = sign_in(&test, &me).await;
    let (access, next) = pair(&refresh(&test, &stolen).await);
    assert!(test.works(&access).await);
    let invalid = json!([{ "code": "INVALID", "field": ["refreshToken"] }]);
    assert_eq!(refresh(&test, &stolen).await["userErrors"], invalid);
    assert!(
        !test.works(&access).await,
        "the thief's or the owner's: nobody can tell"
    );
    assert_eq!(refresh(&test, &next).await["userErrors"], invalid);
    assert!(test.works(&me.token).await, "other sessions go on");
    let admin = test.sign_in(UserRole::Admin).await;
    let log = "{ auditLog(first: 100) { nodes { action targetName } } }";
    let kept = test.graphql(&admin, log, json!({})).await;
    let ended = json!({ "action": "REVOKE_SESSION", "targetName": me.email });
    let kept = kept["data"]["auditLog"]["nodes"].as_array().unwrap().clone();
    assert!(kept.contains(&ended), "{kept:?}");
}

#[tokio::test]
async fn of_two_refreshes_at_the_same_time_one_is_served() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let (_, token) = sign_in(&test, &me).await;
    let (one, two) = futures::future::join(refresh(&test, &token), refresh(&test, &token)).await;
    assert_ne!(
        one["accessToken"].is_null(),
        two["accessToken"].is_null(),
        "{one} {two}"
    );
}

#[tokio::test]
async fn tokens_end_with_their_session_and_with_their_account() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let me = test.person(UserRole::Editor).await;
    let (access, token) = sign_in(&test, &me).await;
    let out = test
        .graphql(&access, "mutation { signOut { signedOut } }", json!({}))
        .await;
    assert_eq!(out["data"]["signOut"]["signedOut"], true);
    assert!(!test.works(&access).await);
    assert_eq!(refresh(&test, &token).await["accessToken"], Value::Null);
    let (access, token) = sign_in(&test, &me).await;
    let disable =
        "mutation ($id: ID!) { updateUser(input: { id: $id, status: DISABLED }) { userErrors { code } } }";
    test.graphql(&admin.token, disable, json!({ "id": me.id })).await;
    assert!(!test.works(&access).await);
    assert_eq!(refresh(&test, &token).await["accessToken"], Value::Null);
}
