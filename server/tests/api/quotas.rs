//! Quotas: which level counts, what is refused, and that many at once don't get past them.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_server::logs;
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::{event, run};
use crate::logs::{at_work, block};
use crate::support::{PASSWORD, Person, TestApp};

const SET: &str = "mutation ($i: SetQuotaInput!) { setQuota(input: $i) {
    limits { kind limit } userErrors { code field message } } }";
const MINE: &str = "{ viewer { quotas { kind limit used level resetsAt } } }";

async fn set(test: &TestApp, token: &str, subject: Value, limits: Value) -> Value {
    let input = json!({ "subject": subject, "limits": limits });
    test.graphql(token, SET, json!({ "i": input })).await["data"]["setQuota"].clone()
}

/// Sets one limit of a person as a new administrator.
async fn limit(test: &TestApp, person: &Person, kind: &str, limit: Option<i32>) {
    let admin = test.sign_in(UserRole::Admin).await;
    let limits = json!([{ "kind": kind, "limit": limit }]);
    let answer = set(test, &admin, json!({ "user": person.id }), limits).await;
    assert_eq!(answer["userErrors"], json!([]), "{answer}");
}

async fn mine(test: &TestApp, token: &str, kind: &str) -> Value {
    let answer = test.graphql(token, MINE, json!({})).await;
    let quotas = answer["data"]["viewer"]["quotas"].as_array();
    let quotas = quotas.unwrap_or_else(|| panic!("{answer}"));
    quotas.iter().find(|quota| quota["kind"] == kind).unwrap().clone()
}

async fn count(test: &TestApp, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_narrowest_level_counts_and_everybody_sees_their_own() {
    let test = TestApp::start().await;
    let (admin, me) = (
        test.person(UserRole::Admin).await,
        test.person(UserRole::Editor).await,
    );
    let none = mine(&test, &me.token, "EVENTS").await;
    assert_eq!((&none["limit"], &none["level"]), (&Value::Null, &Value::Null));
    let events = |limit: Value| json!([{ "kind": "EVENTS", "limit": limit }]);
    set(
        &test,
        &admin.token,
        json!({ "installation": true }),
        events(json!(9)),
    )
    .await;
    assert_eq!(mine(&test, &me.token, "EVENTS").await["level"], "INSTALLATION");
    let roles = test
        .graphql(&admin.token, "{ roles { id name } }", json!({}))
        .await;
    let editor = roles["data"]["roles"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["name"] == "EDITOR")
        .unwrap();
    set(
        &test,
        &admin.token,
        json!({ "role": editor["id"] }),
        events(json!(5)),
    )
    .await;
    let by_role = mine(&test, &me.token, "EVENTS").await;
    assert_eq!(
        (&by_role["limit"], &by_role["level"]),
        (&json!(5), &json!("ROLE"))
    );
    assert_eq!(mine(&test, &admin.token, "EVENTS").await["limit"], 9);
    set(&test, &admin.token, json!({ "user": me.id }), events(Value::Null)).await;
    event(&test, &me.token, json!({})).await;
    let lifted = mine(&test, &me.token, "EVENTS").await;
    assert_eq!(
        (&lifted["limit"], &lifted["level"], &lifted["used"]),
        (&Value::Null, &json!("USER"), &json!(1))
    );
    assert_eq!(
        mine(&test, &me.token, "JOBS_PER_MONTH").await["resetsAt"],
        "2026-04-01T00:00:00+00:00"
    );
    let others = "query ($id: ID!) { node(id: $id) { ... on User { quotas { kind } } } }";
    let hidden = test.graphql(&me.token, others, json!({ "id": admin.id })).await;
    assert_eq!(hidden["data"]["node"]["quotas"], Value::Null, "{hidden}");
    let own = "query ($s: QuotaSubject!) { quotaLimits(subject: $s) { kind limit } }";
    let own = test
        .graphql(&admin.token, own, json!({ "s": { "role": editor["id"] } }))
        .await;
    assert_eq!(own["data"]["quotaLimits"], events(json!(5)));
}

#[tokio::test]
async fn a_mistake_is_named_at_its_field_and_a_change_is_in_the_audit_log() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let fields = async |subject: Value, limits: Value| {
        let answer = set(&test, &admin.token, subject, limits).await;
        assert_eq!(answer["limits"], Value::Null, "{answer}");
        let errors = answer["userErrors"].as_array().unwrap().clone();
        errors
            .into_iter()
            .map(|error| error["field"].clone())
            .collect::<Vec<_>>()
    };
    let me = json!({ "user": admin.id });
    let twice = json!([{ "kind": "EVENTS", "limit": -1 }, { "kind": "EVENTS", "limit": 1 },
        { "kind": "LOG_RETENTION_DAYS", "limit": 0 }]);
    assert_eq!(
        fields(me.clone(), twice).await,
        [
            json!(["limits", "0", "limit"]),
            json!(["limits", "1", "kind"]),
            json!(["limits", "2", "limit"])
        ]
    );
    assert_eq!(
        fields(json!({ "user": "x" }), json!([])).await,
        [json!(["subject", "user"])]
    );
    assert_eq!(
        fields(json!({ "role": admin.id }), json!([])).await,
        [json!(["subject", "role"])]
    );
    assert_eq!(
        fields(json!({ "installation": false }), json!([])).await,
        [json!(["subject", "installation"])]
    );
    assert_eq!(count(&test, "quotas").await, 0);
    limit(&test, &admin, "EVENTS", Some(3)).await;
    let log =
        "{ auditLog(first: 1, filter: { actions: [SET_QUOTA] }) { nodes { targetName before after } } }";
    let log = test.graphql(&admin.token, log, json!({})).await;
    let entry = &log["data"]["auditLog"]["nodes"][0];
    assert_eq!(
        (&entry["before"], &entry["after"]),
        (&json!({}), &json!({ "EVENTS": 3 })),
        "{log}"
    );
}

#[tokio::test]
async fn the_event_beyond_the_quota_is_refused_and_nothing_of_it_is_stored() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    limit(&test, &me, "EVENTS", Some(7)).await;
    let create = "mutation ($n: String!) { createEvent(input: { name: $n, type: BASH, source: \"true\" }) {
        event { id } userErrors { code message } } }";
    let answers = join_all((0..40).map(|n| {
        let (test, token) = (&test, &me.token);
        async move {
            test.graphql(token, create, json!({ "n": format!("event {n}") }))
                .await
        }
    }))
    .await;
    let refused = answers
        .iter()
        .filter(|answer| answer["data"]["createEvent"]["userErrors"][0]["code"] == "LIMIT_REACHED")
        .count();
    assert_eq!((refused, count(&test, "events").await), (33, 7));
    assert_eq!(count(&test, "event_versions").await, 7);
    let id = test
        .graphql(&me.token, "{ events(first: 1) { nodes { id } } }", json!({}))
        .await;
    let delete = "mutation ($id: ID!) { deleteEvent(input: { id: $id }) { userErrors { code } } }";
    let id = &id["data"]["events"]["nodes"][0]["id"];
    test.graphql(&me.token, delete, json!({ "id": id })).await;
    event(&test, &me.token, json!({})).await;
}

#[tokio::test]
async fn five_hundred_runs_at_once_are_admitted_to_exactly_the_quota() {
    let test = TestApp::start().await;
    for (kind, quota) in [("JOBS_PER_MONTH", 37), ("CONCURRENT_JOBS", 23)] {
        let me = test.person(UserRole::Editor).await;
        let id = event(&test, &me.token, json!({})).await;
        limit(&test, &me, kind, Some(quota)).await;
        let before = count(&test, "jobs").await;
        let answers = join_all((0..500).map(|_| run(&test, &me.token, json!({ "eventId": id })))).await;
        let is_refused = |answer: &&Value| answer["userErrors"][0]["code"] == "LIMIT_REACHED";
        let refused = answers.iter().filter(is_refused).count();
        assert_eq!(refused, 500 - usize::try_from(quota).unwrap(), "{kind}");
        assert_eq!(count(&test, "jobs").await - before, i64::from(quota), "{kind}");
        assert_eq!(mine(&test, &me.token, kind).await["used"], quota);
    }
    assert_eq!(count(&test, "jobs").await, count(&test, "executions").await);
}

#[tokio::test]
async fn an_ended_job_makes_room_for_another_and_a_new_month_for_all() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let id = event(&test, &me.token, json!({})).await;
    limit(&test, &me, "CONCURRENT_JOBS", Some(1)).await;
    let first = run(&test, &me.token, json!({ "eventId": id })).await;
    let second = run(&test, &me.token, json!({ "eventId": id })).await;
    assert_eq!(second["userErrors"][0]["code"], "LIMIT_REACHED");
    let cancel = "mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { code } } }";
    test.graphql(&me.token, cancel, json!({ "id": first["job"]["id"] }))
        .await;
    let third = run(&test, &me.token, json!({ "eventId": id })).await;
    assert_eq!(third["userErrors"], json!([]));

    limit(&test, &me, "JOBS_PER_MONTH", Some(2)).await;
    let full = run(&test, &me.token, json!({ "eventId": id })).await;
    assert_eq!(
        full["userErrors"][0]["code"], "LIMIT_REACHED",
        "cancelled ones count"
    );
    test.clock.advance(TimeDelta::days(31));
    let op = test.op("").await;
    let again = test
        .app
        .identity
        .sign_in(&op, &me.email, PASSWORD.into(), None)
        .await;
    let token = again.ok().unwrap().token;
    let april = run(&test, &token, json!({ "eventId": id })).await;
    assert_eq!(april["userErrors"], json!([]));
}

#[tokio::test]
async fn a_repeated_request_at_the_edge_of_the_quota_is_the_same_job() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let id = event(&test, &me.token, json!({})).await;
    limit(&test, &me, "JOBS_PER_MONTH", Some(1)).await;
    let input = json!({ "eventId": id, "idempotencyKey": "once" });
    let answers = join_all((0..12).map(|_| run(&test, &me.token, input.clone()))).await;
    let job = &answers[0]["job"]["id"];
    assert!(job.is_string(), "{answers:?}");
    assert!(
        answers.iter().all(|answer| answer["job"]["id"] == *job),
        "{answers:?}"
    );
}

#[tokio::test]
async fn logs_are_kept_as_long_as_the_owners_quota_says() {
    let test = TestApp::start().await;
    let kernel = &test.app.kernel;
    let mut all = Vec::new();
    for _ in 0..3 {
        let orchestrator = Uuid::new_v4();
        let (claim, execution, token) = at_work(&test, orchestrator).await;
        let lines = block([(1, "a line".to_owned())]);
        assert_eq!(
            test.app.logs.ingest(claim, 0, &lines).await.ok().unwrap(),
            Some(1)
        );
        all.push((claim, execution, token));
    }
    let me = "{ viewer { id email } }";
    let mut people = Vec::new();
    for (_, _, token) in &all {
        let viewer = test.graphql(token, me, json!({})).await["data"]["viewer"].clone();
        people.push(Person {
            id: viewer["id"].as_str().unwrap().to_owned(),
            email: viewer["email"].as_str().unwrap().to_owned(),
            token: token.clone(),
        });
    }
    // One short, one whose job still runs, one without a limit.
    limit(&test, &people[0], "LOG_RETENTION_DAYS", Some(2)).await;
    limit(&test, &people[1], "LOG_RETENTION_DAYS", Some(2)).await;
    for (claim, ..) in [&all[0], &all[2]] {
        end(&test, claim.execution_id).await;
    }
    let sweep = async || logs::drop_old(kernel, &test.app.quotas).await.ok().unwrap();
    assert_eq!(sweep().await, 0, "none is old yet");
    test.clock.advance(TimeDelta::days(2) + TimeDelta::seconds(1));
    assert_eq!(sweep().await, 0, "the day is not over for all that ran on it");
    test.clock.advance(TimeDelta::days(1));
    assert_eq!(sweep().await, 1);
    assert_eq!(sweep().await, 0, "once is enough");
    let look = "query ($id: ID!) { execution(id: $id) { logDroppedAt logLineCount log { hasMore lines { text } } } }";
    for (at, (_, execution, token)) in all.iter().enumerate() {
        let seen = test.graphql(token, look, json!({ "id": execution })).await["data"]["execution"].clone();
        let kept = at != 0;
        assert_eq!(
            seen["log"]["lines"].as_array().unwrap().len(),
            usize::from(kept),
            "{at}: {seen}"
        );
        assert_eq!(seen["logDroppedAt"].is_null(), kept, "{at}: {seen}");
        assert_eq!(
            (&seen["logLineCount"], &seen["log"]["hasMore"]),
            (&json!(1), &json!(false))
        );
    }
    // Who follows it is told that it ends.
    let follow = test
        .app
        .logs
        .follow(cronium_server::kernel::ids::ExecutionId(all[0].0.execution_id), 0);
    let batches: Vec<_> = futures::StreamExt::collect(follow).await;
    assert!(batches.last().unwrap().as_ref().is_ok_and(|batch| batch.ended));
    // The job that still ran is passed by, not forgotten.
    end(&test, all[1].0.execution_id).await;
    assert_eq!(sweep().await, 1);
}

/// As if it had ended by itself.
async fn end(test: &TestApp, execution: Uuid) {
    sqlx::query(
        "WITH ended AS (UPDATE executions SET finished_at = now() WHERE id = $1 RETURNING job_id)
         UPDATE jobs SET finished_at = now() WHERE id IN (SELECT job_id FROM ended)",
    )
    .bind(execution)
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
}

/// The partition of the clock's day.
async fn partition_of_today(test: &TestApp) {
    let day = test.app.kernel.now().date_naive();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "CREATE TABLE log_chunks_{} PARTITION OF log_chunks FOR VALUES FROM ('{day}') TO ('{}')",
        day.format("%Y%m%d"),
        day.succ_opt().unwrap()
    )))
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
}

/// A job that runs and has said one line: its execution, and whose it is.
async fn with_a_line(test: &TestApp) -> (Uuid, Person) {
    let (claim, _, token) = at_work(test, Uuid::new_v4()).await;
    let lines = block([(1, "a line".to_owned())]);
    test.app.logs.ingest(claim, 0, &lines).await.ok().unwrap();
    let viewer = test.graphql(&token, "{ viewer { id email } }", json!({})).await["data"]["viewer"].clone();
    let text = |field: &str| viewer[field].as_str().unwrap().to_owned();
    let (id, email) = (text("id"), text("email"));
    (claim.execution_id, Person { id, email, token })
}

#[tokio::test]
async fn a_day_stays_while_somebody_keeps_it_whose_logs_have_no_limit() {
    let test = TestApp::start().await;
    partition_of_today(&test).await;
    let ((brief, person), (kept, _)) = (with_a_line(&test).await, with_a_line(&test).await);
    limit(&test, &person, "LOG_RETENTION_DAYS", Some(2)).await;
    end(&test, brief).await;
    end(&test, kept).await;
    test.clock.advance(TimeDelta::days(9));
    let sweep = async || {
        logs::drop_old(&test.app.kernel, &test.app.quotas)
            .await
            .ok()
            .unwrap()
    };
    assert_eq!((sweep().await, count(&test, "log_chunks").await), (1, 1));
    assert_eq!(sweep().await, 0);
}

/// One that no row asks for shows it: nothing else would remove it.
#[tokio::test]
async fn a_day_that_nobody_keeps_goes_with_its_partition_once_nothing_of_it_runs() {
    let test = TestApp::start().await;
    let kernel = &test.app.kernel;
    let admin = test.sign_in(UserRole::Admin).await;
    let days = json!([{ "kind": "LOG_RETENTION_DAYS", "limit": 2 }]);
    set(&test, &admin, json!({ "installation": true }), days).await;
    partition_of_today(&test).await;
    let claims = [with_a_line(&test).await.0, with_a_line(&test).await.0];
    sqlx::query(
        "INSERT INTO log_chunks (day, execution_id, first_seq, last_seq, from_at, to_at, body)
         SELECT day, gen_random_uuid(), 1, 1, now(), now(), 'x' FROM log_chunks LIMIT 1",
    )
    .execute(&kernel.pool)
    .await
    .unwrap();
    end(&test, claims[0]).await;
    test.clock.advance(TimeDelta::days(3));
    let sweep = async || logs::drop_old(kernel, &test.app.quotas).await.ok().unwrap();
    assert_eq!((sweep().await, count(&test, "log_chunks").await), (1, 2));
    end(&test, claims[1]).await;
    assert_eq!((sweep().await, count(&test, "log_chunks").await), (1, 0));
    assert_eq!(sweep().await, 0);
    let dropped = count(&test, "executions WHERE log_dropped_at IS NOT NULL").await;
    assert_eq!(dropped, 2);
}

#[tokio::test]
async fn of_a_job_with_many_attempts_no_log_stays_behind() {
    let test = TestApp::start().await;
    let kernel = &test.app.kernel;
    let (execution, person) = with_a_line(&test).await;
    sqlx::query(
        "INSERT INTO executions SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'attempt', n))).*
         FROM executions e, generate_series(2, 1200) n",
    )
    .execute(&kernel.pool)
    .await
    .unwrap();
    end(&test, execution).await;
    limit(&test, &person, "LOG_RETENTION_DAYS", Some(1)).await;
    test.clock.advance(TimeDelta::days(2));
    let sweep = async || logs::drop_old(kernel, &test.app.quotas).await.ok().unwrap();
    assert_eq!((sweep().await, sweep().await), (1200, 0));
}

#[tokio::test]
async fn an_empty_partition_of_a_past_day_is_dropped_and_one_with_lines_stays() {
    let test = TestApp::start().await;
    let kernel = &test.app.kernel;
    let execution = Uuid::from_u128(0x018d_0000_0000_7000_8000_0000_0000_0001);
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "CREATE TABLE log_chunks_20240101 PARTITION OF log_chunks FOR VALUES FROM ('2024-01-01') TO ('2024-01-02');
         CREATE TABLE log_chunks_20240102 PARTITION OF log_chunks FOR VALUES FROM ('2024-01-02') TO ('2024-01-03');
         INSERT INTO log_chunks (day, execution_id, first_seq, last_seq, from_at, to_at, body)
         VALUES ('2024-01-02', '{execution}', 1, 1, now(), now(), 'x')"
    )))
    .execute(&kernel.pool)
    .await
    .unwrap();
    logs::drop_old(kernel, &test.app.quotas).await.ok().unwrap();
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'log_chunks'::regclass AND c.relname < 'log_chunks_2025'",
    )
    .fetch_all(&kernel.pool)
    .await
    .unwrap();
    assert_eq!(left, ["log_chunks_20240102"]);
    assert_eq!(count(&test, "log_chunks").await, 1);
}
