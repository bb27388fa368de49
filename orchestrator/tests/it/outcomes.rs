//! What comes back for each kind of end.

use std::time::{Duration, Instant};

use cronium_protocol::agent::{OutcomeKind, Phase, ServerToAgent};
use cronium_protocol::manifest::Language;

use crate::world::{World, bash, script};

#[tokio::test]
async fn every_language_runs_and_nothing_is_left_behind() {
    let world = World::new().await;
    let scripts = [
        (Language::Bash, "echo hello from bash"),
        (Language::Python, "print('hello from python')"),
        (Language::NodeJs, "console.log('hello from node')"),
    ];
    let ids = scripts.map(|(language, text)| world.assign(script(language, text)));
    for (id, name) in ids.into_iter().zip(["bash", "python", "node"]) {
        let outcome = world.agent.outcome(id).await;
        assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
        assert_eq!(outcome.reason, None);
        assert!(outcome.image_digest.is_some() && outcome.usage.is_some());
        assert!(outcome.setup_at_us < outcome.started_at_us && outcome.started_at_us < outcome.ended_at_us);
        assert_eq!(world.agent.text(id), format!("hello from {name}"));
    }
    world.until_clean().await;
}

#[tokio::test]
async fn an_exit_code_is_told() {
    let world = World::new().await;
    let id = world.assign(bash("echo out; echo err >&2; exit 3"));
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Failed);
    assert_eq!(outcome.reason.as_deref(), Some("exit code 3"));
    assert_eq!(outcome.last_seq, 2);
}

#[tokio::test]
async fn a_timeout_ends_user_code() {
    let world = World::new().await;
    let mut script = bash("sleep 600");
    script.timeout_ms = 1_000;
    let outcome = world.agent.outcome(world.assign(script)).await;
    assert_eq!(outcome.kind, OutcomeKind::TimedOut, "{outcome:?}");
    assert_eq!(outcome.reason.as_deref(), Some("timed out after 1 s"));
    world.until_clean().await;
}

#[tokio::test]
async fn a_cancel_is_final_within_15_s_even_when_term_is_ignored() {
    let world = World::new().await;
    let mut script = bash("trap '' TERM; echo ready; while true; do sleep 1; done");
    script.grace_ms = 10_000;
    let assignment = world.assignment(script);
    let claim = assignment.claim;
    world.agent.assign(assignment);
    world.agent.line(claim.execution_id, "ready").await;
    let asked = Instant::now();
    world.agent.tell(ServerToAgent::Cancel { claim });
    let outcome = world.agent.outcome(claim.execution_id).await;
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    assert_eq!(outcome.kind, OutcomeKind::Cancelled, "{outcome:?}");
    let cancel = outcome.cancel.unwrap();
    assert!(cancel.signal_sent && cancel.escalated && cancel.process_gone);
    world.until_clean().await;
}

#[tokio::test]
async fn too_much_memory_is_named_as_the_reason() {
    let world = World::new().await;
    let mut hog = script(
        Language::Python,
        "x = bytearray(512 * 1024 * 1024)\nprint(len(x))",
    );
    hog.container.memory_bytes = 64 << 20;
    let outcome = world.agent.outcome(world.assign(hog)).await;
    assert_eq!(outcome.kind, OutcomeKind::Failed, "{outcome:?}");
    assert_eq!(
        outcome.reason.as_deref(),
        Some("killed: out of memory (limit 64 MiB)"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn without_a_grant_user_code_does_not_run() {
    let world = World::new().await;
    world.agent.kept().deny = true;
    let id = world.assign(bash("echo ran"));
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::NotStarted, "{outcome:?}");
    assert_eq!(
        outcome.reason.as_deref(),
        Some("the server did not permit the start")
    );
    world.until_clean().await;
    assert_eq!(world.agent.text(id), "");
    assert!(world.agent.kept().phases.iter().all(|(_, p)| *p == Phase::Setup));
}

#[tokio::test]
async fn a_payload_that_somebody_else_signed_is_refused() {
    let world = World::new().await;
    let mut assignment = world.assignment(bash("echo ran"));
    assignment.signature[0] ^= 1;
    let id = assignment.claim.execution_id;
    world.agent.assign(assignment);
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::NotStarted);
    assert_eq!(
        outcome.reason.as_deref(),
        Some("the runner refused the payload: the payload's signature is missing or wrong")
    );
    // Permission was asked for meanwhile, and none helps it.
    let kept = world.agent.kept();
    assert_eq!((kept.start_requests, kept.lines.len()), (1, 0));
    assert!(kept.phases.iter().all(|(_, p)| *p == Phase::Setup));
}
