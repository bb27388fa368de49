//! What happens at the same moment, or goes wrong for one: statements that meet each other, and those that fail, leave
//! all other terminals alone.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::terminal::{About, End, FromTerminal, ToTerminal};
use cronium_server::kernel::Error;
use cronium_server::terminals::Said;
use tokio::time::timeout;
use uuid::Uuid;

use super::{Opened, Played, World, close, execute, type_in};
use crate::support::TestApp;

/// Until a statement waits for what another one has locked.
async fn somebody_waits(test: &TestApp) {
    let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock')";
    let waits = async || -> bool {
        sqlx::query_scalar(sql)
            .fetch_one(&test.app.kernel.pool)
            .await
            .unwrap()
    };
    let look = async {
        while !waits().await {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), look)
        .await
        .expect("somebody waits");
}

/// Terminals of an orchestrator, which lie in the table in this order.
async fn lay(test: &TestApp, orchestrator: Uuid, status: &str, ids: [Uuid; 2]) {
    sqlx::query(
        "INSERT INTO terminals (id, owner_id, session_id, server_id, title, orchestrator_id, status, width, height,
             created_at, typed_at, idle_secs, until, viewed_at, taken_at)
         SELECT n.id, (SELECT id FROM users LIMIT 1), gen_random_uuid(), gen_random_uuid(), 'Web', $2, $3, 80, 24,
             now(), now(), 900, now() + interval '1 hour', now(), now()
         FROM unnest($1::uuid[]) WITH ORDINALITY AS n(id, place) ORDER BY n.place",
    )
    .bind(&ids[..])
    .bind(orchestrator)
    .bind(status)
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
}

/// Their orchestrator says this of all of them; None: that it still has them.
async fn say(test: &TestApp, orchestrator: Uuid, ids: [Uuid; 2], word: Option<&FromTerminal>) {
    let terminals = &test.app.terminals;
    let Some(word) = word else {
        terminals.renew(orchestrator, &ids).await.ok().unwrap();
        return;
    };
    let mut said = Said::default();
    for terminal in ids {
        let word = word.clone();
        said.add(About { terminal, word });
    }
    terminals.hear(orchestrator, said).await.ok().unwrap();
}

fn output(number: u64, data: &[u8]) -> FromTerminal {
    FromTerminal::Output {
        number,
        at_us: 1,
        data: data.to_vec(),
    }
}

#[tokio::test]
async fn whoever_writes_to_several_takes_them_in_the_same_order() {
    let test = TestApp::start().await;
    test.person(UserRole::Editor).await;
    // Rows are found as they lie in the table, as happens wherever Postgres thinks that this is quick.
    for setting in [
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_indexscan = off', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_bitmapscan = off', current_database()); END $$",
    ] {
        execute(&test, setting).await;
    }
    let orchestrator = Uuid::new_v4();
    for (n, status, word) in [
        (1, "OPEN", None),
        (2, "OPEN", Some(FromTerminal::Held)),
        (3, "OPENING", Some(FromTerminal::Opened)),
        (4, "OPEN", Some(output(1, b"x"))),
    ] {
        let (first, last) = (Uuid::from_u128(n), Uuid::from_u128(u128::MAX - n));
        lay(&test, orchestrator, status, [last, first]).await;
        let pool = &test.app.kernel.pool;
        let mut other = pool.begin().await.unwrap();
        sqlx::query("SELECT id FROM terminals WHERE id = $1 FOR UPDATE")
            .bind(first)
            .execute(&mut *other)
            .await
            .unwrap();
        let writes = say(&test, orchestrator, [last, first], word.as_ref());
        let looks = async {
            somebody_waits(&test).await;
            let free = sqlx::query("SELECT id FROM terminals WHERE id = $1 FOR UPDATE NOWAIT")
                .bind(last)
                .execute(pool)
                .await;
            assert!(free.is_ok(), "{word:?}: the last one is taken before the first");
            other.commit().await.unwrap();
        };
        tokio::join!(writes, looks);
    }
}

#[tokio::test]
async fn what_another_statement_is_in_the_way_of_is_said_again_over_another_connection() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    execute(
        &world.test,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             RAISE EXCEPTION 'not now' USING ERRCODE = 'deadlock_detected'; END $$",
    )
    .await;
    execute(
        &world.test,
        "CREATE TRIGGER refuse BEFORE INSERT ON terminal_output FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    let mut said = Said::default();
    said.add(About {
        terminal: uuid,
        word: output(1, b"one"),
    });
    let heard = world.test.app.terminals.hear(world.played.id, said).await;
    // As where the database is away, which ends the connection and no terminal.
    assert!(matches!(heard, Err(Error::Unavailable(_))), "{heard:?}");
    execute(&world.test, "DROP TRIGGER refuse ON terminal_output").await;
    world.played = Played::connect(world.address, world.played.id, true).await;
    world.played.say(uuid, FromTerminal::Held).await;
    assert_eq!(
        world.played.word().await,
        (uuid, ToTerminal::GoOn { output: 0, input: 0 })
    );
    world.played.show(uuid, 1, b"one").await;
    world.screen(&id, 1).await.sees(2, b"one").await;
}

#[tokio::test]
async fn one_that_can_not_be_ended_holds_up_no_other() {
    let mut world = World::new().await;
    let (stuck, second, third) = (world.opened().await, world.opened().await, world.opened().await);
    sqlx::query("UPDATE terminals SET title = 'Stuck' WHERE id = $1")
        .bind(stuck.uuid)
        .execute(&world.test.app.kernel.pool)
        .await
        .unwrap();
    execute(
        &world.test,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$",
    )
    .await;
    execute(
        &world.test,
        "CREATE TRIGGER refuse BEFORE UPDATE ON terminals FOR EACH ROW
             WHEN (NEW.status = 'ENDED' AND NEW.title = 'Stuck') EXECUTE FUNCTION refuse()",
    )
    .await;
    let mut said = Said::default();
    for (terminal, word) in [
        (stuck.uuid, FromTerminal::Ended(End::Closed)),
        (second.uuid, FromTerminal::Ended(End::Closed)),
        (third.uuid, output(1, b"x")),
    ] {
        said.add(About { terminal, word });
    }
    let heard = world.test.app.terminals.hear(world.played.id, said).await;
    assert!(heard.ok().unwrap().kept.contains_key(&third.uuid));
    assert_eq!(world.state(&stuck.id).await["status"], "OPEN");
    assert_eq!(world.state(&second.id).await["status"], "ENDED");
    // Nobody watches any of them.
    world.test.clock.advance(TimeDelta::seconds(35));
    world.look().await;
    assert_eq!(world.state(&stuck.id).await["status"], "OPEN");
    assert_eq!(world.state(&third.id).await["status"], "ENDED");
}

#[tokio::test]
async fn what_is_typed_while_it_ends_goes_with_it() {
    let mut world = World::new().await;
    let opened = world.opened().await;
    let (test, pool) = (&world.test, &world.test.app.kernel.pool);
    let mut typing = pool.begin().await.unwrap();
    sqlx::query(
        "WITH typed AS (UPDATE terminals SET last_input = last_input + 1 RETURNING id, last_input)
         INSERT INTO terminal_input (id, terminal_id, number, sealed)
         SELECT gen_random_uuid(), id, last_input, ''::bytea FROM typed",
    )
    .execute(&mut *typing)
    .await
    .unwrap();
    let ends = close(test, &world.me.token, &opened.id);
    let types = async {
        somebody_waits(test).await;
        typing.commit().await.unwrap();
    };
    let (closed, ()) = tokio::join!(ends, types);
    assert_eq!(closed["terminal"]["status"], "ENDED", "{closed}");
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM terminal_input")
        .fetch_one(pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn input_that_can_not_be_read_hangs_up_the_terminal_that_it_is_for() {
    let mut world = World::new().await;
    let (broken, whole) = (world.opened().await, world.opened().await);
    for opened in [&broken, &whole] {
        type_in(&world.test, &world.me.token, &opened.id, 1, "x").await;
    }
    sqlx::query("UPDATE terminal_input SET sealed = sha256(sealed) WHERE terminal_id = $1")
        .bind(broken.uuid)
        .execute(&world.test.app.kernel.pool)
        .await
        .unwrap();
    let asked = [(broken.uuid, 0), (whole.uuid, 0)];
    let news = world.test.app.terminals.news(world.played.id, &asked).await;
    let news = news.ok().unwrap();
    assert!(news[&broken.uuid].is_none());
    let typed = &news[&whole.uuid].as_ref().unwrap().input;
    assert_eq!(*typed, [(1, b"x".to_vec())]);
}
