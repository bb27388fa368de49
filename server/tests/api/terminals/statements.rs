//! What terminals cost: few statements for a key, one for many pieces of output, and as many for long lists as for
//! short ones.

use std::sync::atomic::Ordering;

use cronium_protocol::terminal::{About, FromTerminal, PIECE_COST};
use cronium_server::terminals::Said;
use serde_json::{Value, json};

use super::{Opened, World, type_in};
use crate::lists::counting;

#[tokio::test]
async fn a_key_and_its_echo_cost_few_statements() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut screen = world.screen(&id, 1).await;
    type_in(&world.test, &world.me.token, &id, 1, "x").await;
    world.played.is_told_to_type(uuid, 1, "x").await;
    world.played.show(uuid, 1, b"x").await;
    screen.sees(2, b"x").await;
    let (count, _guard) = counting();
    type_in(&world.test, &world.me.token, &id, 2, "y").await;
    world.played.is_told_to_type(uuid, 2, "y").await;
    world.played.say(uuid, FromTerminal::Typed { number: 2 }).await;
    world.played.show(uuid, 2, b"y").await;
    screen.sees(3, b"y").await;
    // Whose it is, the key, what is new, one or two for what is said, and what is shown.
    let statements = count.load(Ordering::Relaxed);
    assert!((5..=7).contains(&statements), "{statements}");
}

#[tokio::test]
async fn a_flood_that_comes_together_is_one_statement() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut said = Said::default();
    for number in 1..=300_u64 {
        said.add(About {
            terminal: uuid,
            word: FromTerminal::Output {
                number,
                at_us: 1,
                data: number.to_be_bytes().to_vec(),
            },
        });
    }
    let (count, guard) = counting();
    let heard = world.test.app.terminals.hear(world.played.id, said).await;
    let statements = count.load(Ordering::Relaxed);
    drop(guard);
    assert!(
        (1..=2).contains(&statements),
        "one, and what may be under way: {statements}"
    );
    // Each piece costs more than it has, and so does the size.
    let cost = PIECE_COST as i64;
    assert_eq!(
        heard.ok().unwrap().kept[&uuid].pieces.last(),
        Some(&(300, cost + 300 * (8 + cost)))
    );
    let mut screen = world.screen(&id, 1).await;
    for number in 1..=300_u64 {
        screen.sees(number.cast_signed() + 1, &number.to_be_bytes()).await;
    }
}

#[tokio::test]
async fn long_lists_cost_as_many_statements_as_short_ones() {
    let mut world = World::new().await;
    let query = "{ terminalSessions(first: 100) {
        nodes { id owner { name } server { name } execution { id } isMine } } }";
    let mut counts = Vec::new();
    let (count, _guard) = counting();
    for more in [1, 3] {
        for _ in 0..more {
            world.asked().await;
            world.played.word().await;
        }
        world.played.hears_nothing().await;
        count.store(0, Ordering::Relaxed);
        let seen = world.test.graphql(&world.me.token, query, json!({})).await;
        counts.push(count.load(Ordering::Relaxed));
        let nodes = seen["data"]["terminalSessions"]["nodes"]
            .as_array()
            .unwrap()
            .clone();
        assert!(
            nodes
                .iter()
                .all(|node| node["owner"]["name"] == "Test" && node["isMine"] == json!(true))
        );
        assert!(nodes.iter().all(|node| node["execution"] == Value::Null));
    }
    assert!(counts[0] > 1 && counts[0] == counts[1], "{counts:?}");
}
