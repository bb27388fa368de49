//! What ends a terminal by itself: time, an opener who is gone, and a right that is taken away. It is hung up at once,
//! and who watches sees the end.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::terminal::{FromTerminal, ToTerminal};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Opened, World, entries, execute, open, server, session, type_in};

/// Looks at all of them, and expects this one to be over.
async fn ends(world: &mut World, opened: &Opened, why: &str) {
    let mut screen = world.screen(&opened.id, 1).await;
    world.look().await;
    screen.ends(2).await;
    assert_eq!(world.played.told(opened.uuid).await, ToTerminal::Close);
    let admin = world.test.sign_in(UserRole::Admin).await;
    let state = session(&world.test, &admin, &opened.id).await;
    let reason = state["statusReason"].as_str().unwrap();
    assert!(reason.contains(why), "{reason}");
    let log = entries(&world.test).await;
    let last = log.last().unwrap();
    assert_eq!((last.0.as_str(), &last.1), ("CLOSE_TERMINAL", &Value::Null));
    assert_eq!(last.2["reason"], reason);
}

async fn goes_on(world: &World, opened: &Opened) {
    world.look().await;
    assert_eq!(world.state(&opened.id).await["status"], "OPEN");
}

#[tokio::test]
async fn without_its_opener_it_is_closed_after_half_a_minute() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    // They were there a moment ago, and come back in time.
    world.test.clock.advance(TimeDelta::seconds(34));
    goes_on(&world, &opened).await;
    world.screen(&opened.id, 0).await.sees_size(1, 80, 24).await;
    world.test.clock.advance(TimeDelta::seconds(34));
    goes_on(&world, &opened).await;
    world.test.clock.advance(TimeDelta::seconds(1));
    world.look().await;
    assert_eq!(world.played.told(opened.uuid).await, ToTerminal::Close);
    let state = world.state(&opened.id).await;
    assert!(
        state["statusReason"].as_str().unwrap().contains("watched it"),
        "{state}"
    );
}

#[tokio::test]
async fn it_is_closed_when_nobody_types_for_too_long() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    world.always_watched().await;
    world.test.clock.advance(TimeDelta::minutes(14));
    type_in(&world.test, &world.me.token, &opened.id, 1, "x").await;
    world.test.clock.advance(TimeDelta::minutes(14));
    goes_on(&world, &opened).await;
    let until = world.state(&opened.id).await["idleUntil"].clone();
    assert_eq!(until, "2026-03-01T12:29:00+00:00");
    world.played.is_told_to_type(opened.uuid, 1, "x").await;
    world.test.clock.advance(TimeDelta::minutes(1));
    ends(&mut world, &opened, "Nobody typed").await;
}

#[tokio::test]
async fn it_is_closed_when_it_was_open_for_as_long_as_the_settings_say() {
    let mut world = World::new().await;
    let admin = world.test.sign_in(UserRole::Admin).await;
    let settings = "mutation ($i: UpdateSettingsInput!) { updateSettings(input: $i) {
        settings { terminals { idleMinutes maxMinutes recordingDays } } userErrors { code field } } }";
    let set = async |idle: i32| {
        let terminals = json!({ "idleMinutes": idle, "maxMinutes": 60, "recordingDays": 7 });
        let answer = world
            .test
            .graphql(&admin, settings, json!({ "i": { "terminals": terminals } }))
            .await;
        answer["data"]["updateSettings"].clone()
    };
    let wrong = set(0).await;
    assert_eq!(
        wrong["userErrors"],
        json!([{ "code": "INVALID", "field": ["terminals", "idleMinutes"] }])
    );
    let kept = set(600).await;
    assert_eq!(kept["settings"]["terminals"]["maxMinutes"], 60, "{kept}");
    let opened = world.opened().await;
    world.always_watched().await;
    world.test.clock.advance(TimeDelta::minutes(59));
    goes_on(&world, &opened).await;
    world.test.clock.advance(TimeDelta::minutes(1));
    ends(&mut world, &opened, "as long as one may be").await;
}

#[tokio::test]
async fn a_role_that_allows_it_no_more_ends_it() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    let admin = world.test.sign_in(UserRole::Admin).await;
    let change = "mutation ($i: UpdateUserInput!) { updateUser(input: $i) { userErrors { code } } }";
    let vars = json!({ "i": { "id": world.me.id, "role": "VIEWER" } });
    world.test.graphql(&admin, change, vars).await;
    world.look().await;
    assert_eq!(world.played.told(opened.uuid).await, ToTerminal::Close);
    let state = session(&world.test, &admin, &opened.id).await;
    assert!(
        state["statusReason"]
            .as_str()
            .unwrap()
            .contains("may not do that"),
        "{state}"
    );
}

#[tokio::test]
async fn an_account_that_is_disabled_ends_it() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    execute(
        &world.test,
        "UPDATE users SET status = 'DISABLED' WHERE role = 'EDITOR'",
    )
    .await;
    world.look().await;
    assert_eq!(world.played.told(opened.uuid).await, ToTerminal::Close);
}

#[tokio::test]
async fn a_server_that_is_shared_no_more_or_is_gone_ends_it() {
    for change in ["UPDATE servers SET shared = false", "DELETE FROM servers"] {
        let mut world = World::new().await;
        let other = world.test.person(UserRole::Editor).await;
        let shared = server(&world.test, &other, "Shared", true).await;
        let payload = open(&world.test, &world.me.token, json!({ "serverId": shared })).await;
        let id = payload["terminal"]["id"].clone();
        let (uuid, _) = world.played.word().await;
        world.played.say(uuid, FromTerminal::Opened).await;
        world.screen(&id, 0).await.sees_size(1, 80, 24).await;
        let opened = Opened { id, uuid };
        goes_on(&world, &opened).await;
        execute(&world.test, change).await;
        ends(&mut world, &opened, "not shared").await;
    }
}

#[tokio::test]
async fn rights_that_change_are_looked_at_by_themselves() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(world.test.app.terminals.clone().watch_over(stop.clone()));
    // The first look, which comes at once, finds nothing.
    goes_on(&world, &opened).await;
    let out = "mutation { signOut { signedOut } }";
    world.test.graphql(&world.me.token, out, json!({})).await;
    // Heard at once: the next look by the clock is five seconds away.
    let told = tokio::time::timeout(Duration::from_secs(3), world.played.told(opened.uuid));
    assert_eq!(told.await.unwrap(), ToTerminal::Close);
    stop.cancel();
    watching.await.unwrap();
}
