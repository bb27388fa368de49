//! Events that are requests over HTTP: what is saved, and what an orchestrator is given to send.

use cronium_entity::enums::UserRole;
use cronium_protocol::agent::Assignment;
use cronium_protocol::http::HttpRequest;
use cronium_protocol::manifest::{Language, Manifest};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::{event, run};
use crate::queue::claimed;
use crate::support::TestApp;

async fn create(test: &TestApp, token: &str, more: Value) -> Value {
    let mut input = json!({ "name": "Ask", "type": "HTTP_REQUEST", "status": "ACTIVE" });
    input
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let create = "mutation ($i: CreateEventInput!) { createEvent(input: $i) { userErrors { code field } event { id version {
                  id number source http { method url headers { name value } body expectedStatus verifyTls maxRedirects } } } } }";
    test.graphql(token, create, json!({ "i": input })).await["data"]["createEvent"].clone()
}

async fn variable(test: &TestApp, token: &str, key: &str, value: &str, secret: bool) {
    let set = "mutation ($i: SetVariableInput!) { setVariable(input: $i) { userErrors { message } } }";
    let input = json!({ "key": key, "value": value, "secret": secret });
    let answer = test.graphql(token, set, json!({ "i": input })).await;
    assert_eq!(answer["data"]["setVariable"]["userErrors"], json!([]), "{answer}");
}

/// What an orchestrator gets for the next job.
async fn sent(test: &TestApp) -> HttpRequest {
    request_of(&claimed(test, Uuid::new_v4(), 1).await[0])
}

fn request_of(assignment: &Assignment) -> HttpRequest {
    assert!(assignment.http);
    let manifest: Manifest = rmp_serde::from_slice(&assignment.manifest).unwrap();
    assert_eq!(manifest.language, Language::Http);
    assert_eq!(manifest.files.len(), 1);
    let mut archive = tar::Archive::new(assignment.archive.as_slice());
    let entry = archive.entries().unwrap().next().unwrap().unwrap();
    serde_json::from_reader(entry).unwrap()
}

#[tokio::test]
async fn a_request_is_filled_in_from_input_job_variables_and_secrets() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    variable(&test, &token, "BASE", "https://api.example.test", false).await;
    variable(&test, &token, "TOKEN", "hunter2-and-more", true).await;
    let http = json!({
        "method": "POST", "url": "{{ variables.BASE }}/users/{{ input.name | urlencode }}",
        "headers": [{ "name": "Authorization", "value": "Bearer {{ secrets.TOKEN }}" },
                    { "name": "X-Job", "value": "{{ event.name }} #{{ job.number }}/{{ job.attempt }}" }],
        "body": "{{ input | tojson }}", "expectedStatus": "200-299,404",
    });
    let made = create(&test, &token, json!({ "http": http })).await;
    assert_eq!(made["userErrors"], json!([]), "{made}");
    let version = &made["event"]["version"];
    assert_eq!(
        (&version["source"], &version["http"]["maxRedirects"]),
        (&json!(""), &json!(5))
    );
    assert_eq!(version["http"]["verifyTls"], true);
    let id = &made["event"]["id"];
    let job = run(
        &test,
        &token,
        json!({ "eventId": id, "input": { "name": "Ann B" } }),
    )
    .await["job"]
        .clone();
    assert!(job["id"].is_string(), "{job}");
    let request = sent(&test).await;
    assert_eq!(request.url, "https://api.example.test/users/Ann%20B");
    assert_eq!(request.headers[0].value, "Bearer hunter2-and-more");
    assert!(
        request.headers[1].value.starts_with("Ask #"),
        "{:?}",
        request.headers
    );
    assert_eq!(request.body.as_deref(), Some(r#"{"name": "Ann B"}"#));
    assert_eq!(request.secrets, ["hunter2-and-more"]);
    assert_eq!(request.expected.len(), 2);
    assert_eq!(request.problem, None);
}

#[tokio::test]
async fn what_cannot_be_filled_in_is_told_and_a_secret_is_no_variable() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let stranger = test.sign_in(UserRole::Editor).await;
    variable(&test, &token, "TOKEN", "hunter2-and-more", true).await;
    variable(&test, &stranger, "THEIRS", "of-somebody-else", true).await;
    for (url, why) in [
        ("https://a.test/{{ variables.TOKEN }}", "a value is not there"),
        ("https://a.test/{{ secrets.THEIRS }}", "a value is not there"),
        ("https://a.test/{{ input.missing }}", "a value is not there"),
        (
            "https://a.test/{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "steps",
        ),
    ] {
        let made = create(&test, &token, json!({ "http": { "url": url } })).await;
        assert_eq!(made["userErrors"], json!([]), "{made}");
        run(
            &test,
            &token,
            json!({ "eventId": made["event"]["id"], "input": {} }),
        )
        .await;
        let problem = sent(&test).await.problem.unwrap();
        assert!(
            problem.starts_with("the template of the address") && problem.contains(why),
            "{problem}"
        );
        assert!(!problem.contains("hunter2"));
    }
}

/// Whoever gives the input does not choose where a request goes.
#[tokio::test]
async fn a_value_stays_one_segment_of_the_path() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let url = "https://a.test/items/{{ input.id | urlencode }}";
    let made = create(&test, &token, json!({ "http": { "url": url } })).await;
    for (input, expected) in [
        (json!({ "id": "a/b" }), Ok("https://a.test/items/a%2Fb")),
        (json!({ "id": "../admin" }), Ok("https://a.test/items/..%2Fadmin")),
        (json!({ "id": ".." }), Err("in its path")),
        (json!({ "id": "." }), Err("in its path")),
        (json!({ "id": null }), Err("a value is not there")),
        (json!({}), Err("a value is not there")),
    ] {
        let wanted = json!({ "eventId": made["event"]["id"], "input": input.clone() });
        run(&test, &token, wanted).await;
        let request = sent(&test).await;
        match expected {
            Ok(url) => assert_eq!((request.url.as_str(), &request.problem), (url, &None)),
            Err(why) => assert!(request.problem.unwrap().contains(why), "{input}"),
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_at_its_field() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let wrong = [
        (json!({}), json!(["http"])),
        (json!({ "http": { "url": "ftp://a" } }), json!(["http", "url"])),
        (
            json!({ "http": { "url": "https://a.test/{{" } }),
            json!(["http", "url"]),
        ),
        (
            json!({ "http": { "url": "https://a.test", "headers": [{ "name": "a b", "value": "c" }] } }),
            json!(["http", "headers", "0", "name"]),
        ),
        (
            json!({ "http": { "url": "https://a.test" }, "source": "true" }),
            json!(["source"]),
        ),
        (
            json!({ "type": "BASH", "source": "true", "http": { "url": "https://a.test" } }),
            json!(["http"]),
        ),
    ];
    for (more, field) in wrong {
        let refused = create(&test, &token, more.clone()).await;
        assert_eq!(refused["event"], Value::Null, "{more}");
        assert_eq!(refused["userErrors"][0]["field"], field, "{more}: {refused}");
    }
}

#[tokio::test]
async fn a_request_becomes_a_script_and_a_request_again_as_versions() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let made = create(&test, &token, json!({ "http": { "url": "https://a.test" } })).await;
    let id = made["event"]["id"].clone();
    let update = "mutation ($i: UpdateEventInput!) { updateEvent(input: $i) { userErrors { field } event { type version { number source http { url } } } } }";
    let input = json!({ "id": id, "expectedVersion": 1, "type": "BASH", "source": "true", "http": null });
    let changed = test.graphql(&token, update, json!({ "i": input })).await["data"]["updateEvent"].clone();
    let expected = json!({ "type": "BASH", "version": { "number": 2, "source": "true", "http": null } });
    assert_eq!(changed["event"], expected, "{changed}");
    let restore = "mutation ($i: RestoreEventVersionInput!) { restoreEventVersion(input: $i) { userErrors { field } event { type version { http { url } } } } }";
    let input = json!({ "id": id, "versionId": made["event"]["version"]["id"], "expectedVersion": 2 });
    let back =
        test.graphql(&token, restore, json!({ "i": input })).await["data"]["restoreEventVersion"].clone();
    assert_eq!(
        back["event"],
        json!({ "type": "HTTP_REQUEST", "version": { "http": { "url": "https://a.test" } } }),
        "{back}"
    );
}

/// A secret that can't be opened is its own request's matter: others are claimed with it.
#[tokio::test]
async fn a_secret_that_cannot_be_read_stops_no_other_work() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    variable(&test, &token, "TOKEN", "hunter2-and-more", true).await;
    let http = json!({ "method": "GET", "url": "https://example.test/{{ secrets.TOKEN }}" });
    let broken = create(&test, &token, json!({ "http": http })).await["event"]["id"].clone();
    let whole = event(&test, &token, json!({})).await;
    run(&test, &token, json!({ "eventId": broken })).await;
    run(&test, &token, json!({ "eventId": whole })).await;
    sqlx::query("UPDATE variables SET sealed = set_byte(sealed, length(sealed) - 1, get_byte(sealed, length(sealed) - 1) # 1)")
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
    let given = claimed(&test, Uuid::new_v4(), 2).await;
    assert_eq!(given.len(), 2);
    let request = given.iter().find(|one| one.http).map(request_of).unwrap();
    let problem = request.problem.unwrap();
    assert!(problem.contains("TOKEN can't be read"), "{problem}");
    assert!(!problem.contains("hunter2"), "{problem}");
}
