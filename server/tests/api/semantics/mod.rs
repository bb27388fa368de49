//! What events say of their runs: attempts, turns, limits, moments and the order in which work is given out.

mod cancelling;
mod counter;
mod labels;
mod moments;
mod order;
mod overlap;
mod retry;

use cronium_protocol::agent::{CancelReport, Claim, Outcome, OutcomeKind};
use cronium_protocol::frame::ExitReport;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::queue::{claimed, outcome};
use crate::support::TestApp;

const JOB: &str = "query ($id: ID!) { job(id: $id) { status statusReason runAt startedAt finishedAt output
    executions { attempt status statusReason dueAt exitCode } retries { id }
    cancellation { signalSent processGone note requestedBy { id } } } }";

async fn job(test: &TestApp, token: &str, id: &Value) -> Value {
    let seen = test.graphql(token, JOB, json!({ "id": id })).await;
    assert_eq!(seen["errors"], Value::Null, "{seen}");
    seen["data"]["job"].clone()
}

pub async fn grant(test: &TestApp, orchestrator: Uuid, claim: Claim) {
    let granted = test.app.queue.grant_starts(orchestrator, &[claim]).await;
    assert_eq!(granted.ok().unwrap(), [claim]);
}

pub async fn finish(test: &TestApp, orchestrator: Uuid, claim: Claim, outcome: Outcome) {
    let ends = [(claim, Box::new(outcome))];
    test.app.queue.finish(orchestrator, &ends).await.ok().unwrap();
}

/// The end of user code with an exit code.
pub fn exit(test: &TestApp, code: i32) -> Outcome {
    let kind = if code == 0 {
        OutcomeKind::Succeeded
    } else {
        OutcomeKind::Failed
    };
    let report = ExitReport {
        started_at_us: 1,
        ended_at_us: 2,
        code: Some(code),
        signal: None,
        timed_out: false,
        cancelled: false,
        escalated: false,
        out_of_memory: false,
        processes_refused: 0,
        spawn_error: None,
        failure: None,
        output: Some(json!({ "code": code }).to_string()),
        output_error: None,
        log_truncated: false,
    };
    Outcome {
        reason: (code != 0).then(|| format!("exit code {code}")),
        exit: Some(report),
        ..outcome(test, kind)
    }
}

/// What an orchestrator reports of user code that it stopped.
pub fn stopped(test: &TestApp) -> Outcome {
    Outcome {
        reason: Some("cancelled".into()),
        cancel: Some(CancelReport {
            signal_sent: true,
            escalated: false,
            process_gone: true,
        }),
        ..outcome(test, OutcomeKind::Cancelled)
    }
}

/// Claims one execution, starts its user code and ends it.
async fn run_one(test: &TestApp, orchestrator: Uuid, code: i32) {
    let claim = claimed(test, orchestrator, 1).await[0].claim;
    grant(test, orchestrator, claim).await;
    finish(test, orchestrator, claim, exit(test, code)).await;
}

pub async fn cancel(test: &TestApp, token: &str, id: &Value) -> Value {
    let document =
        "mutation ($id: ID!) { cancelJob(input: { id: $id }) { job { status } userErrors { code field } } }";
    test.graphql(token, document, json!({ "id": id })).await["data"]["cancelJob"].clone()
}

async fn change(test: &TestApp, token: &str, input: Value) -> Value {
    let document = "mutation ($i: UpdateEventInput!) { updateEvent(input: $i) { event { id status } userErrors { code field } } }";
    let answer = test.graphql(token, document, json!({ "i": input })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["updateEvent"].clone()
}

pub async fn happenings(test: &TestApp, kind: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox WHERE kind = $1")
        .bind(kind)
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

pub async fn sql(test: &TestApp, statement: &'static str) {
    sqlx::raw_sql(statement)
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
}

pub async fn release_due(test: &TestApp) -> usize {
    test.app.queue.turns.release_due().await.ok().unwrap()
}
