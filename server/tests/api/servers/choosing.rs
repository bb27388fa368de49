//! Events that run on servers: which may be chosen, by whom, and what others see of it.

use std::sync::atomic::Ordering;

use cronium_entity::enums::UserRole;
use cronium_server::kernel::ids::ServerId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{fault, faults, mutate, saved, unasked, update};
use crate::credentials::api_token;
use crate::jobs::run;
use crate::lists::counting;
use crate::support::TestApp;

const EVENT: &str = "id version { id number target { __typename ... on ServerTarget { maxParallel
    servers { id name server { name } } } ... on ContainerTarget { pids } } }";

/// Executes a mutation of an event.
async fn save(test: &TestApp, token: &str, name: &str, input: Value) -> Value {
    mutate(test, token, name, &format!("event {{ {EVENT} }}"), input).await
}

/// A script, where it runs, and what is different about it.
fn script(target: &Value, different: Value) -> Value {
    let mut input = json!({ "name": "Deploy", "type": "BASH", "source": "uptime", "target": target });
    super::merge(&mut input, different);
    input
}

/// On these, all at once.
fn on(servers: &[&Value]) -> Value {
    let ids: Vec<_> = servers.iter().map(|server| &server["id"]).collect();
    json!({ "servers": { "servers": ids } })
}

async fn make(test: &TestApp, token: &str, input: Value) -> Value {
    save(test, token, "createEvent", input).await
}

async fn change(test: &TestApp, token: &str, event: &Value, different: Value) -> Value {
    let mut input = json!({ "id": event["id"], "expectedVersion": event["version"]["number"] });
    super::merge(&mut input, different);
    save(test, token, "updateEvent", input).await
}

/// The event of a payload that has to be without fault.
fn done(payload: &Value) -> Value {
    assert_eq!(payload["userErrors"], json!([]), "{payload}");
    payload["event"].clone()
}

async fn shown(test: &TestApp, token: &str, event: &Value) -> Value {
    let document = format!("query ($id: ID!) {{ event(id: $id) {{ {EVENT} }} }}");
    let answer = test.graphql(token, &document, json!({ "id": event["id"] })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["event"]["version"]["target"].clone()
}

/// Names of the servers of a target, then and now.
fn names(target: &Value) -> Vec<(String, Option<String>)> {
    let servers = target["servers"].as_array().unwrap_or_else(|| panic!("{target}"));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    servers
        .iter()
        .map(|one| (text(&one["name"]).unwrap(), text(&one["server"]["name"])))
        .collect()
}

fn both(name: &str) -> (String, Option<String>) {
    (name.to_owned(), Some(name.to_owned()))
}

fn only_then(name: &str) -> (String, Option<String>) {
    (name.to_owned(), None)
}

#[tokio::test]
async fn own_and_shared_servers_are_chosen_and_each_other_one_is_refused_at_its_place() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let admin = test.sign_in(UserRole::Admin).await;
    let own = unasked(&test, &me, "own", json!({})).await;
    let shared = unasked(&test, &other, "shared", json!({ "shared": true })).await;
    let hidden = unasked(&test, &other, "hidden", json!({})).await;
    let absent = json!({ "id": ServerId(Uuid::from_u128(7)).global() });
    let nonsense = json!({ "id": "RXZlbnQ6eA" });
    let place = |at: usize| format!("target.servers.servers.{at}");
    for (who, target, code, field) in [
        (&me, on(&[&own, &hidden]), "NOT_FOUND", place(1)),
        (&me, on(&[&absent]), "NOT_FOUND", place(0)),
        (&me, on(&[&own, &nonsense]), "NOT_FOUND", place(1)),
        // Seen, and not theirs.
        (&admin, on(&[&shared, &hidden]), "INVALID", place(1)),
        (&me, on(&[&own, &shared, &own]), "TAKEN", place(2)),
        (&me, on(&[]), "REQUIRED", "target.servers.servers".to_owned()),
        (
            &me,
            json!({ "servers": { "servers": [own["id"]], "maxParallel": 0 } }),
            "INVALID",
            "target.servers.maxParallel".to_owned(),
        ),
        (
            &me,
            json!({ "container": { "memoryBytes": 1 } }),
            "INVALID",
            "target.container.memoryBytes".to_owned(),
        ),
    ] {
        let refused = make(&test, who, script(&target, json!({}))).await;
        assert_eq!(faults(&refused), fault(code, &field), "{target}");
        let tried = json!({ "type": "BASH", "source": "uptime", "target": target });
        let tried = mutate(&test, who, "testEvent", "job { id }", tried).await;
        assert_eq!(faults(&tried), fault(code, &field), "{target}");
    }
    let request = json!({ "type": "HTTP_REQUEST", "source": "", "http": { "url": "https://example.test/" } });
    let refused = make(&test, &me, script(&on(&[&own]), request)).await;
    assert_eq!(faults(&refused), fault("INVALID", "target.servers"));
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM event_versions")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    assert_eq!(stored, 0);
    let target = json!({ "servers": { "servers": [shared["id"], own["id"]], "maxParallel": 1 } });
    let made = done(&make(&test, &me, script(&target, json!({}))).await);
    let target = &made["version"]["target"];
    assert_eq!(
        (&target["__typename"], &target["maxParallel"]),
        (&json!("ServerTarget"), &json!(1))
    );
    assert_eq!(names(target), [both("shared"), both("own")], "in their order");
    assert_eq!(target["servers"][1]["id"], own["id"]);
}

#[tokio::test]
async fn a_target_is_a_container_or_servers_and_never_both_or_none() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let own = unasked(&test, &me, "own", json!({})).await;
    let document =
        "mutation ($i: CreateEventInput!) { createEvent(input: $i) { event { id } userErrors { code } } }";
    let mut two = on(&[&own]);
    two["container"] = json!({ "pids": 64 });
    for target in [
        two,
        json!({}),
        json!({ "pids": 64 }),
        json!({ "container": null }),
    ] {
        let input = script(&target, json!({}));
        let answer = test.graphql(&me, document, json!({ "i": input })).await;
        assert!(answer["errors"][0].is_object(), "{target}: {answer}");
    }
    let plain = done(&make(&test, &me, script(&Value::Null, json!({}))).await);
    assert_eq!(
        plain["version"]["target"],
        json!({ "__typename": "ContainerTarget", "pids": 128 })
    );
}

#[tokio::test]
async fn what_a_save_does_not_mention_stays_and_another_name_of_a_server_is_no_change() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let one = unasked(&test, &me, "one", json!({})).await;
    let two = unasked(&test, &me, "two", json!({})).await;
    let made = done(&make(&test, &me, script(&on(&[&one, &two]), json!({}))).await);
    saved(&update(&test, &me, json!({ "id": one["id"], "name": "first" })).await);
    let same = done(&change(&test, &me, &made, json!({ "target": on(&[&one, &two]) })).await);
    assert_eq!(same["version"]["number"], 1);
    let then_and_now = ("one".to_owned(), Some("first".to_owned()));
    assert_eq!(
        names(&same["version"]["target"]),
        [then_and_now.clone(), both("two")]
    );
    let silent = done(&change(&test, &me, &same, json!({ "source": "date" })).await);
    assert_eq!(silent["version"]["number"], 2);
    assert_eq!(
        names(&silent["version"]["target"]),
        [then_and_now, both("two")],
        "nobody chose anew"
    );
    let turned = done(&change(&test, &me, &silent, json!({ "target": on(&[&two, &one]) })).await);
    assert_eq!(turned["version"]["number"], 3, "their order counts");
    assert_eq!(names(&turned["version"]["target"]), [both("two"), both("first")]);
    let request = json!({ "type": "HTTP_REQUEST", "source": "", "http": { "url": "https://example.test/" } });
    let refused = change(&test, &me, &turned, request).await;
    assert_eq!(faults(&refused), fault("INVALID", "target.servers"));
    let container = json!({ "target": { "container": {} } });
    let back = done(&change(&test, &me, &turned, container).await);
    assert_eq!(back["version"]["target"]["__typename"], "ContainerTarget");
    let restore = json!({ "id": made["id"], "versionId": made["version"]["id"], "expectedVersion": 4 });
    let restored = done(&save(&test, &me, "restoreEventVersion", restore).await);
    assert_eq!(names(&restored["version"]["target"]).len(), 2);
    let stale = json!({ "target": on(&[&one]) });
    let stale = change(&test, &me, &made, stale).await;
    assert_eq!(faults(&stale), fault("CONFLICT", "expectedVersion"));
}

#[tokio::test]
async fn whoever_saves_sees_what_they_add_and_the_owner_may_use_all_of_it() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let admin = test.sign_in(UserRole::Admin).await;
    let mine = unasked(&test, &me, "mine", json!({})).await;
    let theirs = unasked(&test, &other, "theirs", json!({ "shared": true })).await;
    let of_admin = unasked(&test, &admin, "of the admin", json!({})).await;
    let made = done(&make(&test, &me, script(&on(&[&mine, &theirs]), json!({}))).await);
    let more = json!({ "target": on(&[&mine, &theirs, &of_admin]) });
    let refused = change(&test, &admin, &made, more).await;
    assert_eq!(faults(&refused), fault("INVALID", "target.servers.servers.2"));
    let by_admin = done(&change(&test, &admin, &made, json!({ "target": on(&[&mine]) })).await);
    assert_eq!(by_admin["version"]["number"], 2);

    // Changes what everybody owns, and sees no server.
    let scopes = json!({ "scopes": ["CHANGE_EVENTS", "ALL_RESOURCES", "READ_EVENTS"] });
    let (_, blind) = api_token(&test, &admin, scopes).await;
    let kept = json!({ "target": on(&[&mine]), "source": "date" });
    let kept = done(&change(&test, &blind, &by_admin, kept).await);
    assert_eq!(
        names(&kept["version"]["target"]),
        [only_then("mine")],
        "what was there stays, and is not shown"
    );
    let added = json!({ "target": on(&[&mine, &theirs]) });
    let refused = change(&test, &blind, &kept, added).await;
    assert_eq!(faults(&refused), fault("FORBIDDEN", "target.servers.servers"));

    let scopes = json!({ "scopes": ["CREATE_EVENTS", "READ_EVENTS", "RUN_EVENTS"] });
    let (_, blind) = api_token(&test, &me, scopes).await;
    let refused = make(&test, &blind, script(&on(&[&mine]), json!({}))).await;
    assert_eq!(faults(&refused), fault("FORBIDDEN", "target.servers.servers"));
    let tried = json!({ "type": "BASH", "source": "uptime", "target": on(&[&mine]) });
    let tried = mutate(&test, &blind, "testEvent", "job { id }", tried).await;
    assert_eq!(faults(&tried), fault("FORBIDDEN", "target.servers.servers"));

    let with_theirs = json!({ "target": on(&[&mine, &theirs]) });
    let with_theirs = done(&change(&test, &me, &kept, with_theirs).await);
    saved(&update(&test, &other, json!({ "id": theirs["id"], "shared": false })).await);
    let silent = done(&change(&test, &me, &with_theirs, json!({ "source": "id" })).await);
    assert_eq!(
        names(&silent["version"]["target"]),
        [both("mine"), only_then("theirs")]
    );
    for again in [on(&[&mine, &theirs]), on(&[&theirs])] {
        let at = again["servers"]["servers"].as_array().unwrap().len() - 1;
        let refused = change(&test, &me, &silent, json!({ "target": again })).await;
        assert_eq!(
            faults(&refused),
            fault("NOT_FOUND", &format!("target.servers.servers.{at}"))
        );
    }
    done(&change(&test, &me, &silent, json!({ "target": on(&[&mine]) })).await);
}

#[tokio::test]
async fn others_see_by_name_what_an_event_runs_on_and_no_more_than_they_may() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let viewer = test.sign_in(UserRole::Viewer).await;
    let private = unasked(&test, &me, "private", json!({})).await;
    let public = unasked(&test, &me, "public", json!({ "shared": true })).await;
    let target = on(&[&private, &public]);
    let made = done(&make(&test, &me, script(&target, json!({ "shared": true }))).await);
    let seen = shown(&test, &viewer, &made).await;
    assert_eq!(names(&seen), [only_then("private"), both("public")]);
    assert_eq!(seen["servers"][0]["id"], private["id"]);
    let removed = mutate(
        &test,
        &me,
        "deleteServer",
        "deletedId",
        json!({ "id": public["id"] }),
    )
    .await;
    assert_eq!(removed["deletedId"], public["id"], "an event keeps no server");
    let seen = shown(&test, &me, &made).await;
    assert_eq!(names(&seen), [both("private"), only_then("public")]);
}

/// Names of events by the name of the server that they run on.
async fn used_by(test: &TestApp, token: &str) -> Value {
    let document = "{ servers(first: 100) { nodes { name usedBy { name } } } }";
    let answer = test.graphql(token, document, json!({})).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    let nodes = answer["data"]["servers"]["nodes"].as_array().unwrap().iter();
    let pairs = nodes.map(|node| {
        let events = node["usedBy"].as_array().unwrap().iter();
        let names: Value = events.map(|event| event["name"].clone()).collect();
        (node["name"].as_str().unwrap().to_owned(), names)
    });
    Value::Object(pairs.collect())
}

#[tokio::test]
async fn a_server_tells_which_events_run_there_now_of_those_that_may_be_seen() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let admin = test.sign_in(UserRole::Admin).await;
    let web = unasked(&test, &me, "web", json!({ "shared": true })).await;
    let db = unasked(&test, &me, "db", json!({})).await;
    let named = |name: &str| json!({ "name": name });
    done(&make(&test, &me, script(&on(&[&web, &db]), named("b both"))).await);
    done(&make(&test, &me, script(&on(&[&web]), named("A web"))).await);
    let moved = done(&make(&test, &me, script(&on(&[&db]), named("c was there"))).await);
    done(&change(&test, &me, &moved, json!({ "target": { "container": {} } })).await);
    done(&make(&test, &other, script(&on(&[&web]), named("theirs"))).await);
    let shared = json!({ "name": "shown to all", "shared": true });
    done(&make(&test, &other, script(&on(&[&web]), shared)).await);
    let of_mine = json!({ "web": ["A web", "b both", "shown to all"], "db": ["b both"] });
    assert_eq!(used_by(&test, &me).await, of_mine);
    assert_eq!(
        used_by(&test, &other).await,
        json!({ "web": ["shown to all", "theirs"] })
    );
    let all = json!({ "web": ["A web", "b both", "shown to all", "theirs"], "db": ["b both"] });
    assert_eq!(used_by(&test, &admin).await, all);
    let (_, blind) = api_token(&test, &me, json!({ "scopes": ["READ_SERVERS"] })).await;
    assert_eq!(used_by(&test, &blind).await, json!({ "web": [], "db": [] }));
}

#[tokio::test]
async fn many_servers_and_events_cost_as_many_statements_as_few() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let (count, _guard) = counting();
    let document = "{ servers(first: 100) { nodes { usedBy { version { target {
        ... on ServerTarget { servers { server { name } } } } } } } } }";
    let mut counts = Vec::new();
    for more in [2, 6] {
        for _ in 0..more {
            let name = Uuid::new_v4().to_string();
            let server = unasked(&test, &me, &name, json!({})).await;
            done(&make(&test, &me, script(&on(&[&server]), json!({ "name": name }))).await);
        }
        count.store(0, Ordering::Relaxed);
        let answer = test.graphql(&me, document, json!({})).await;
        counts.push(count.load(Ordering::Relaxed));
        assert_eq!(answer["errors"], Value::Null, "{answer}");
    }
    assert!(counts[0] > 3, "statements are counted: {counts:?}");
    assert_eq!(counts[0], counts[1]);
}

#[tokio::test]
async fn a_server_stays_while_something_runs_on_it() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let server = unasked(&test, &me, "busy", json!({})).await;
    let made = done(&make(&test, &me, script(&on(&[&server]), json!({}))).await);
    let job = run(&test, &me, json!({ "eventId": made["id"] })).await["job"].clone();
    let remove = json!({ "id": server["id"] });
    let given_out = "UPDATE executions SET status = 'DISPATCHING', lease_until = now() + interval '1 hour'";
    let pool = &test.app.kernel.pool;
    sqlx::raw_sql(given_out).execute(pool).await.unwrap();
    let kept = mutate(&test, &me, "deleteServer", "deletedId", remove.clone()).await;
    assert_eq!(
        (
            &kept["deletedId"],
            &kept["userErrors"][0]["code"],
            &kept["userErrors"][0]["field"]
        ),
        (&Value::Null, &json!("IN_USE"), &json!(["id"]))
    );
    let message = kept["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("1 run on it has not ended"), "{message}");
    let waits = "UPDATE executions SET status = 'QUEUED', lease_until = NULL";
    sqlx::raw_sql(waits).execute(pool).await.unwrap();
    let gone = mutate(&test, &me, "deleteServer", "deletedId", remove).await;
    assert_eq!(
        gone["deletedId"], server["id"],
        "what waits holds no server: {gone}"
    );
    let document = "query ($id: ID!) { job(id: $id) { status } }";
    let waiting = test.graphql(&me, document, json!({ "id": job["id"] })).await;
    assert_eq!(waiting["data"]["job"]["status"], "QUEUED", "{waiting}");
}

#[tokio::test]
async fn a_version_is_restored_when_its_servers_may_be_chosen() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let mine = unasked(&test, &me, "mine", json!({})).await;
    let theirs = unasked(&test, &other, "theirs", json!({ "shared": true })).await;
    let made = done(&make(&test, &me, script(&on(&[&mine, &theirs]), json!({}))).await);
    let container = json!({ "target": { "container": {} } });
    done(&change(&test, &me, &made, container).await);
    let restore = json!({ "id": made["id"], "versionId": made["version"]["id"], "expectedVersion": 2 });
    saved(&update(&test, &other, json!({ "id": theirs["id"], "shared": false })).await);
    let refused = save(&test, &me, "restoreEventVersion", restore.clone()).await;
    assert_eq!(faults(&refused), fault("NOT_FOUND", "versionId"));
    let message = refused["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("theirs: "), "{message}");
    assert_eq!(shown(&test, &me, &made).await["__typename"], "ContainerTarget");
    saved(&update(&test, &other, json!({ "id": theirs["id"], "shared": true })).await);
    let restored = done(&save(&test, &me, "restoreEventVersion", restore).await);
    assert_eq!(
        names(&restored["version"]["target"]),
        [both("mine"), both("theirs")]
    );
}
