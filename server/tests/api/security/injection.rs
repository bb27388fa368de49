//! What would be SQL if it were spliced, in each text of each list: it is only text.

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use crate::jobs::{event, run};
use crate::support::TestApp;

const TEXTS: &[&str] = &[
    "' OR '1'='1",
    "'; DROP TABLE users; --",
    "\" OR \"\"=\"",
    "\\",
    "%' AND 1=CAST((SELECT password_hash FROM users LIMIT 1) AS int) --",
    "$1",
    "%",
    "_",
    "') UNION SELECT id FROM sessions --",
    "{x}",
    "\u{202e}\u{0}",
];

/// Each list with one text in its filter, and one that has the same text in an id or a cursor.
const QUERIES: &[&str] = &[
    "query ($t: String!) { events(first: 5, filter: { text: $t }) { totalCount nodes { name } } }",
    "query ($t: String!) { events(first: 5, filter: { tag: $t }) { totalCount nodes { name } } }",
    "query ($t: String!) { users(first: 5, filter: { text: $t }) { totalCount nodes { email } } }",
    "query ($t: String!) { invites(first: 5, filter: { text: $t }) { totalCount nodes { email } } }",
];
const IDS: &[&str] = &[
    "query ($t: ID!) { jobs(first: 5, filter: { eventId: $t }) { totalCount nodes { id } } }",
    "query ($t: ID!) { users(first: 5, filter: { roleId: $t }) { totalCount nodes { id } } }",
    "query ($t: ID!) { auditLog(first: 5, filter: { actorId: $t }) { totalCount nodes { id } } }",
    "query ($t: ID!) { auditLog(first: 5, filter: { targetId: $t }) { totalCount nodes { id } } }",
];
const CURSORS: &[&str] = &[
    "query ($t: String!) { events(first: 5, after: $t) { nodes { id } } }",
    "query ($t: String!) { jobs(first: 5, after: $t) { nodes { id } } }",
    "query ($t: String!) { users(last: 5, before: $t) { nodes { id } } }",
    "query ($t: String!) { invites(last: 5, before: $t) { nodes { id } } }",
    "query ($t: String!) { auditLog(first: 5, after: $t) { nodes { id } } }",
    "query ($t: String!) { viewer { sessions(first: 5, after: $t) { nodes { id } } } }",
];

async fn ask(test: &TestApp, token: &str, query: &str, text: &str) -> Value {
    let answer = test.graphql(token, query, json!({ "t": text })).await;
    let code = &answer["errors"][0]["extensions"]["code"];
    assert!(
        ["BAD_REQUEST", "NOT_FOUND"].contains(&code.as_str().unwrap_or("NOT_FOUND")),
        "{query} with {text:?}: {answer}"
    );
    answer
}

#[tokio::test]
async fn metacharacters_in_filters_ids_and_cursors_are_only_text() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let id = event(&test, &admin, json!({ "name": "Plain", "tags": ["plain"] })).await;
    run(&test, &admin, json!({ "eventId": id })).await;
    for text in TEXTS {
        for query in QUERIES.iter().chain(IDS) {
            let answer = ask(&test, &admin, query, text).await;
            let list = answer["data"].as_object().and_then(|data| data.values().next());
            let found = list.map_or(&Value::Null, |list| &list["totalCount"]);
            assert!(found.is_null() || found == 0, "{query} with {text:?}: {answer}");
        }
        for query in CURSORS {
            let answer = ask(&test, &admin, query, text).await;
            assert_eq!(
                answer["errors"][0]["extensions"]["code"], "BAD_REQUEST",
                "{query} with {text:?}: {answer}"
            );
        }
    }
    // What contains them is found by them, and nothing else.
    event(&test, &admin, json!({ "name": "100 % it's \\ _" })).await;
    for text in ["%", "'", "\\", "_"] {
        assert_eq!(
            ask(&test, &admin, QUERIES[0], text).await["data"]["events"]["totalCount"],
            1,
            "{text}"
        );
    }
}
