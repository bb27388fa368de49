//! Jobs that are asked for at the same time: they share statements, and nothing else.

use std::time::Duration;

use cronium_entity::enums::UserRole;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::jobs::{event, run};
use crate::support::{TestApp, database};

const RUN: &str = "mutation ($i: RunEventInput!) { runEvent(input: $i) { job { id } userErrors { field } } }";

/// Counts the statements that write jobs, and refuses a job whose input says so.
const WATCH: &str = "CREATE TABLE statements (n bigserial);
    CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO statements DEFAULT VALUES; RETURN NULL; END $$;
    CREATE TRIGGER counted AFTER INSERT ON jobs FOR EACH STATEMENT EXECUTE FUNCTION counted();
    CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF NEW.input ? 'bad' THEN RAISE check_violation; END IF; RETURN NEW; END $$;
    CREATE TRIGGER refused BEFORE INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION refused();";

async fn count(test: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

async fn watched() -> (TestApp, String, String) {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let id = event(&test, &token, json!({})).await;
    sqlx::raw_sql(WATCH).execute(&test.app.kernel.pool).await.unwrap();
    (test, token, id)
}

#[tokio::test]
async fn many_at_once_share_statements() {
    let (test, token, id) = watched().await;
    let all = (0..100).map(|n| run(&test, &token, json!({ "eventId": id, "input": { "n": n } })));
    let answers = join_all(all).await;
    for (n, answer) in answers.iter().enumerate() {
        let found = test
            .graphql(
                &token,
                "query ($id: ID!) { job(id: $id) { input } }",
                json!({ "id": answer["job"]["id"] }),
            )
            .await;
        assert_eq!(
            found["data"]["job"]["input"],
            json!({ "n": n }),
            "each has its own job"
        );
    }
    assert_eq!(count(&test, "SELECT count(*) FROM jobs").await, 100);
    assert_eq!(count(&test, "SELECT count(*) FROM executions").await, 100);
    let statements = count(&test, "SELECT count(*) FROM statements").await;
    assert!(statements <= 50, "{statements} statements");
}

#[tokio::test]
async fn one_that_cannot_be_written_takes_no_other_along() {
    let (test, token, id) = watched().await;
    let input = |n: usize| {
        if n % 10 == 5 {
            json!({ "bad": n })
        } else {
            json!({ "n": n })
        }
    };
    let all = (0..60).map(|n| {
        let variables = json!({ "i": { "eventId": id, "input": input(n) } });
        test.graphql(&token, RUN, variables)
    });
    for (n, answer) in join_all(all).await.iter().enumerate() {
        let bad = n % 10 == 5;
        assert_eq!(answer["errors"] != Value::Null, bad, "{n}: {answer}");
        assert_eq!(
            answer["data"]["runEvent"]["job"]["id"].is_string(),
            !bad,
            "{n}: {answer}"
        );
    }
    assert_eq!(count(&test, "SELECT count(*) FROM jobs").await, 54);
    assert_eq!(count(&test, "SELECT count(*) FROM executions").await, 54);
    assert_eq!(
        count(&test, "SELECT count(*) FROM outbox WHERE kind = 'job.created'").await,
        54
    );
}

#[tokio::test]
async fn a_key_that_comes_twice_at_once_makes_one_job() {
    let (test, token, id) = watched().await;
    let all = (0..60).map(|n| {
        run(
            &test,
            &token,
            json!({ "eventId": id, "idempotencyKey": format!("key {}", n / 3) }),
        )
    });
    let answers = join_all(all).await;
    for three in answers.chunks(3) {
        assert!(three[0]["job"]["id"].is_string(), "{three:?}");
        assert!(
            three.iter().all(|one| one["job"]["id"] == three[0]["job"]["id"]),
            "{three:?}"
        );
    }
    assert_eq!(count(&test, "SELECT count(*) FROM jobs").await, 20);
}

/// Waits until so many statements wait for a lock.
async fn blocked(test: &TestApp, statements: i64) {
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while count(test, sql).await < statements {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Somebody who holds the row of one event, as a server does that was stopped in the middle of a change.
#[tokio::test]
async fn who_waits_for_a_lock_holds_up_nobody_else() {
    let test = TestApp::on(database(12).await).await;
    let token = test.sign_in(UserRole::Editor).await;
    let locked = event(&test, &token, json!({ "name": "Locked" })).await;
    let free = event(&test, &token, json!({ "name": "Free" })).await;
    let mut holder = test.app.kernel.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM events WHERE name = 'Locked' FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let waiting = async {
        let second = async {
            blocked(&test, 1).await;
            run(&test, &token, json!({ "eventId": locked })).await
        };
        tokio::join!(run(&test, &token, json!({ "eventId": locked })), second)
    };
    tokio::pin!(waiting);
    let others = async {
        // As many as are written at a time.
        blocked(&test, 2).await;
        for _ in 0..5 {
            assert!(run(&test, &token, json!({ "eventId": free })).await["job"]["id"].is_string());
        }
    };
    tokio::select! {
        done = &mut waiting => panic!("the row is locked: {done:?}"),
        others = tokio::time::timeout(Duration::from_secs(10), others) => others.expect("others go on"),
    }
    holder.rollback().await.unwrap();
    let (first, second) = waiting.await;
    for one in [first, second] {
        assert!(one["job"]["id"].is_string(), "{one}");
    }
}
