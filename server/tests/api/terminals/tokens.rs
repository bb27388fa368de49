//! API tokens: one types into, reads for and closes what it has opened itself, and sees of other terminals, also those
//! of its own person, what its scopes let it see.

use chrono::TimeDelta;
use cronium_protocol::terminal::{FromTerminal, ToTerminal};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::{Opened, Screen, World, close, entries, fault, open, read, refused, resize, session, type_in};
use crate::credentials::api_token;
use crate::support::TestApp;

/// Terminals that a list of one's own has.
async fn mine(test: &TestApp, token: &str) -> Value {
    let query = "{ terminalSessions(first: 10, filter: { mine: true }) { nodes { id isMine } } }";
    let answer = test.graphql(token, query, json!({})).await;
    answer["data"]["terminalSessions"]["nodes"].clone()
}

/// All that only whoever opened it may do is refused like this.
async fn may_do_nothing(test: &TestApp, token: &str, id: &Value, code: &str) {
    let expected = refused(code, "id");
    assert_eq!(fault(&type_in(test, token, id, 1, "rm -rf /\n").await), expected);
    assert_eq!(fault(&resize(test, token, id, 10, 10).await), expected);
    assert_eq!(fault(&read(test, token, id, 1).await), expected);
    assert_eq!(fault(&close(test, token, id).await), expected);
}

#[tokio::test]
async fn a_token_types_only_into_what_it_has_opened_itself() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let (test, me) = (&world.test, &world.me.token);
    let (_, narrow) = api_token(test, me, json!({ "scopes": ["OPEN_TERMINALS"] })).await;
    let wide = json!({ "scopes": ["OPEN_TERMINALS", "READ_SERVERS"] });
    let (_, wide) = api_token(test, me, wide).await;
    // One does not even see the shell of its own person, the other one sees what is on their server.
    may_do_nothing(test, &narrow, &id, "NOT_FOUND").await;
    may_do_nothing(test, &wide, &id, "FORBIDDEN").await;
    assert_eq!(session(test, &narrow, &id).await, Value::Null);
    assert_eq!(session(test, &wide, &id).await["isMine"], false);
    let query = "subscription ($id: ID!) { terminalOutput(sessionId: $id) { seq } }";
    let request = test.request(&narrow, query, json!({ "id": id })).await;
    let mut stream = Box::pin(test.app.schema.execute_stream(request));
    let refusal = serde_json::to_value(stream.next().await.unwrap()).unwrap();
    assert_eq!(
        refusal["errors"][0]["extensions"]["code"], "NOT_FOUND",
        "{refusal}"
    );
    type_in(test, me, &id, 1, "x").await;
    world.played.is_told_to_type(uuid, 1, "x").await;

    let opened = open(test, &wide, json!({ "serverId": world.server })).await;
    let its = opened["terminal"]["id"].clone();
    let (uuid, word) = world.played.word().await;
    assert!(matches!(word, ToTerminal::Open { .. }), "{word:?}");
    world.played.say(uuid, FromTerminal::Opened).await;
    Screen::of(test, &wide, &its, 0).await.sees_size(1, 80, 24).await;
    may_do_nothing(test, &narrow, &its, "NOT_FOUND").await;
    type_in(test, &wide, &its, 1, "y").await;
    world.played.is_told_to_type(uuid, 1, "y").await;
    // Its person may do what it may.
    type_in(test, me, &its, 2, "z").await;
    world.played.is_told_to_type(uuid, 2, "z").await;
    assert_eq!(mine(test, &wide).await, json!([{ "id": its, "isMine": true }]));
    assert_eq!(mine(test, &narrow).await, json!([]));
    assert_eq!(mine(test, me).await.as_array().unwrap().len(), 2);
    let closed = close(test, &wide, &its).await;
    assert_eq!(
        closed["terminal"]["statusReason"],
        "It was closed by who opened it."
    );
}

#[tokio::test]
async fn a_token_that_watches_the_shell_of_its_person_keeps_nothing_open_and_is_noted() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    let wide = json!({ "scopes": ["OPEN_TERMINALS", "READ_SERVERS"] });
    let (_, secret) = api_token(&world.test, &world.me.token, wide).await;
    world.test.clock.advance(TimeDelta::seconds(34));
    let mut screen = Screen::of(&world.test, &secret, &opened.id, 0).await;
    screen.sees_size(1, 80, 24).await;
    world.test.clock.advance(TimeDelta::seconds(1));
    world.look().await;
    screen.ends(2).await;
    let log = entries(&world.test).await;
    let watched = log.iter().find(|entry| entry.0 == "WATCH_TERMINAL").unwrap();
    assert_eq!(watched.1, json!(world.me.id));
}
