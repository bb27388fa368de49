//! Who sees which terminals, live and in lists, and that this is written down.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::{Opened, Screen, World, close, entries, execute, open, server, session};
use crate::support::TestApp;

async fn list(test: &TestApp, token: &str, filter: Value) -> Vec<Value> {
    let document =
        "query ($f: TerminalFilter) { terminalSessions(first: 100, filter: $f) { totalCount nodes { id } } }";
    let answer = test.graphql(token, document, json!({ "f": filter })).await;
    let found = &answer["data"]["terminalSessions"];
    let nodes = found["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(found["totalCount"], nodes.len());
    nodes.iter().map(|node| node["id"].clone()).collect()
}

#[tokio::test]
async fn a_terminal_on_a_shared_server_is_joined_and_the_log_says_by_whom() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let other = world.test.person(UserRole::Editor).await;
    let query = "subscription ($id: ID!) { terminalOutput(sessionId: $id) { seq } }";
    let request = world.test.request(&other.token, query, json!({ "id": id })).await;
    let mut stream = Box::pin(world.test.app.schema.execute_stream(request));
    let refused = stream.next().await.unwrap();
    let refused = serde_json::to_value(refused).unwrap();
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "NOT_FOUND",
        "{refused}"
    );
    assert_eq!(session(&world.test, &other.token, &id).await, Value::Null);

    execute(&world.test, "UPDATE servers SET shared = true").await;
    let mut joined = Screen::of(&world.test, &other.token, &id, 0).await;
    joined.sees_size(1, 80, 24).await;
    world.played.show(uuid, 1, b"hello").await;
    joined.sees(2, b"hello").await;
    let seen = session(&world.test, &other.token, &id).await;
    assert_eq!(
        (&seen["isMine"], &seen["owner"]["id"]),
        (&json!(false), &json!(world.me.id))
    );
    let log = entries(&world.test).await;
    let last = log.last().unwrap();
    assert_eq!((last.0.as_str(), &last.1), ("WATCH_TERMINAL", &json!(other.id)));
    assert_eq!(log.len(), 2, "what is one's own is no news");
    // The server is not shared any more: what was joined is over, for this one.
    execute(&world.test, "UPDATE servers SET shared = false").await;
    assert_eq!(joined.piece().await, None);
    world.look().await;
    assert_eq!(
        world.state(&id).await["status"],
        "OPEN",
        "it is its owner's own server"
    );
}

#[tokio::test]
async fn whoever_reads_a_recording_is_noted_wherever_they_begin_and_once_an_hour() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    world.played.show(uuid, 1, b"hello").await;
    world.screen(&id, 1).await.sees(2, b"hello").await;
    let test = &world.test;
    let (admin, another) = (
        test.sign_in(UserRole::Admin).await,
        test.sign_in(UserRole::Admin).await,
    );
    let query = "query ($id: ID!, $after: Int!) {
        terminalSession(id: $id) { recording(afterSeq: $after) { chunks { seq } } } }";
    let noted = async |token: &str, after: i32| {
        let answer = test
            .graphql(token, query, json!({ "id": id, "after": after }))
            .await;
        let chunks = answer["data"]["terminalSession"]["recording"]["chunks"].as_array();
        assert_eq!(chunks.map(Vec::len), usize::try_from(2 - after).ok(), "{answer}");
        let log = entries(test).await;
        log.iter().filter(|entry| entry.0 == "WATCH_TERMINAL").count()
    };
    assert_eq!(noted(&world.me.token, 1).await, 0, "what is one's own is no news");
    // Whatever it is that they leave out.
    assert_eq!(noted(&admin, 1).await, 1);
    assert_eq!(noted(&admin, 0).await, 1);
    assert_eq!(noted(&another, 1).await, 2);
    test.clock.advance(TimeDelta::minutes(60));
    assert_eq!(noted(&admin, 1).await, 3);
}

#[tokio::test]
async fn lists_have_what_may_be_watched_newest_first() {
    let world = World::new().await;
    let other = world.test.person(UserRole::Editor).await;
    let (viewer, admin) = (
        world.test.sign_in(UserRole::Viewer).await,
        world.test.sign_in(UserRole::Admin).await,
    );
    let shared = server(&world.test, &other, "Shared", true).await;
    let first = world.asked().await["id"].clone();
    world.test.clock.advance(TimeDelta::seconds(1));
    let second = open(&world.test, &world.me.token, json!({ "serverId": shared })).await;
    let second = second["terminal"]["id"].clone();
    close(&world.test, &world.me.token, &first).await;
    let me = &world.me.token;
    for (token, filter, expected) in [
        (me, json!({}), vec![&second, &first]),
        (me, json!({ "open": true }), vec![&second]),
        (me, json!({ "open": false, "mine": true }), vec![&first]),
        (me, json!({ "serverId": world.server }), vec![&first]),
        (me, json!({ "serverId": "nonsense" }), vec![]),
        (&other.token, json!({}), vec![&second]),
        (&other.token, json!({ "mine": true }), vec![]),
        (&admin, json!({}), vec![&second, &first]),
    ] {
        let found = list(&world.test, token, filter.clone()).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter}");
    }
    let refused = world
        .test
        .graphql(
            &viewer,
            "{ terminalSessions(first: 1) { totalCount } }",
            json!({}),
        )
        .await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");
    let query = "query ($a: String, $b: String, $f: Int, $l: Int) {
        terminalSessions(first: $f, after: $a, last: $l, before: $b) {
            edges { cursor node { id } } pageInfo { hasNextPage } } }";
    let page = async |vars: Value| {
        let answer = world.test.graphql(me, query, vars).await;
        answer["data"]["terminalSessions"].clone()
    };
    let one = page(json!({ "f": 1 })).await;
    assert_eq!(
        (&one["edges"][0]["node"]["id"], &one["pageInfo"]["hasNextPage"]),
        (&second, &json!(true))
    );
    let two = page(json!({ "f": 1, "a": one["edges"][0]["cursor"] })).await;
    assert_eq!(
        (&two["edges"][0]["node"]["id"], &two["pageInfo"]["hasNextPage"]),
        (&first, &json!(false))
    );
    let back = page(json!({ "l": 1, "b": two["edges"][0]["cursor"] })).await;
    assert_eq!(back["edges"][0]["node"]["id"], second);
}

#[tokio::test]
async fn a_terminal_is_a_node_for_whom_it_is_in_sight() {
    let world = World::new().await;
    let id = world.asked().await["id"].clone();
    let stranger = world.test.sign_in(UserRole::Editor).await;
    let query =
        "query ($id: ID!) { node(id: $id) { __typename id ... on TerminalSession { title recordingPath } } }";
    let node = async |token: &str| {
        let answer = world.test.graphql(token, query, json!({ "id": id })).await;
        answer["data"]["node"].clone()
    };
    let path = format!("/api/terminals/{}/recording.cast", id.as_str().unwrap());
    let expected =
        json!({ "__typename": "TerminalSession", "id": id, "title": "Web", "recordingPath": path });
    assert_eq!(node(&world.me.token).await, expected);
    assert_eq!(node(&stranger).await, Value::Null);
}
