//! Who opens a terminal where, and what orchestrators are told.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::host::SignIn;
use cronium_protocol::terminal::{End, FromTerminal, Place, Size, ToTerminal};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PRINT, Played, World, close, entries, execute, fault, open, refused, server, session};
use crate::credentials::{REVOKE, api_token};

#[tokio::test]
async fn one_is_opened_on_a_server_by_an_orchestrator_that_is_told_how_to_get_there() {
    let mut world = World::new().await;
    let asked = world.asked().await;
    let seen = json!([
        asked["status"],
        asked["title"],
        asked["columns"],
        asked["rows"],
        asked["isMine"]
    ]);
    assert_eq!(seen, json!(["OPENING", "Web", 80, 24, true]));
    assert_eq!(asked["server"], json!({ "id": world.server, "name": "Web" }));
    let (uuid, word) = world.played.word().await;
    let ToTerminal::Open {
        place: Place::Server(order),
        size,
    } = word
    else {
        panic!("{word:?}");
    };
    assert_eq!(
        size,
        Size {
            columns: 80,
            rows: 24
        }
    );
    let host = order.host;
    assert_eq!(
        (
            host.address.to_string().as_str(),
            host.login.as_str(),
            host.host_key.fingerprint().as_str()
        ),
        ("db.example.test:22", "deploy", PRINT)
    );
    assert!(matches!(&host.sign_in, SignIn::Password(password) if password.reveal() == "hunter2"));
    world.played.hears_nothing().await;
    world.played.say(uuid, FromTerminal::Opened).await;
    world.screen(&asked["id"], 0).await.sees_size(1, 80, 24).await;
    let now = world.state(&asked["id"]).await;
    assert_eq!(
        (&now["status"], &now["statusReason"]),
        (&json!("OPEN"), &Value::Null)
    );
    assert_eq!(
        (&now["idleUntil"], &now["until"]),
        (
            &json!("2026-03-01T12:15:00+00:00"),
            &json!("2026-03-01T20:00:00+00:00")
        )
    );
    world
        .played
        .say(uuid, FromTerminal::Ended(End::Exited { code: Some(3) }))
        .await;
    world.screen(&asked["id"], 1).await.ends(2).await;
    let now = world.state(&asked["id"]).await;
    assert_eq!(
        json!([now["status"], now["statusReason"], now["exitCode"], now["until"]]),
        json!(["ENDED", "The shell ended with exit status 3.", 3, null])
    );
    let log = entries(&world.test).await;
    assert_eq!(
        (log[0].0.as_str(), &log[0].1),
        ("OPEN_TERMINAL", &json!(world.me.id))
    );
    assert_eq!((log[1].0.as_str(), &log[1].1), ("CLOSE_TERMINAL", &Value::Null));
    assert_eq!((log.len(), &log[1].2["exitCode"]), (2, &json!(3)));
}

#[tokio::test]
async fn a_server_has_to_be_ones_own_or_shared_and_seen() {
    let mut world = World::new().await;
    let (test, other) = (&world.test, world.test.person(UserRole::Editor).await);
    let (viewer, admin) = (
        test.sign_in(UserRole::Viewer).await,
        test.sign_in(UserRole::Admin).await,
    );
    let shared = server(test, &other, "Shared", true).await;
    let hidden = server(test, &other, "Hidden", false).await;
    let on = |id: &str| json!({ "serverId": id });
    for (token, input, expected) in [
        (&viewer, on(&shared), refused("FORBIDDEN", "")),
        (&world.me.token, on(&hidden), refused("NOT_FOUND", "serverId")),
        // Seen, and not theirs: it has their own sign-in.
        (&admin, on(&hidden), refused("FORBIDDEN", "serverId")),
        (&world.me.token, on("nonsense"), refused("NOT_FOUND", "serverId")),
        (&world.me.token, json!({}), refused("REQUIRED", "")),
        (
            &world.me.token,
            json!({ "serverId": shared, "executionId": shared }),
            refused("INVALID", ""),
        ),
        (
            &world.me.token,
            json!({ "serverId": shared, "columns": 0, "rows": 9_999 }),
            refused("INVALID", "columns"),
        ),
    ] {
        let payload = open(test, token, input.clone()).await;
        assert_eq!(fault(&payload), expected, "{input}");
        assert_eq!(payload["terminal"], Value::Null);
    }
    let opened = open(test, &world.me.token, on(&shared)).await;
    assert_eq!(opened["terminal"]["title"], "Shared", "{opened}");
    assert!(matches!(world.played.word().await.1, ToTerminal::Open { .. }));
    world.played.hears_nothing().await;
}

#[tokio::test]
async fn a_server_whose_key_nobody_has_confirmed_is_not_asked_and_neither_is_nobody() {
    let mut world = World::new().await;
    execute(
        &world.test,
        "UPDATE servers SET host_key = NULL, host_key_fingerprint = NULL",
    )
    .await;
    let input = json!({ "serverId": world.server });
    let payload = open(&world.test, &world.me.token, input.clone()).await;
    assert_eq!(fault(&payload), refused("CONFLICT", "serverId"));
    world.played.hears_nothing().await;
    let world = World::new().await;
    execute(&world.test, "UPDATE orchestrators SET draining = true").await;
    let input = json!({ "serverId": world.server });
    let payload = open(&world.test, &world.me.token, input).await;
    assert_eq!(fault(&payload), refused("UNREACHABLE", "serverId"));
}

#[tokio::test]
async fn one_that_is_closed_before_it_is_taken_is_not_opened() {
    // The one that is there opens terminals in containers only; the one that reaches servers is away.
    let mut world = World::without_ssh().await;
    let asked = world.asked().await;
    world.played.hears_nothing().await;
    let closed = close(&world.test, &world.me.token, &asked["id"]).await;
    assert_eq!(closed["terminal"]["status"], "ENDED");
    let mut later = Played::connect(world.address, Uuid::new_v4(), true).await;
    later.hears_nothing().await;
    let again = close(&world.test, &world.me.token, &asked["id"]).await;
    assert_eq!(
        (&again["terminal"]["status"], &again["userErrors"]),
        (&json!("ENDED"), &json!([]))
    );
}

#[tokio::test]
async fn one_whose_orchestrator_was_not_reached_by_the_word_is_told_again() {
    let mut world = World::new().await;
    let id = world.asked().await["id"].clone();
    let (uuid, word) = world.played.word().await;
    assert!(matches!(word, ToTerminal::Open { .. }));
    // The connection broke with the word on its way.
    world.played = Played::connect(world.address, world.played.id, true).await;
    assert_eq!(world.played.word().await, (uuid, word));
    // Not again and again, and to nobody else.
    let mut other = Played::connect(world.address, Uuid::new_v4(), true).await;
    world.played.beat().await;
    world.played.hears_nothing().await;
    other.hears_nothing().await;
    world.played.say(uuid, FromTerminal::Opened).await;
    world.screen(&id, 0).await.sees_size(1, 80, 24).await;
    world.played = Played::connect(world.address, world.played.id, true).await;
    world.played.hears_nothing().await;
}

#[tokio::test]
async fn one_that_nobody_takes_or_opens_says_so() {
    let mut world = World::new().await;
    let id = world.asked().await["id"].clone();
    let uuid = world.played.word().await.0;
    world.look().await;
    assert_eq!(world.state(&id).await["status"], "OPENING");
    execute(
        &world.test,
        "UPDATE terminals SET taken_at = now() - interval '61 seconds'",
    )
    .await;
    world.look().await;
    let reason = world.state(&id).await["statusReason"].clone();
    assert!(reason.as_str().unwrap().contains("opened no shell"), "{reason}");
    assert_eq!(world.played.told(uuid).await, ToTerminal::Close);

    execute(
        &world.test,
        "UPDATE terminals SET status = 'OPENING', ended_at = NULL, taken_at = NULL,
             contact_at = now() - interval '16 seconds'",
    )
    .await;
    world.look().await;
    let reason = world.state(&id).await["statusReason"].clone();
    assert!(reason.as_str().unwrap().contains("No orchestrator"), "{reason}");
}

#[tokio::test]
async fn a_token_opens_where_its_scopes_and_kinds_let_it_and_ends_what_it_has_opened() {
    let world = World::new().await;
    let (test, me) = (&world.test, &world.me.token);
    let input = json!({ "serverId": world.server });
    for (limits, expected) in [
        (json!({ "scopes": ["READ_SERVERS"] }), refused("FORBIDDEN", "")),
        (
            json!({ "scopes": ["OPEN_TERMINALS"] }),
            refused("NOT_FOUND", "serverId"),
        ),
        (json!({ "resourceKinds": ["JOB"] }), refused("FORBIDDEN", "")),
    ] {
        let (_, secret) = api_token(test, me, limits.clone()).await;
        let payload = open(test, &secret, input.clone()).await;
        assert_eq!(fault(&payload), expected, "{limits}");
    }
    let limits = json!({ "scopes": ["OPEN_TERMINALS", "READ_SERVERS"], "resourceKinds": ["SERVER"] });
    let (token, secret) = api_token(test, me, limits).await;
    let opened = open(test, &secret, input).await;
    let id = &opened["terminal"]["id"];
    assert_eq!(session(test, me, id).await["status"], "OPENING", "{opened}");
    world.look().await;
    assert_eq!(session(test, me, id).await["status"], "OPENING");
    test.graphql(me, REVOKE, json!({ "id": token })).await;
    world.look().await;
    let reason = session(test, me, id).await["statusReason"].clone();
    assert!(reason.as_str().unwrap().contains("API token"), "{reason}");
}

#[tokio::test]
async fn who_signs_out_leaves_no_terminal_behind() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    world.test.clock.advance(TimeDelta::seconds(1));
    let out = "mutation { signOut { signedOut } }";
    world.test.graphql(&world.me.token, out, json!({})).await;
    world.look().await;
    assert_eq!(world.played.told(opened.uuid).await, ToTerminal::Close);
    let admin = world.test.sign_in(UserRole::Admin).await;
    let now = session(&world.test, &admin, &opened.id).await;
    assert_eq!(now["status"], "ENDED");
}
