//! Containers that wait ahead of jobs: each is taken once, nothing of one run is in the next, none is left behind.

use std::time::{Duration, Instant};

use cronium_orchestrator::executor::Executor as _;
use cronium_protocol::agent::{Assignment, OutcomeKind, ServerToAgent};
use uuid::Uuid;

use crate::agent::KEY;
use crate::world::{World, bash};

async fn world(ahead: u32) -> World {
    World::with(move |config| config.ahead = Some(ahead)).await
}

/// Waits until so many wait.
async fn waiting(world: &World, count: usize) -> Vec<String> {
    let seen = async {
        loop {
            let found = world.ahead().waiting();
            if found.len() == count {
                return found.iter().map(|target| target.name().to_owned()).collect();
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

/// What runs in this container, by the engine.
fn processes(name: &str) -> usize {
    crate::machine::docker(&["top", name]).lines().count() - 1
}

#[tokio::test]
async fn the_next_job_runs_in_a_container_that_waited_and_takes_nothing_over() {
    let world = world(1).await;
    let (_, cold) = run(&world, "echo begun").await;
    let first = waiting(&world, 1).await;
    let leave = "echo secret > /work/left; echo secret > /tmp/left; sleep 600 & echo begun";
    let (_, warm) = run(&world, leave).await;
    assert!(warm < cold / 2, "{warm:?} is not much less than {cold:?}");
    let second = waiting(&world, 1).await;
    assert_ne!(first, second, "a container is taken once");
    assert_eq!(processes(&second[0]), 1, "only its runner");
    let (found, _) = run(
        &world,
        "echo begun; ls /work /tmp | grep left; cat /proc/[0-9]*/comm | grep sleep; true",
    )
    .await;
    assert_eq!(found, "begun");
    world.until_gone(&first[0]).await;
    world.until_gone(&second[0]).await;
}

#[tokio::test]
async fn jobs_that_come_together_get_one_each() {
    let world = world(2).await;
    for _ in 0..2 {
        run(&world, "echo begun").await;
    }
    waiting(&world, 2).await;
    let own = |n: usize| format!("echo {n} > /work/mine-{n}; sleep 0.5; echo $(cat /work/mine-*)");
    let jobs: Vec<Uuid> = (0..4).map(|n| world.assign(bash(&own(n)))).collect();
    for (n, id) in jobs.into_iter().enumerate() {
        world.agent.succeeds(id).await;
        assert_eq!(world.agent.text(id), n.to_string());
    }
}

#[tokio::test]
async fn other_limits_or_a_network_get_a_container_of_their_own() {
    let world = world(2).await;
    run(&world, "echo begun").await;
    let waits = waiting(&world, 1).await;
    let memory = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null";
    let mut small = bash(&format!("{memory}; sleep 1"));
    small.container.memory_bytes = 64 << 20;
    let small = world.assign(small);
    world.agent.line(small, &(64 << 20).to_string()).await;
    let still = world.ahead().waiting();
    assert!(still.iter().any(|one| one.name() == waits[0]), "it was taken");
    world.agent.succeeds(small).await;
    let mut online = bash("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort");
    online.container.network = true;
    let online = world.assign(online);
    world.agent.succeeds(online).await;
    assert_eq!(world.agent.text(online), "eth0\nlo");
}

#[tokio::test]
async fn a_sweep_leaves_what_waits_and_what_was_taken() {
    let world = world(1).await;
    run(&world, "echo begun").await;
    let waits = waiting(&world, 1).await;
    let id = begun(&world, "echo begun; sleep 600").claim.execution_id;
    world.agent.line(id, "begun").await;
    waiting(&world, 1).await;
    let names = |found: Vec<cronium_orchestrator::executor::Found>| -> Vec<String> {
        found.iter().map(|one| one.target.name().to_owned()).collect()
    };
    // What another life of this orchestrator would find, and what this one does.
    assert_eq!(names(world.another_life().await.find().await.unwrap()).len(), 2);
    assert_eq!(
        names(world.executor().find().await.unwrap()),
        Vec::<String>::new()
    );
    assert!(!waits.is_empty());
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
    waiting(&world, 1).await;
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
async fn a_container_that_died_waiting_is_replaced() {
    let world = world(1).await;
    run(&world, "echo begun").await;
    let dead = waiting(&world, 1).await;
    crate::machine::docker(&["kill", &dead[0]]);
    world.until_gone(&dead[0]).await;
    let next = waiting(&world, 1).await;
    assert_ne!(dead, next);
    run(&world, "echo begun").await;
}
