//! Orchestrators that go, and come back or do not; and servers that know of each other only what the rows say.

use std::time::Duration;

use cronium_entity::enums::UserRole;
use cronium_protocol::terminal::{End, FromTerminal, MAX_PIECE, ToTerminal};
use cronium_server::kernel::ids::TerminalId;
use cronium_server::kernel::signals::Hint;
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Opened, Played, Screen, World, close, execute, read, resize, type_in};
use crate::support::TestApp;

#[tokio::test]
async fn a_terminal_goes_on_over_another_connection_where_it_was() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let (test, me) = (&world.test, &world.me.token);
    for seq in 1..=3 {
        type_in(test, me, &id, seq, "x").await;
        world
            .played
            .is_told_to_type(uuid, seq.unsigned_abs().into(), "x")
            .await;
    }
    world.played.say(uuid, FromTerminal::Typed { number: 2 }).await;
    world.played.show(uuid, 1, b"one").await;
    let mut screen = world.screen(&id, 1).await;
    screen.sees(2, b"one").await;
    world.played = Played::connect(world.address, world.played.id, true).await;
    type_in(test, me, &id, 4, "y").await;
    resize(test, me, &id, 90, 20).await;
    world.played.say(uuid, FromTerminal::Held).await;
    assert_eq!(
        world.played.word().await,
        (uuid, ToTerminal::GoOn { output: 1, input: 2 })
    );
    assert_eq!(world.played.seen(uuid).await, 1);
    assert!(matches!(world.played.told(uuid).await, ToTerminal::Resize(size) if size.columns == 90));
    // It is said again; whoever has it already passes it over.
    world.played.is_told_to_type(uuid, 3, "x").await;
    world.played.is_told_to_type(uuid, 4, "y").await;
    // The last pieces of before, and new ones.
    world.played.show(uuid, 1, b"one").await;
    world.played.show(uuid, 2, b"two").await;
    screen.sees_size(3, 90, 20).await;
    screen.sees(4, b"two").await;
}

#[tokio::test]
async fn what_is_unread_is_remembered_over_connections() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let piece = vec![b'x'; MAX_PIECE];
    for number in 1..=20 {
        world.played.show(uuid, number, &piece).await;
    }
    // Half a mebibyte, less what pieces cost beyond their bytes.
    world.played.has_room(uuid, 15).await;
    // Kept, as who reads them sees.
    let admin = world.test.sign_in(UserRole::Admin).await;
    let mut other = Screen::of(&world.test, &admin, &id, 20).await;
    other.sees(21, &piece).await;
    world.played = Played::connect(world.address, world.played.id, true).await;
    world.played.say(uuid, FromTerminal::Held).await;
    assert_eq!(
        world.played.word().await,
        (uuid, ToTerminal::GoOn { output: 20, input: 0 })
    );
    assert_eq!(world.played.seen(uuid).await, 15);
    // The size that it may not have heard of is told again too.
    assert!(matches!(world.played.told(uuid).await, ToTerminal::Resize(_)));
    read(&world.test, &world.me.token, &id, 21).await;
    world.played.has_room(uuid, 20).await;
}

#[tokio::test]
async fn one_that_was_ended_meanwhile_is_hung_up_and_so_is_one_that_was_never_here() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let (address, orchestrator) = (world.address, world.played.id);
    world.played = Played::connect(address, Uuid::new_v4(), true).await;
    close(&world.test, &world.me.token, &id).await;
    let stranger = Uuid::new_v4();
    let mut back = Played::connect(address, orchestrator, true).await;
    for terminal in [uuid, stranger] {
        back.say(terminal, FromTerminal::Held).await;
        assert_eq!(back.told(terminal).await, ToTerminal::Close);
        back.say(terminal, FromTerminal::Ended(End::Closed)).await;
    }
    let state = world.state(&id).await;
    assert_eq!(state["statusReason"], "It was closed by who opened it.");
}

#[tokio::test]
async fn nobody_speaks_for_another_orchestrators_terminal() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut other = Played::connect(world.address, Uuid::new_v4(), true).await;
    other.say(uuid, FromTerminal::Held).await;
    assert_eq!(other.told(uuid).await, ToTerminal::Close);
    other.show(uuid, 1, b"not mine").await;
    assert_eq!(other.told(uuid).await, ToTerminal::Close);
    other
        .say(uuid, FromTerminal::Ended(End::Exited { code: Some(0) }))
        .await;
    world.played.show(uuid, 1, b"mine").await;
    world.screen(&id, 1).await.sees(2, b"mine").await;
    assert_eq!(world.state(&id).await["status"], "OPEN");
}

#[tokio::test]
async fn what_the_database_has_lost_is_neither_numbered_nor_typed_again() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut screen = world.screen(&id, 1).await;
    let (test, me) = (&world.test, &world.me.token);
    for seq in 1..=2 {
        type_in(test, me, &id, seq, "x").await;
        world
            .played
            .is_told_to_type(uuid, seq.unsigned_abs().into(), "x")
            .await;
    }
    world.played.show(uuid, 1, b"one").await;
    screen.sees(2, b"one").await;
    // As after a crash of Postgres, a moment after these were written.
    execute(
        test,
        "UPDATE terminals SET last_input = 0, contact_at = pg_postmaster_start_time() - interval '1 second'",
    )
    .await;
    world.played.say(uuid, FromTerminal::Typed { number: 2 }).await;
    world.played.show(uuid, 2, b"two").await;
    world.played.show(uuid, 3, b"three").await;
    // Others may have seen something else under the numbers between.
    screen.sees(10_003, b"\x18two").await;
    screen.sees(10_004, b"three").await;
    let typed = type_in(test, me, &id, 1, "y").await;
    assert_eq!(typed, json!({ "nextSeq": 3, "userErrors": [] }));
}

#[tokio::test]
async fn an_orchestrator_that_stays_away_has_lost_its_terminals() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    execute(
        &world.test,
        "UPDATE terminals SET contact_at = now() - interval '29 seconds'",
    )
    .await;
    world.look().await;
    assert_eq!(world.state(&opened.id).await["status"], "OPEN");
    execute(
        &world.test,
        "UPDATE terminals SET contact_at = now() - interval '31 seconds'",
    )
    .await;
    // It is there after all, and says so with its figures.
    world.played.beat().await;
    let heard = async {
        loop {
            let sql = "SELECT contact_at > now() - interval '20 seconds' FROM terminals";
            let there: bool = sqlx::query_scalar(sql)
                .fetch_one(&world.test.app.kernel.pool)
                .await
                .unwrap();
            if there {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), heard).await.unwrap();
    world.look().await;
    assert_eq!(world.state(&opened.id).await["status"], "OPEN");
    execute(
        &world.test,
        "UPDATE terminals SET contact_at = now() - interval '31 seconds'",
    )
    .await;
    world.look().await;
    let state = world.state(&opened.id).await;
    assert!(
        state["statusReason"].as_str().unwrap().contains("Contact"),
        "{state}"
    );
}

#[tokio::test]
async fn the_rows_are_enough_between_servers_and_hints_make_it_quick() {
    let mut world = World::new().await;
    let elsewhere = TestApp::on(world.test.app.kernel.pool.clone()).await;
    let Opened { id, uuid } = world.opened().await;
    let me = world.me.token.clone();
    let mut screen = Screen::of(&elsewhere, &me, &id, 1).await;
    // No server tells the other anything: a look brings it.
    world.played.show(uuid, 1, b"hello").await;
    screen.sees(2, b"hello").await;
    assert_eq!(world.played.seen(uuid).await, 1);
    let typed = type_in(&elsewhere, &me, &id, 1, "x").await;
    assert_eq!(typed["userErrors"], json!([]));
    world.played.hears_nothing().await;
    world.played.beat().await;
    world.played.is_told_to_type(uuid, 1, "x").await;
    // By hand, what servers tell each other.
    type_in(&elsewhere, &me, &id, 2, "y").await;
    let terminal = TerminalId(uuid);
    world.test.app.kernel.signals.hear(&Hint::TerminalTold(terminal));
    world.played.is_told_to_type(uuid, 2, "y").await;
    world.played.show(uuid, 2, b"again").await;
    assert_eq!(world.played.seen(uuid).await, 2);
    elsewhere.app.kernel.signals.hear(&Hint::TerminalShown(terminal));
    let seen = timeout(Duration::from_millis(700), screen.output()).await;
    assert_eq!(seen.unwrap(), (3, b"again".to_vec()), "sooner than a look");
}
