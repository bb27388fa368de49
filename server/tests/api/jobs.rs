//! Events and jobs through the API: who sees what, what is refused where, and what happens once only.

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::queue::claimed;
use crate::support::TestApp;

const CREATE: &str = "mutation ($i: CreateEventInput!) { createEvent(input: $i) {
    event { id version { id number } viewerCan } userErrors { code field } } }";
const RUN: &str = "mutation ($i: RunEventInput!) { runEvent(input: $i) {
    job { id status executions { id } } userErrors { code field } } }";

pub async fn event(test: &TestApp, token: &str, more: Value) -> String {
    let mut input = json!({ "name": "Backup", "type": "BASH", "source": "echo hi" });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let made = test.graphql(token, CREATE, json!({ "i": input })).await;
    made["data"]["createEvent"]["event"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"))
        .to_owned()
}

pub async fn run(test: &TestApp, token: &str, input: Value) -> Value {
    test.graphql(token, RUN, json!({ "i": input })).await["data"]["runEvent"].clone()
}

pub async fn status(test: &TestApp, token: &str, job: &Value) -> Value {
    let answer = test
        .graphql(
            token,
            "query ($id: ID!) { job(id: $id) { status } }",
            json!({ "id": job }),
        )
        .await;
    answer["data"]["job"]["status"].clone()
}

#[tokio::test]
async fn each_mistake_is_named_at_its_field_and_nothing_is_stored() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let input = json!({ "name": " ", "type": "BASH", "source": "", "timeout": "PT0.5S",
        "environment": [{ "name": "1", "value": "" }], "target": { "container": { "pids": 1 } } });
    let refused = test.graphql(&token, CREATE, json!({ "i": input })).await;
    let errors = &refused["data"]["createEvent"]["userErrors"];
    let fields: Vec<String> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"].to_string())
        .collect();
    let expected = [
        r#"["name"]"#,
        r#"["source"]"#,
        r#"["environment","0","name"]"#,
        r#"["timeout"]"#,
        r#"["target","container","pids"]"#,
    ];
    assert_eq!(fields, expected);
    let all = test
        .graphql(&token, "{ events(first: 1) { totalCount } }", json!({}))
        .await;
    assert_eq!(all["data"]["events"]["totalCount"], 0);
}

#[tokio::test]
async fn a_stale_save_is_refused_and_every_save_makes_a_version() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let update = "mutation ($i: UpdateEventInput!) { updateEvent(input: $i) {
        event { version { number source } } userErrors { code field } } }";
    let save = |n: i32, source: &str| json!({ "i": { "id": id, "expectedVersion": n, "source": source } });
    let first = test.graphql(&token, update, save(1, "echo two")).await;
    assert_eq!(first["data"]["updateEvent"]["event"]["version"]["number"], 2);
    let stale = test.graphql(&token, update, save(1, "echo three")).await;
    let conflict = json!([{ "code": "CONFLICT", "field": ["expectedVersion"] }]);
    assert_eq!(stale["data"]["updateEvent"]["userErrors"], conflict);
    let same = test.graphql(&token, update, save(2, "echo two")).await;
    assert_eq!(same["data"]["updateEvent"]["event"]["version"]["number"], 2);
}

#[tokio::test]
async fn a_foreign_job_does_not_exist() {
    let test = TestApp::start().await;
    let (mine, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let id = event(&test, &mine, json!({})).await;
    let job = run(&test, &mine, json!({ "eventId": id })).await["job"].clone();
    let look =
        "query ($j: ID!, $e: ID!, $x: ID!) { job(id: $j) { id } node(id: $j) { id } event(id: $e) { id }
        execution(id: $x) { id } jobs(first: 10) { totalCount } }";
    let ids = json!({ "j": job["id"], "e": id, "x": job["executions"][0]["id"] });
    let seen = test.graphql(&other, look, ids.clone()).await["data"].clone();
    assert_eq!(
        seen,
        json!({ "job": null, "node": null, "event": null, "execution": null, "jobs": { "totalCount": 0 } })
    );
    let cancel = "mutation ($id: ID!) { cancelJob(input: { id: $id }) { job { id } userErrors { code } } }";
    let refused = test.graphql(&other, cancel, json!({ "id": job["id"] })).await;
    assert_eq!(
        refused["data"]["cancelJob"],
        json!({ "job": null, "userErrors": [{ "code": "NOT_FOUND" }] })
    );
    let own = test.graphql(&mine, look, ids).await["data"].clone();
    assert_eq!(own["job"]["id"], job["id"]);
}

#[tokio::test]
async fn one_key_gives_one_job_even_at_the_same_time() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let input = json!({ "eventId": id, "idempotencyKey": "nightly" });
    let all = futures::future::join_all((0..6).map(|_| run(&test, &token, input.clone()))).await;
    assert!(
        all.iter()
            .all(|one| one["job"]["id"] == all[0]["job"]["id"] && one["job"]["id"].is_string()),
        "{all:?}"
    );
    let other = json!({ "eventId": id, "idempotencyKey": "nightly", "input": { "a": 1 } });
    let refused = run(&test, &token, other).await;
    assert_eq!(
        refused["userErrors"],
        json!([{ "code": "CONFLICT", "field": ["idempotencyKey"] }])
    );
}

#[tokio::test]
async fn input_must_satisfy_the_schema() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let schema = json!({ "type": "object", "required": ["n"], "additionalProperties": false, "properties": {
        "n": {}, "a/b~c.d": { "type": "number" },
        "list": { "items": { "type": "object", "required": ["k"] } } } });
    let id = event(&test, &token, json!({ "inputSchema": schema })).await;
    for (input, code, field) in [
        (json!([]), "INVALID", json!(["input"])),
        (json!({}), "REQUIRED", json!(["input", "n"])),
        (json!({ "n": 1, "x": 1 }), "INVALID", json!(["input", "x"])),
        (
            json!({ "n": 1, "a/b~c.d": "s" }),
            "INVALID",
            json!(["input", "a/b~c.d"]),
        ),
        (
            json!({ "n": 1, "list": [{ "k": 1 }, {}] }),
            "REQUIRED",
            json!(["input", "list", "1", "k"]),
        ),
    ] {
        let refused = run(&test, &token, json!({ "eventId": id, "input": input })).await;
        assert_eq!(
            refused["userErrors"],
            json!([{ "code": code, "field": field }]),
            "{input}"
        );
    }
    assert!(run(&test, &token, json!({ "eventId": id, "input": { "n": 1 } })).await["job"]["id"].is_string());
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_never_handed_out() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let cancel = "mutation ($id: ID!) { cancelJob(input: { id: $id }) {
        job { status cancellation { processGone } } userErrors { code field } } }";
    let done = test.graphql(&token, cancel, json!({ "id": job })).await["data"]["cancelJob"].clone();
    assert_eq!(
        done["job"],
        json!({ "status": "CANCELLED", "cancellation": { "processGone": true } })
    );
    assert!(claimed(&test, Uuid::new_v4(), 5).await.is_empty());
    let twice = test.graphql(&token, cancel, json!({ "id": job })).await["data"]["cancelJob"].clone();
    assert_eq!(
        twice["userErrors"],
        json!([{ "code": "CONFLICT", "field": ["id"] }])
    );
}

#[tokio::test]
async fn pages_stay_right_while_rows_arrive() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    for _ in 0..5 {
        run(&test, &token, json!({ "eventId": id })).await;
        test.clock.advance(chrono::TimeDelta::seconds(1));
    }
    let query = "query ($a: String) { jobs(first: 2, after: $a) { nodes { number } pageInfo { endCursor hasNextPage } } }";
    let (mut after, mut numbers) = (Value::Null, Vec::new());
    loop {
        let page = test.graphql(&token, query, json!({ "a": after })).await["data"]["jobs"].clone();
        numbers.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n["number"].as_i64().unwrap()),
        );
        run(&test, &token, json!({ "eventId": id })).await;
        test.clock.advance(chrono::TimeDelta::seconds(1));
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_repeated_request_gives_its_job_whatever_became_of_the_event() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    let first = run(&test, &token, json!({ "eventId": id, "idempotencyKey": "k" })).await;
    let archive = "mutation ($id: ID!) { setEventStatus(input: { id: $id, status: ARCHIVED }) { userErrors { code } } }";
    test.graphql(&token, archive, json!({ "id": id })).await;
    let again = run(&test, &token, json!({ "eventId": id, "idempotencyKey": "k" })).await;
    assert_eq!(again["job"]["id"], first["job"]["id"]);
    let other = run(&test, &token, json!({ "eventId": id, "idempotencyKey": "other" })).await;
    assert_eq!(
        other["userErrors"],
        json!([{ "code": "CONFLICT", "field": ["eventId"] }])
    );
}

#[tokio::test]
async fn what_postgres_cannot_keep_is_refused_at_its_field() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let schema = json!({ "title": "a\u{0}b" });
    let made = test
        .graphql(
            &token,
            CREATE,
            json!({ "i": { "name": "n", "type": "BASH", "source": "true", "inputSchema": schema } }),
        )
        .await;
    let expected = json!([{ "code": "INVALID", "field": ["inputSchema"] }]);
    assert_eq!(made["data"]["createEvent"]["userErrors"], expected, "{made}");
    let id = event(&test, &token, json!({})).await;
    let ran = run(&test, &token, json!({ "eventId": id, "input": { "k\u{0}": 1 } })).await;
    assert_eq!(
        ran["userErrors"],
        json!([{ "code": "INVALID", "field": ["input"] }])
    );
}
