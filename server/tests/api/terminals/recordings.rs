//! Recordings: what is kept, how it is read in pages and as a file, and when it goes.

use std::sync::Arc;

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::terminal::{End, FromTerminal, MAX_PIECE};
use cronium_server::terminals;
use serde_json::{Value, json};

use super::{Opened, World, bytes, close, entries, execute, read, resize};
use crate::support::TestApp;

async fn page(test: &TestApp, token: &str, id: &Value, args: &str) -> Value {
    let query = format!(
        "query ($id: ID!) {{ terminalSession(id: $id) {{ recordedBytes recordingCut recording{args} {{
            hasMore chunks {{ seq data size {{ columns rows }} status }} }} }} }}"
    );
    let answer = test.graphql(token, &query, json!({ "id": id })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["terminalSession"].clone()
}

fn seqs(page: &Value) -> Vec<i64> {
    let chunks = page["recording"]["chunks"].as_array().unwrap();
    chunks
        .iter()
        .map(|chunk| chunk["seq"].as_i64().unwrap())
        .collect()
}

/// The recordings of these services, as files.
async fn downloads(test: &TestApp) -> String {
    let router = terminals::router(
        test.app.terminals.clone(),
        Arc::new(test.app.identity.clone()),
        false,
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/api/terminals")
}

#[tokio::test]
async fn a_recording_is_an_asciicast_with_whole_characters() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut screen = world.screen(&id, 1).await;
    let woman = "👩".as_bytes();
    for (number, data) in [
        (1, &b"$ "[..]),
        (2, &woman[..1]),
        (3, &woman[1..3]),
        (4, &[woman[3], b'\n', 0x1b, b'[', b'm'][..]),
        (5, &b"bad \xff end"[..]),
    ] {
        world.played.show(uuid, number, data).await;
        assert_eq!(screen.output().await.1, data);
    }
    resize(&world.test, &world.me.token, &id, 100, 30).await;
    world
        .played
        .say(uuid, FromTerminal::Ended(End::Exited { code: Some(0) }))
        .await;
    screen.sees_size(7, 100, 30).await;
    screen.ends(8).await;
    let base = downloads(&world.test).await;
    let get = async |token: &str| {
        let client = reqwest::Client::new();
        let request = client.get(format!("{base}/{}/recording.cast", id.as_str().unwrap()));
        let request = if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        };
        let response = request.send().await.unwrap();
        (
            response.status().as_u16(),
            response.headers().clone(),
            response.text().await.unwrap(),
        )
    };
    let (status, headers, text) = get(&world.me.token).await;
    assert_eq!((status, headers["cache-control"] == "no-store"), (200, true));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let header = &lines[0];
    assert_eq!(
        json!([
            header["version"],
            header["width"],
            header["height"],
            header["title"]
        ]),
        json!([2, 80, 24, "Web"])
    );
    let events: Vec<Value> = lines[1..]
        .iter()
        .map(|event| json!([event[1], event[2]]))
        .collect();
    let expected = json!([
        ["r", "80x24"],
        ["o", "$ "],
        ["o", "👩\n\u{1b}[m"],
        ["o", "bad \u{fffd} end"],
        ["r", "100x30"],
    ]);
    assert_eq!(json!(events), expected);
    let times: Vec<f64> = lines[1..]
        .iter()
        .map(|event| event[0].as_f64().unwrap())
        .collect();
    assert!(times.is_sorted() && times[0] >= 0.0, "{times:?}");

    let stranger = world.test.sign_in(UserRole::Editor).await;
    let viewer = world.test.sign_in(UserRole::Viewer).await;
    let admin = world.test.sign_in(UserRole::Admin).await;
    for (token, expected) in [
        ("", 401),
        ("wrong", 401),
        (stranger.as_str(), 404),
        (viewer.as_str(), 403),
        (admin.as_str(), 200),
    ] {
        assert_eq!(get(token).await.0, expected, "{token}");
    }
    let watched = entries(&world.test).await;
    let watched = watched.iter().filter(|entry| entry.0 == "WATCH_TERMINAL");
    assert_eq!(watched.count(), 1, "the administrator's look");
}

#[tokio::test]
async fn pages_have_their_limits_and_say_whether_there_is_more() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    let mut screen = world.screen(&id, 1).await;
    let piece = vec![b'x'; MAX_PIECE];
    for number in 1..=40_u64 {
        world.played.show(uuid, number, &piece).await;
        screen.sees(number.cast_signed() + 1, &piece).await;
    }
    let (test, me) = (&world.test, &world.me.token);
    let first = page(test, me, &id, "(first: 3)").await;
    assert_eq!(
        (seqs(&first), &first["recording"]["hasMore"]),
        (vec![1, 2, 3], &json!(true))
    );
    assert_eq!(first["recordedBytes"], json!((40 * MAX_PIECE) as f64));
    let (mut after, mut all, mut pages) = (0, Vec::new(), 0);
    loop {
        let next = page(test, me, &id, &format!("(first: 1000, afterSeq: {after})")).await;
        let chunks = next["recording"]["chunks"].as_array().unwrap();
        let size: usize = chunks.iter().map(|chunk| bytes(chunk).len()).sum();
        assert!(size <= 256 << 10, "{size}");
        all.extend(seqs(&next));
        pages += 1;
        after = *all.last().unwrap();
        if next["recording"]["hasMore"] == json!(false) {
            break;
        }
    }
    // Eight of the largest fill a page; whether there is another one after a full page shows in that one.
    assert_eq!((all, pages), ((1..=41).collect::<Vec<_>>(), 6));
    let query = "query ($id: ID!) { terminalSession(id: $id) { recording(first: 1001) { hasMore } } }";
    let wrong = test.graphql(me, query, json!({ "id": id })).await;
    assert_eq!(wrong["errors"][0]["extensions"]["code"], "BAD_REQUEST");
}

#[tokio::test]
async fn a_recording_ends_at_its_limit_and_the_terminal_does_not() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    // As if sixteen mebibytes less a piece, and what it costs, had been shown.
    execute(
        &world.test,
        "UPDATE terminals SET output_bytes = (16 << 20) - (32 << 10) - 64,
             recorded_bytes = (16 << 20) - (32 << 10)",
    )
    .await;
    let mut screen = world.screen(&id, 1).await;
    let piece = vec![b'x'; MAX_PIECE];
    for number in 1..=100_u64 {
        world.played.show(uuid, number, &piece).await;
        screen.sees(number.cast_signed() + 1, &piece).await;
    }
    let (test, me) = (&world.test, &world.me.token);
    let recorded = page(test, me, &id, "").await;
    assert_eq!(
        (seqs(&recorded), &recorded["recordingCut"]),
        (vec![1, 2], &json!(true))
    );
    assert_eq!(recorded["recordedBytes"], json!(f64::from(16 << 20)));
    let stored = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM terminal_output")
            .fetch_one(&test.app.kernel.pool)
            .await
            .unwrap()
    };
    let kept = stored().await;
    assert!((40..60).contains(&kept), "what is old is gone: {kept}");
    // Enough for who lost their connection a moment ago.
    let mut resumed = world.screen(&id, 70).await;
    resumed.sees(71, &piece).await;
    close(test, me, &id).await;
    test.app.terminals.tidy().await.ok().unwrap();
    assert_eq!(stored().await, kept);
    test.clock.advance(TimeDelta::minutes(3));
    test.app.terminals.tidy().await.ok().unwrap();
    assert_eq!(stored().await, 2);
    assert_eq!(seqs(&page(test, me, &id, "").await), [1, 2]);
    world.screen(&id, 2).await.ends(102).await;
}

#[tokio::test]
async fn changes_of_the_size_have_the_limit_of_a_recording_too_and_go_like_output() {
    let mut world = World::new().await;
    let Opened { id, .. } = world.opened().await;
    let (test, me) = (&world.test, &world.me.token);
    let stored = async || -> Vec<i64> {
        sqlx::query_scalar("SELECT seq FROM terminal_output ORDER BY seq")
            .fetch_all(&test.app.kernel.pool)
            .await
            .unwrap()
    };
    execute(test, "UPDATE terminals SET output_bytes = 16 << 20").await;
    resize(test, me, &id, 90, 20).await;
    let recorded = page(test, me, &id, "").await;
    assert_eq!(
        (seqs(&recorded), &recorded["recordingCut"]),
        (vec![1], &json!(true))
    );
    assert_eq!(stored().await, [1, 2]);
    // Two mebibytes later, where a step ends.
    execute(test, "UPDATE terminals SET output_bytes = (18 << 20) - 64").await;
    resize(test, me, &id, 100, 30).await;
    assert_eq!(stored().await, [1, 3]);
    close(test, me, &id).await;
    test.clock.advance(TimeDelta::minutes(3));
    test.app.terminals.tidy().await.ok().unwrap();
    assert_eq!(stored().await, [1]);
}

#[tokio::test]
async fn nothing_goes_that_its_opener_has_not_read() {
    let mut world = World::new().await;
    let Opened { id, uuid } = world.opened().await;
    // As if sixteen mebibytes had been shown and read.
    execute(
        &world.test,
        "UPDATE terminals SET output_bytes = 16 << 20, recorded_bytes = 16 << 20, seen_bytes = 16 << 20",
    )
    .await;
    let piece = vec![b'x'; MAX_PIECE];
    let mut shown = 0;
    for known in [0_u64, 20, 40, 60] {
        if known > 0 {
            read(&world.test, &world.me.token, &id, known.cast_signed() + 1).await;
        }
        // As far as an orchestrator goes: half a mebibyte beyond the room that it is given, which is as much.
        while shown < known + 32 {
            shown += 1;
            world.played.show(uuid, shown, &piece).await;
        }
        let mut resumed = world.screen(&id, known.cast_signed() + 1).await;
        for number in known + 1..=shown {
            resumed.sees(number.cast_signed() + 1, &piece).await;
        }
    }
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM terminal_output")
        .fetch_one(&world.test.app.kernel.pool)
        .await
        .unwrap();
    assert!(stored < 80, "what was read goes: {stored}");
}

#[tokio::test]
async fn recordings_are_kept_for_thirty_days_and_open_terminals_for_as_long_as_they_are_open() {
    let mut world = World::new().await;
    let ended = world.opened().await;
    close(&world.test, &world.me.token, &ended.id).await;
    execute(
        &world.test,
        "UPDATE terminals SET ended_at = ended_at + interval '1 day'",
    )
    .await;
    world.played.told(ended.uuid).await;
    let open = world.opened().await;
    let left = async || {
        world.test.app.terminals.tidy().await.ok().unwrap();
        let admin = world.test.sign_in(UserRole::Admin).await;
        let query = "{ terminalSessions(first: 10) { nodes { id } } }";
        let answer = world.test.graphql(&admin, query, json!({})).await;
        answer["data"]["terminalSessions"]["nodes"]
            .as_array()
            .unwrap()
            .clone()
    };
    world.test.clock.advance(TimeDelta::days(31));
    assert_eq!(left().await.len(), 2);
    world.test.clock.advance(TimeDelta::seconds(1));
    assert_eq!(left().await, [json!({ "id": open.id })]);
}
