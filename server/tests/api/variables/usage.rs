//! Where variables are used: who sees it, and what counts as a use.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use super::{delete, made};
use crate::jobs::event;
use crate::lists::counting;
use crate::support::TestApp;

const USED: &str = "{ variables(first: 100) { nodes { key scope usedBy { name } } } }";

async fn used(test: &TestApp, token: &str) -> Value {
    let seen = test.graphql(token, USED, json!({})).await;
    assert_eq!(seen["errors"], Value::Null, "{seen}");
    let nodes = seen["data"]["variables"]["nodes"].as_array().unwrap().iter();
    let pairs = nodes.map(|node| {
        let names = node["usedBy"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["name"].clone());
        let name = format!(
            "{} {}",
            node["scope"].as_str().unwrap(),
            node["key"].as_str().unwrap()
        );
        (name, names.collect::<Value>())
    });
    Value::Object(pairs.collect())
}

#[tokio::test]
async fn a_use_is_a_whole_word_in_the_present_source_or_the_environment() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    made(&test, &me.token, json!({ "key": "API", "value": "1" })).await;
    made(&test, &me.token, json!({ "key": "API_URL", "value": "1" })).await;
    let source = |name: &str, source: &str| json!({ "name": name, "source": source });
    event(&test, &me.token, source("b url", "x=$(cronium get API_URL)")).await;
    event(&test, &me.token, source("a both", "API\nAPI_URL\n")).await;
    event(
        &test,
        &me.token,
        source("none", "MY_API API2 api _API_URL API_URLS xAPI"),
    )
    .await;
    let environment = json!([{ "name": "LINES", "value": "first\nAPI_URL" }, { "name": "API", "value": "" }]);
    event(
        &test,
        &me.token,
        json!({ "name": "c environment", "environment": environment }),
    )
    .await;
    let old = event(&test, &me.token, source("before", "echo $API")).await;
    let update = "mutation ($id: ID!) { updateEvent(input: { id: $id, expectedVersion: 1, source: \"true\" }) { userErrors { code } } }";
    test.graphql(&me.token, update, json!({ "id": old })).await;
    let expected = json!({ "OWN API": ["a both", "c environment"], "OWN API_URL": ["a both", "b url", "c environment"] });
    assert_eq!(used(&test, &me.token).await, expected);
    let some = "{ variables(first: 1) { nodes { usedBy(first: 1) { name } } } }";
    let some = test.graphql(&me.token, some, json!({})).await;
    assert_eq!(
        some["data"]["variables"]["nodes"][0]["usedBy"],
        json!([{ "name": "a both" }])
    );
}

#[tokio::test]
async fn a_request_uses_what_its_templates_name() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    for key in ["BASE", "BASE_URL", "TOKEN", "BODY", "OLD"] {
        let secret = key == "TOKEN";
        made(
            &test,
            &me.token,
            json!({ "key": key, "value": "a long value", "secret": secret }),
        )
        .await;
    }
    let asks =
        |name: &str, http: Value| json!({ "name": name, "type": "HTTP_REQUEST", "source": "", "http": http });
    let url = json!({ "url": "{{ variables.BASE }}/users" });
    event(&test, &me.token, asks("a url", url)).await;
    let header = json!([{ "name": "Authorization", "value": "Bearer {{ secrets.TOKEN }}" }]);
    event(
        &test,
        &me.token,
        asks("b header", json!({ "url": "https://a.test", "headers": header })),
    )
    .await;
    let body = "{{ variables[\"BODY\"] }}\n{{ variables.BASE }}";
    let post = json!({ "url": "https://a.test/OLDER", "method": "POST", "body": body });
    event(&test, &me.token, asks("c body", post)).await;
    let old = event(
        &test,
        &me.token,
        asks("before", json!({ "url": "{{ variables.OLD }}" })),
    )
    .await;
    let update = "mutation ($i: UpdateEventInput!) { updateEvent(input: $i) { userErrors { code } } }";
    let input = json!({ "id": old, "expectedVersion": 1, "http": { "url": "https://a.test" } });
    test.graphql(&me.token, update, json!({ "i": input })).await;
    let expected = json!({ "OWN BASE": ["a url", "c body"], "OWN BASE_URL": [], "OWN TOKEN": ["b header"],
                           "OWN BODY": ["c body"], "OWN OLD": [] });
    assert_eq!(used(&test, &me.token).await, expected);
}

#[tokio::test]
async fn only_events_that_mean_the_variable_and_that_may_be_seen_are_shown() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let admin = test.person(UserRole::Admin).await;
    made(
        &test,
        &admin.token,
        json!({ "key": "A", "value": "1", "scope": "GLOBAL" }),
    )
    .await;
    made(&test, &me.token, json!({ "key": "A", "value": "1" })).await;
    event(&test, &me.token, json!({ "name": "mine", "source": "A" })).await;
    event(&test, &other.token, json!({ "name": "theirs", "source": "A" })).await;
    event(
        &test,
        &other.token,
        json!({ "name": "theirs, shared", "source": "A", "shared": true }),
    )
    .await;
    assert_eq!(
        used(&test, &me.token).await,
        json!({ "OWN A": ["mine"], "GLOBAL A": ["theirs, shared"] })
    );
    assert_eq!(
        used(&test, &other.token).await,
        json!({ "GLOBAL A": ["theirs", "theirs, shared"] })
    );
    let all = json!({ "OWN A": ["mine"], "GLOBAL A": ["theirs", "theirs, shared"] });
    assert_eq!(used(&test, &admin.token).await, all);
}

#[tokio::test]
async fn a_removal_says_what_used_it() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let one = made(&test, &me.token, json!({ "key": "A", "value": "1" })).await;
    event(&test, &me.token, json!({ "name": "mine", "source": "echo $A" })).await;
    let gone = delete(&test, &me.token, json!({ "id": one["id"] })).await;
    assert_eq!(
        (&gone["deletedId"], &gone["usedBy"]),
        (&one["id"], &json!([{ "name": "mine" }]))
    );
}

#[tokio::test]
async fn many_variables_cost_as_many_statements_as_few() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let (count, _guard) = counting();
    let count = Arc::clone(&count);
    let mut counts = Vec::new();
    for more in [2, 9] {
        for n in 0..more {
            let key = format!("K_{more}_{n}");
            made(&test, &me.token, json!({ "key": key, "value": "v" })).await;
            event(&test, &me.token, json!({ "name": key, "source": key })).await;
        }
        count.store(0, Ordering::Relaxed);
        let query = "{ variables(first: 100) { nodes { owner { name } updatedBy { name } usedBy { name owner { name } } } } }";
        let seen = test.graphql(&me.token, query, json!({})).await;
        counts.push(count.load(Ordering::Relaxed));
        let nodes = seen["data"]["variables"]["nodes"].as_array().unwrap();
        assert!(
            nodes
                .iter()
                .all(|node| node["usedBy"].as_array().unwrap().len() == 1),
            "{seen}"
        );
    }
    assert!(counts[0] > 3, "statements are counted: {counts:?}");
    assert_eq!(counts[0], counts[1]);
}
