//! Bad input in the forms of people and settings: refused where it is, and nothing is changed by it.

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use crate::jobs::event;
use crate::support::TestApp;

async fn errors(test: &TestApp, token: &str, document: &str, input: Value) -> Value {
    let answer = test.graphql(token, document, json!({ "i": input })).await;
    let fields = answer["data"].as_object().unwrap_or_else(|| panic!("{answer}"));
    fields.values().next().unwrap()["userErrors"].clone()
}

const ROLE: &str = "mutation ($i: SaveRoleInput!) { saveRole(input: $i) { userErrors { code field } } }";
const EVENT: &str =
    "mutation ($i: CreateEventInput!) { createEvent(input: $i) { userErrors { code field } } }";
const INVITE: &str =
    "mutation ($i: InviteUserInput!) { inviteUser(input: $i) { userErrors { code field } } }";
const SETTINGS: &str =
    "mutation ($i: UpdateSettingsInput!) { updateSettings(input: $i) { userErrors { code field } } }";
const USER: &str = "mutation ($i: UpdateUserInput!) { updateUser(input: $i) { userErrors { code field } } }";

#[tokio::test]
async fn what_the_database_cannot_keep_is_refused_at_its_field() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let role = json!({ "name": "Nul", "description": "a\0b", "permissions": ["READ_EVENTS"] });
    let commented = json!({ "name": "Nul", "comment": "c\0", "type": "BASH", "source": "true" });
    for (document, input, field) in [
        (ROLE, role, json!(["description"])),
        (EVENT, commented, json!(["comment"])),
    ] {
        let found = errors(&test, &admin, document, input).await;
        assert_eq!(
            found,
            json!([{ "code": "INVALID", "field": field }]),
            "{document}"
        );
    }
}

#[tokio::test]
async fn names_that_look_like_others_and_addresses_that_no_mail_reaches_are_refused() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let invalid = |field: Value| json!([{ "code": "INVALID", "field": field }]);
    for (document, input, field) in [
        (
            ROLE,
            json!({ "name": "Ad\u{200b}min", "permissions": ["READ_EVENTS"] }),
            json!(["name"]),
        ),
        (
            INVITE,
            json!({ "email": "a@x.test", "name": "gnp\u{202e}exe", "role": "VIEWER" }),
            json!(["name"]),
        ),
        (
            INVITE,
            json!({ "email": ".a@x.test", "role": "VIEWER" }),
            json!(["email"]),
        ),
        (
            INVITE,
            json!({ "email": "a@x.test\r\nBcc: b@x.test", "role": "VIEWER" }),
            json!(["email"]),
        ),
    ] {
        let found = errors(&test, &admin, document, input.clone()).await;
        assert_eq!(found, invalid(field), "{input}");
    }
}

#[tokio::test]
async fn a_mail_server_that_cannot_be_is_refused_at_its_field() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let good = json!({ "host": "mail.example.test", "port": 25, "security": "NONE", "from": "Cronium <c@x.test>",
        "username": "c", "password": "secret" });
    for (name, value, code) in [
        ("host", "%_\\".to_owned(), "INVALID"),
        ("host", "mail..x".to_owned(), "INVALID"),
        ("host", "a/b".to_owned(), "INVALID"),
        ("from", "c".to_owned(), "INVALID"),
        ("from", ".c@x.test".to_owned(), "INVALID"),
        ("username", "c\r\nRCPT TO:<x@x.test>".to_owned(), "INVALID"),
        ("password", "p\0".to_owned(), "INVALID"),
        ("password", "p".repeat(300_000), "TOO_LONG"),
    ] {
        let mut smtp = good.clone();
        smtp[name] = json!(value);
        let found = errors(&test, &admin, SETTINGS, json!({ "smtp": smtp })).await;
        assert_eq!(
            found,
            json!([{ "code": code, "field": ["smtp", name] }]),
            "{name}"
        );
    }
    assert_eq!(
        errors(&test, &admin, SETTINGS, json!({ "smtp": good })).await,
        json!([])
    );
}

#[tokio::test]
async fn nobody_disables_their_own_account_and_a_foreign_event_is_named_where_it_was_given() {
    let test = TestApp::start().await;
    test.person(UserRole::Admin).await;
    let me = test.person(UserRole::Admin).await;
    let found = errors(
        &test,
        &me.token,
        USER,
        json!({ "id": me.id, "status": "DISABLED" }),
    )
    .await;
    assert_eq!(found, json!([{ "code": "CONFLICT", "field": ["status"] }]));
    let other = test.sign_in(UserRole::Editor).await;
    let foreign = event(&test, &me.token, json!({ "name": "Mine" })).await;
    let run = "mutation ($i: RunEventInput!) { runEvent(input: $i) { userErrors { code field } } }";
    let not_found = json!([{ "code": "NOT_FOUND", "field": ["eventId"] }]);
    assert_eq!(
        errors(&test, &other, run, json!({ "eventId": foreign })).await,
        not_found
    );
    test.app.audit.flush_denials(true).await.ok().unwrap();
    let log = "{ auditLog(first: 5, filter: { outcome: DENIED }) { nodes { targetName } } }";
    let kept = test.graphql(&me.token, log, json!({})).await;
    assert!(kept.to_string().contains("runEvent"), "{kept}");
}
