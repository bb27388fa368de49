//! Servers that mean harm to whoever runs something on them: they cost a moment and a reason, and no memory.

use std::time::Duration;

use cronium_protocol::agent::OutcomeKind;
use tokio::time::timeout;

use crate::host::Host;
use crate::world::{World, bash};

/// Whatever else is asked is done; a runner that is opened or waits, and one that is attached to, is this.
fn instead_of_runners(command: &str) -> String {
    format!(
        "ForceCommand case \"$SSH_ORIGINAL_COMMAND\" in *' open '*|*' ahead'|*' attach '*) {command} ;; *) eval \
         \"$SSH_ORIGINAL_COMMAND\" ;; esac"
    )
}

/// The memory of this process, which the orchestrator is a part of, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}

/// A run there is not started, and says why; gives the reason.
async fn ends_in_time(command: &str, limit: Duration) -> String {
    let (world, host) = (World::new().await, Host::with(&instead_of_runners(command)));
    let id = world.assign_to(&host.order(), bash("echo never"));
    let before = memory();
    let outcome = timeout(limit, world.agent.outcome(id))
        .await
        .expect("an end in time");
    let grown = memory().saturating_sub(before);
    assert_eq!(outcome.kind, OutcomeKind::NotStarted, "{outcome:?}");
    assert!(grown < 64 << 20, "{grown} bytes more");
    world.until_forgotten().await;
    outcome.reason.unwrap()
}

#[tokio::test]
async fn a_server_that_sends_frames_that_are_none_is_left() {
    let garbage = "head -c 8 /dev/zero; while :; do printf 'no frame\\0no frame either\\0'; done";
    let reason = ends_in_time(garbage, Duration::from_secs(20)).await;
    assert!(!reason.contains("no frame"), "{reason}");
}

#[tokio::test]
async fn a_server_that_sends_a_frame_without_end_is_left() {
    let endless = "head -c 8 /dev/zero; exec tr '\\0' x </dev/zero";
    ends_in_time(endless, Duration::from_secs(30)).await;
}

#[tokio::test]
async fn a_server_that_dribbles_is_not_waited_for() {
    // The runner is to greet within a quarter of a minute.
    let dribble = "while :; do printf x; sleep 0.5; done";
    ends_in_time(dribble, Duration::from_secs(40)).await;
}
