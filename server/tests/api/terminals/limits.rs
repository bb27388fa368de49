//! How many terminals may be open at a time.

use cronium_entity::enums::UserRole;
use serde_json::json;

use super::{World, close, execute, fault, open, refused};

#[tokio::test]
async fn five_of_one_person_are_open_at_a_time() {
    let world = World::new().await;
    let mut last = json!(null);
    for _ in 0..5 {
        last = world.asked().await["id"].clone();
    }
    let input = json!({ "serverId": world.server });
    let sixth = open(&world.test, &world.me.token, input.clone()).await;
    assert_eq!(fault(&sixth), refused("LIMIT_REACHED", ""));
    close(&world.test, &world.me.token, &last).await;
    let payload = open(&world.test, &world.me.token, input).await;
    assert_eq!(payload["userErrors"], json!([]));
}

#[tokio::test]
async fn five_at_once_are_no_more_than_five_one_after_the_other() {
    let world = World::new().await;
    let input = json!({ "serverId": world.server });
    let asked = (0..12).map(|_| open(&world.test, &world.me.token, input.clone()));
    let answers = futures::future::join_all(asked).await;
    let opened = answers.iter().filter(|answer| !answer["terminal"].is_null());
    assert_eq!(opened.count(), 5);
}

#[tokio::test]
async fn fifty_are_open_at_a_time_whoever_has_them() {
    let world = World::new().await;
    execute(
        &world.test,
        "INSERT INTO terminals (id, owner_id, session_id, server_id, title, status, width, height, created_at, typed_at,
             idle_secs, until, viewed_at, taken_at)
         SELECT gen_random_uuid(), s.owner_id, gen_random_uuid(), s.id, s.name, 'OPEN', 80, 24, now(), now(), 900,
             now() + interval '1 hour', now(), now()
         FROM servers s, generate_series(1, 50)",
    )
    .await;
    let other = world.test.person(UserRole::Editor).await;
    execute(&world.test, "UPDATE servers SET shared = true").await;
    let input = json!({ "serverId": world.server });
    let refusal = open(&world.test, &other.token, input.clone()).await;
    assert_eq!(fault(&refusal), refused("LIMIT_REACHED", ""));
    let message = refusal["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.contains("50 terminals"), "{message}");
    execute(
        &world.test,
        "UPDATE terminals SET status = 'ENDED', ended_at = now()",
    )
    .await;
    let payload = open(&world.test, &other.token, input).await;
    assert_eq!(payload["userErrors"], json!([]));
}
