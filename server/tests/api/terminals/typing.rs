//! What is typed: once, in order, by whom the terminal is, and nowhere to be read but where it is typed.

use cronium_entity::enums::UserRole;
use cronium_protocol::terminal::{FromTerminal, ToTerminal};
use cronium_server::config::keys::Keys;
use cronium_server::kernel::sealed::{KeyRing, MasterKey};
use cronium_server::keys::MasterKeys;
use serde_json::{Value, json};

use super::{Opened, World, close, execute, fault, open, refused, resize, server, type_in};
use crate::support::TestApp;

#[tokio::test]
async fn a_piece_that_comes_again_is_typed_once_and_one_out_of_turn_is_refused() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let (test, me) = (&world.test, &world.me.token);
    for _ in 0..3 {
        let typed = type_in(test, me, &id, 1, "ls\n").await;
        assert_eq!(typed, json!({ "nextSeq": 2, "userErrors": [] }));
    }
    let early = type_in(test, me, &id, 3, "no").await;
    assert_eq!(
        (&early["nextSeq"], fault(&early)),
        (&json!(2), refused("CONFLICT", "seq"))
    );
    for (seq, data, field) in [(0, "x", "seq"), (2, "", "data")] {
        let wrong = type_in(test, me, &id, seq, data).await;
        assert_eq!(
            (&wrong["nextSeq"], fault(&wrong).1.as_str()),
            (&Value::Null, field)
        );
    }
    let long = type_in(test, me, &id, 2, &"x".repeat((32 << 10) + 1)).await;
    assert_eq!(fault(&long), refused("TOO_LONG", "data"));
    // Ctrl-Space, and what is no ASCII.
    type_in(test, me, &id, 2, "\0é").await;
    world.played.is_told_to_type(uuid, 1, "ls\n").await;
    world.played.is_told_to_type(uuid, 2, "\0é").await;
    world.played.say(uuid, FromTerminal::Typed { number: 2 }).await;
    let again = type_in(test, me, &id, 2, "\0é").await;
    assert_eq!(again["nextSeq"], 3);
    world.played.hears_nothing().await;
    close(test, me, &id).await;
    let late = type_in(test, me, &id, 3, "x").await;
    assert_eq!(fault(&late), refused("CONFLICT", "id"));
    assert_eq!(
        type_in(test, me, &id, 2, "\0é").await["nextSeq"],
        3,
        "that was typed"
    );
}

#[tokio::test]
async fn what_comes_before_the_shell_or_faster_than_it_is_typed_comes_again() {
    let mut world = World::new().await;
    let early = world.asked().await["id"].clone();
    let refusal = type_in(&world.test, &world.me.token, &early, 1, "x").await;
    assert_eq!(fault(&refusal), refused("CONFLICT", "id"));
    world.played.word().await;
    let Opened { id, uuid } = world.opened().await;
    for seq in 1..=32 {
        let typed = type_in(&world.test, &world.me.token, &id, seq, "x").await;
        assert_eq!(typed["userErrors"], json!([]), "{seq}");
    }
    let full = type_in(&world.test, &world.me.token, &id, 33, "x").await;
    assert_eq!(
        (&full["nextSeq"], fault(&full)),
        (&json!(33), refused("LIMIT_REACHED", "seq"))
    );
    for number in 1..=32 {
        world.played.is_told_to_type(uuid, number, "x").await;
    }
    world.played.say(uuid, FromTerminal::Typed { number: 30 }).await;
    world.played.show(uuid, 1, b"typed").await;
    world.screen(&id, 1).await.sees(2, b"typed").await;
    let typed = type_in(&world.test, &world.me.token, &id, 33, "x").await;
    assert_eq!(typed, json!({ "nextSeq": 34, "userErrors": [] }));
    world.played.is_told_to_type(uuid, 33, "x").await;
}

#[tokio::test]
async fn only_who_opened_it_types_changes_its_size_and_closes_it() {
    let mut world = World::new().await;
    let other = world.test.person(UserRole::Editor).await;
    let stranger = world.test.sign_in(UserRole::Editor).await;
    let admin = world.test.sign_in(UserRole::Admin).await;
    let shared = server(&world.test, &other, "Shared", true).await;
    let payload = open(&world.test, &world.me.token, json!({ "serverId": shared })).await;
    let id = payload["terminal"]["id"].clone();
    let (uuid, _) = world.played.word().await;
    world.played.say(uuid, FromTerminal::Opened).await;
    world.screen(&id, 0).await.sees_size(1, 80, 24).await;
    let test = &world.test;
    // The server is theirs, shared with them, or everything is: they see it, and that is all.
    for token in [&other.token, &stranger, &admin] {
        let typed = type_in(test, token, &id, 1, "rm -rf /\n").await;
        assert_eq!(fault(&typed), refused("FORBIDDEN", "id"));
        let sized = resize(test, token, &id, 10, 10).await;
        assert_eq!(fault(&sized), refused("FORBIDDEN", "id"));
    }
    for token in [&other.token, &stranger] {
        assert_eq!(fault(&close(test, token, &id).await), refused("FORBIDDEN", "id"));
    }
    execute(test, "UPDATE servers SET shared = false").await;
    let hidden = type_in(test, &stranger, &id, 1, "x").await;
    assert_eq!(fault(&hidden), refused("NOT_FOUND", "id"));
    assert_eq!(
        fault(&close(test, &stranger, &id).await),
        refused("NOT_FOUND", "id")
    );
    let closed = close(test, &admin, &id).await;
    assert_eq!(
        closed["terminal"]["statusReason"], "An administrator closed it.",
        "{closed}"
    );
    assert_eq!(world.played.told(uuid).await, ToTerminal::Close);
}

/// Every row of a table as text.
async fn dump(test: &TestApp, table: &str) -> String {
    let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_is_typed_is_in_no_row_no_recording_and_no_entry() {
    const SECRET: &str = "correct horse battery staple";
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    type_in(&world.test, &world.me.token, &id, 1, SECRET).await;
    let tables = [
        "terminal_input",
        "terminals",
        "terminal_output",
        "audit_entries",
        "outbox",
    ];
    for table in tables {
        let rows = dump(&world.test, table).await;
        assert!(!rows.contains(SECRET) && !rows.contains(&hex), "{table}");
    }
    assert_eq!(dump(&world.test, "terminal_input").await.matches('(').count(), 1);
    world.played.is_told_to_type(uuid, 1, SECRET).await;
    world.played.say(uuid, FromTerminal::Typed { number: 1 }).await;
    world.played.show(uuid, 1, b"Password:").await;
    world.screen(&id, 1).await.sees(2, b"Password:").await;
    assert_eq!(
        dump(&world.test, "terminal_input").await,
        "",
        "gone when it is typed"
    );
    // What nobody types any more goes too.
    type_in(&world.test, &world.me.token, &id, 2, SECRET).await;
    close(&world.test, &world.me.token, &id).await;
    assert_eq!(dump(&world.test, "terminal_input").await, "");
}

#[tokio::test]
async fn what_waits_to_be_typed_opens_after_the_master_key_was_changed() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    type_in(&world.test, &world.me.token, &id, 1, "x").await;
    world.played.is_told_to_type(uuid, 1, "x").await;
    let keys = |bytes: &[u8]| Keys {
        master: KeyRing::new(bytes.iter().map(|byte| MasterKey::new([*byte; 32])).collect()),
        master_file: None,
        internal: String::new(),
    };
    let kernel = world.test.app.kernel.clone();
    let both = MasterKeys::new(kernel.clone(), world.test.app.audit.clone(), &keys(&[8, 7]));
    both.wrap_anew().await.ok().unwrap();
    let later = TestApp::with_keys(kernel.pool, &keys(&[8])).await;
    let news = later.app.terminals.news(world.played.id, &[(uuid, 0)]).await;
    let news = news.ok().unwrap().remove(&uuid).unwrap().unwrap();
    assert_eq!(news.input, [(1, b"x".to_vec())]);
}
