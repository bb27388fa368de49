//! Signing in and out, throttling, profile and password.

use cronium_entity::enums::UserRole;
use serde_json::json;

use crate::support::{PASSWORD, TestApp};

const SIGN_IN: &str = "mutation ($input: SignInInput!) { signIn(input: $input) {
    viewer { email role } accessToken userErrors { code field } } }";

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let me = test.graphql(&token, "{ viewer { email } }", json!({})).await;
    let email = me["data"]["viewer"]["email"].as_str().unwrap().to_owned();
    let mut answers = Vec::new();
    for email in [email.as_str(), "nobody@example.test"] {
        let input = json!({ "input": { "email": email, "password": "not the password" } });
        answers.push(test.graphql("", SIGN_IN, input).await);
    }
    assert_eq!(answers[0], answers[1]);
    let errors = &answers[0]["data"]["signIn"]["userErrors"];
    assert_eq!(errors, &json!([{ "code": "INVALID", "field": ["password"] }]));
}

#[tokio::test]
async fn a_session_begins_at_sign_in_and_ends_at_sign_out() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Admin).await;
    let out = test
        .graphql(&token, "mutation { signOut { signedOut } }", json!({}))
        .await;
    assert_eq!(out["data"]["signOut"]["signedOut"], true);
    assert!(test.app.identity.authenticate(&token).await.is_err());
}

#[tokio::test]
async fn a_session_ends_after_thirty_days() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Admin).await;
    test.clock.advance(chrono::TimeDelta::days(31));
    assert!(test.app.identity.authenticate(&token).await.is_err());
}

#[tokio::test]
async fn guessing_is_throttled() {
    let test = TestApp::start().await;
    let input = json!({ "input": { "email": "a@example.test", "password": "guess" } });
    for _ in 0..10 {
        test.graphql("", SIGN_IN, input.clone()).await;
    }
    let refused = test.graphql("", SIGN_IN, input).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "RATE_LIMITED");
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let me = test.graphql(&token, "{ viewer { email } }", json!({})).await;
    let email = me["data"]["viewer"]["email"].as_str().unwrap();
    let input = json!({ "input": { "email": email, "password": PASSWORD, "returnToken": true } });
    let other = test.graphql("", SIGN_IN, input).await;
    let other = other["data"]["signIn"]["accessToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let change = "mutation ($c: String!, $n: String!) { changePassword(input: { currentPassword: $c, newPassword: $n }) {
        userErrors { code field } } }";
    let wrong = test
        .graphql(
            &token,
            change,
            json!({ "c": "wrong", "n": "another long password" }),
        )
        .await;
    assert_eq!(
        wrong["data"]["changePassword"]["userErrors"][0]["field"],
        json!(["currentPassword"])
    );
    let short = test
        .graphql(&token, change, json!({ "c": PASSWORD, "n": "short" }))
        .await;
    assert_eq!(
        short["data"]["changePassword"]["userErrors"][0]["field"],
        json!(["newPassword"])
    );
    let done = test
        .graphql(
            &token,
            change,
            json!({ "c": PASSWORD, "n": "another long password" }),
        )
        .await;
    assert_eq!(done["data"]["changePassword"]["userErrors"], json!([]));
    assert!(test.app.identity.authenticate(&token).await.is_ok());
    assert!(test.app.identity.authenticate(&other).await.is_err());
}

#[tokio::test]
async fn nobody_may_change_a_profile_without_signing_in() {
    let test = TestApp::start().await;
    let document = "mutation { updateProfile(input: { name: \"x\" }) { userErrors { code } } }";
    let refused = test.graphql("", document, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    let token = test.sign_in(UserRole::Viewer).await;
    let document =
        "mutation { updateProfile(input: { name: \" \", locale: \"xx\" }) { userErrors { code field } } }";
    let refused = test.graphql(&token, document, json!({})).await;
    let errors =
        json!([{ "code": "REQUIRED", "field": ["name"] }, { "code": "UNSUPPORTED", "field": ["locale"] }]);
    assert_eq!(refused["data"]["updateProfile"]["userErrors"], errors);
}
