//! Containers that wait ahead of jobs: each is taken once, nothing of one run is in the next, none is left behind.

use std::time::{Duration, Instant};

use cronium_orchestrator::docker::LABEL_AHEAD;
use cronium_protocol::agent::{Assignment, OutcomeKind, ServerToAgent};
use uuid::Uuid;

use crate::agent::KEY;
use crate::world::{World, bash};

async fn world(ahead: u32) -> World {
    World::with(move |config| config.ahead = Some(ahead)).await
}

/// Waits until so many wait, their runners too.
async fn waiting(world: &World, count: usize) -> Vec<String> {
    let seen = async {
        loop {
            let found = world.labelled(LABEL_AHEAD).await;
            if found.len() == count {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), seen).await;
    found.unwrap_or_else(|_| panic!("{count} containers do not wait"))
}

/// Runs it to its end; returns what it printed and how long it took to start.
async fn run(world: &World, text: &str) -> (String, Duration) {
    let begun = Instant::now();
    let assignment = world.assignment(bash(text));
    let id = assignment.claim.execution_id;
    world.agent.assign(assignment);
    world.agent.line(id, "begun").await;
    let started = begun.elapsed();
    world.agent.succeeds(id).await;
    (world.agent.text(id), started)
}

#[tokio::test]
async fn the_next_job_runs_in_a_container_that_waited_and_takes_nothing_over() {
    let world = world(1).await;
    let leave = "echo secret > /work/left; echo secret > /tmp/left; sleep 600 & echo begun";
    let (_, cold) = run(&world, leave).await;
    let first = waiting(&world, 1).await;
    let look = "echo begun; ls /work /tmp | grep left; ls /proc | grep -c '^[0-9]'; hostname";
    let (warm_text, warm) = run(&world, look).await;
    // The runner, bash, and what the line itself starts.
    assert_eq!(
        warm_text,
        "begun\n/work:\n/tmp:\n5\ncronium".replace("/work:\n/tmp:\n", "")
    );
    assert!(warm < cold / 2, "{warm:?} is not much less than {cold:?}");
    let second = waiting(&world, 1).await;
    assert_ne!(first, second, "a container is taken once");
}

#[tokio::test]
async fn jobs_that_come_together_get_one_each() {
    let world = world(2).await;
    run(&world, "echo begun").await;
    waiting(&world, 1).await;
    let jobs: Vec<Uuid> = (0..4)
        .map(|n| {
            world.assign(bash(&format!(
                "echo only > /work/mine; echo {n} $(ls /work | wc -l)"
            )))
        })
        .collect();
    for (n, id) in jobs.into_iter().enumerate() {
        world.agent.succeeds(id).await;
        assert_eq!(
            world.agent.text(id),
            format!("{n} 2"),
            "the script and its own file"
        );
    }
}

#[tokio::test]
async fn other_limits_or_a_network_get_a_container_of_their_own() {
    let world = world(1).await;
    run(&world, "echo begun").await;
    let waits = waiting(&world, 1).await;
    let mut small =
        bash("cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null; true");
    small.container.memory_bytes = 64 << 20;
    let small = world.assign(small);
    world.agent.succeeds(small).await;
    assert_eq!(world.agent.text(small), (64 << 20).to_string());
    assert!(!waits.is_empty());
    let mut online = bash("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort");
    online.container.network = true;
    let online = world.assign(online);
    world.agent.succeeds(online).await;
    assert_eq!(world.agent.text(online), "eth0\nlo");
}

fn counting() -> &'static str {
    "echo begun; for i in $(seq 1 30); do echo line $i; sleep 0.1; done"
}

fn begun(world: &World, text: &str) -> Assignment {
    let assignment = world.assignment(bash(text));
    world.agent.assign(assignment.clone());
    assignment
}

#[tokio::test]
async fn a_crash_in_the_middle_of_a_run_that_was_taken_loses_nothing_and_leaves_none_waiting() {
    let mut world = world(1).await;
    run(&world, "echo begun").await;
    waiting(&world, 1).await;
    let id = begun(&world, counting()).claim.execution_id;
    world.agent.line(id, "line 5").await;
    waiting(&world, 2).await;
    world.crash().await;
    world.start(KEY).await;
    world.agent.succeeds(id).await;
    let lines: Vec<_> = (1..=30).map(|i| format!("line {i}")).collect();
    assert_eq!(world.agent.text(id), format!("begun\n{}", lines.join("\n")));
    assert_eq!(world.agent.kept().start_requests, 2, "one for each job");
    // What waited for the life before is nobody's now.
    world.until_clean().await;
}

#[tokio::test]
async fn a_cancelled_run_goes_with_its_container_and_a_stop_removes_what_waits() {
    let mut world = world(1).await;
    run(&world, "echo begun").await;
    waiting(&world, 1).await;
    let claim = begun(&world, "echo begun; sleep 600").claim;
    world.agent.line(claim.execution_id, "begun").await;
    world.agent.tell(ServerToAgent::Cancel { claim });
    let outcome = world.agent.outcome(claim.execution_id).await;
    assert_eq!(outcome.kind, OutcomeKind::Cancelled, "{outcome:?}");
    waiting(&world, 1).await;
    world.stop().await;
    assert_eq!(world.left_behind().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_container_that_died_waiting_is_replaced_and_no_job_is_lost_by_it() {
    let world = world(1).await;
    run(&world, "echo begun").await;
    let dead = waiting(&world, 1).await;
    crate::machine::docker(&["kill", &dead[0]]);
    run(&world, "echo begun").await;
    let next = waiting(&world, 1).await;
    assert_ne!(dead, next);
}
