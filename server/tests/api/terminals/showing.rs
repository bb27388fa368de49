//! What terminals show: in order, from a number on, until the end; no faster than it is read, and to whom it is theirs
//! to see.

use cronium_entity::enums::UserRole;
use cronium_protocol::terminal::{End, FromTerminal, MAX_PIECE, PIECE_COST, ToTerminal};
use serde_json::json;

use super::{Opened, Screen, World, close, execute, fault, read, refused, resize};

#[tokio::test]
async fn output_comes_in_order_and_from_a_number_on_and_ends_with_the_terminal() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut screen = world.screen(&id, 0).await;
    screen.sees_size(1, 80, 24).await;
    for number in 1..=3_u8 {
        world.played.show(uuid, number.into(), &[number, 0xff]).await;
        screen.sees(i64::from(number) + 1, &[number, 0xff]).await;
    }
    // What comes together, and some of it again.
    for number in [4_u64, 5, 4, 5, 6] {
        world.played.show(uuid, number, &number.to_be_bytes()).await;
    }
    for number in 4..=6_u64 {
        screen.sees(number.cast_signed() + 1, &number.to_be_bytes()).await;
    }
    let mut later = world.screen(&id, 5).await;
    for screen in [&mut later, &mut world.screen(&id, 5).await] {
        screen.sees(6, &5_u64.to_be_bytes()).await;
        screen.sees(7, &6_u64.to_be_bytes()).await;
    }
    world.played.show(uuid, 7, b"bye").await;
    world
        .played
        .say(uuid, FromTerminal::Ended(End::Exited { code: Some(0) }))
        .await;
    for screen in [&mut screen, &mut later] {
        screen.sees(8, b"bye").await;
        screen.ends(9).await;
    }
    let mut replayed = world.screen(&id, 7).await;
    replayed.sees(8, b"bye").await;
    replayed.ends(9).await;
    world.screen(&id, 8).await.ends(9).await;
    assert_eq!(
        world.screen(&id, 9).await.piece().await,
        None,
        "it was seen to its end"
    );
}

#[tokio::test]
async fn another_size_is_told_shown_and_recorded_once() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut screen = world.screen(&id, 1).await;
    for _ in 0..2 {
        let payload = resize(&world.test, &world.me.token, &id, 100, 30).await;
        assert_eq!(
            payload["terminal"],
            json!({ "columns": 100, "rows": 30 }),
            "{payload}"
        );
    }
    assert!(matches!(
        world.played.told(uuid).await,
        ToTerminal::Resize(size) if (size.columns, size.rows) == (100, 30)
    ));
    world.played.show(uuid, 1, b"x").await;
    screen.sees_size(2, 100, 30).await;
    screen.sees(3, b"x").await;
    let wrong = resize(&world.test, &world.me.token, &id, 0, 30).await;
    assert_eq!(fault(&wrong), refused("INVALID", "columns"));
    close(&world.test, &world.me.token, &id).await;
    let late = resize(&world.test, &world.me.token, &id, 80, 24).await;
    assert_eq!(fault(&late), refused("CONFLICT", "id"));
}

#[tokio::test]
async fn what_was_begun_before_a_gap_does_not_go_on_after_it() {
    // A title is harmless, and so is text; half of the one and the other would write the clipboard.
    const TEXT: &[u8] = b"52;c;ZWNobw==\x07";
    const ENDED: &[u8] = b"\x1852;c;ZWNobw==\x07";
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut screen = world.screen(&id, 1).await;
    world.played.show(uuid, 1, b"\x1b]").await;
    world.played.show(uuid, 2, b"0;title\x1b\\").await;
    screen.sees(2, b"\x1b]").await;
    screen.sees(3, b"0;title\x1b\\").await;
    resize(&world.test, &world.me.token, &id, 100, 30).await;
    screen.sees_size(4, 100, 30).await;
    world.played.show(uuid, 3, TEXT).await;
    screen.sees(5, TEXT).await;
    // As what is old goes in a terminal that says much.
    execute(&world.test, "DELETE FROM terminal_output WHERE seq = 3").await;
    world.played.show(uuid, 4, b"on").await;
    screen.sees(6, b"on").await;
    for (after, text) in [(2, ENDED), (4, TEXT)] {
        let mut late = world.screen(&id, after).await;
        if after == 2 {
            late.sees_size(4, 100, 30).await;
        }
        late.sees(5, text).await;
        late.sees(6, b"on").await;
    }
    // And where the database has lost what came between, in the recording too.
    world.played.show(uuid, 6, TEXT).await;
    screen.sees(7, ENDED).await;
}

#[tokio::test]
async fn a_terminal_waits_until_its_opener_says_what_they_have_read() {
    const PIECES: u64 = 40;
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut screen = world.screen(&id, 1).await;
    let piece = |number: u64| vec![number as u8; MAX_PIECE];
    for number in 1..=PIECES {
        world.played.show(uuid, number, &piece(number)).await;
        // On its way to them, which is not read.
        screen.sees(number.cast_signed() + 1, &piece(number)).await;
    }
    // Half a mebibyte ahead of who has read nothing, less what pieces cost beyond their bytes.
    world.played.has_room(uuid, 15).await;
    world.played.hears_nothing().await;
    let me = world.me.token.clone();
    for (seq, room) in [
        (11, Some(25)),
        // Again, less, and not much more.
        (11, None),
        (5, None),
        (12, None),
        (13, Some(27)),
        // No more than there is.
        (1000, Some(PIECES)),
    ] {
        let said = read(&world.test, &me, &id, seq).await;
        assert_eq!(said["userErrors"], json!([]), "{seq}");
        match room {
            Some(room) => world.played.has_room(uuid, room).await,
            None => world.played.hears_nothing().await,
        }
    }
    let wrong = read(&world.test, &me, &id, 0).await;
    assert_eq!(fault(&wrong), refused("INVALID", "seq"));
    close(&world.test, &me, &id).await;
    let late = read(&world.test, &me, &id, 41).await;
    assert_eq!(late["userErrors"], json!([]), "it makes no difference");
}

#[tokio::test]
async fn many_small_pieces_wait_like_few_large_ones() {
    const PIECES: u64 = 8_100;
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    for number in 1..=PIECES {
        world.played.show(uuid, number, b"x").await;
    }
    // Half a mebibyte, of which the size has its part too.
    let room = ((512 << 10) - PIECE_COST) / (1 + PIECE_COST);
    world.played.has_room(uuid, room as u64).await;
    world.played.hears_nothing().await;
    let said = read(&world.test, &world.me.token, &id, room as i64).await;
    assert_eq!(said["userErrors"], json!([]));
    world.played.has_room(uuid, PIECES).await;
}

#[tokio::test]
async fn nobody_elses_reading_makes_room() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let admin = world.test.sign_in(UserRole::Admin).await;
    let mut other = Screen::of(&world.test, &admin, &id, 0).await;
    other.sees_size(1, 80, 24).await;
    let piece = vec![b'x'; MAX_PIECE];
    for number in 1..=24_u64 {
        world.played.show(uuid, number, &piece).await;
        other.sees(number.cast_signed() + 1, &piece).await;
    }
    world.played.has_room(uuid, 15).await;
    let said = read(&world.test, &admin, &id, 25).await;
    assert_eq!(fault(&said), refused("FORBIDDEN", "id"));
    let stranger = world.test.sign_in(UserRole::Editor).await;
    let said = read(&world.test, &stranger, &id, 25).await;
    assert_eq!(fault(&said), refused("NOT_FOUND", "id"));
    world.played.hears_nothing().await;
}

#[tokio::test]
async fn a_piece_that_is_too_large_hangs_up() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let piece = vec![b'x'; MAX_PIECE + 1];
    world.played.show(uuid, 1, &piece).await;
    assert_eq!(world.played.told(uuid).await, ToTerminal::Close);
    world.played.say(uuid, FromTerminal::Ended(End::Closed)).await;
    world.screen(&id, 1).await.ends(2).await;
}
