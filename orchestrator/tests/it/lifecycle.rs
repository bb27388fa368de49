//! Connections that break, orchestrators that crash, leases that end.

use cronium_orchestrator::docker::LABEL_ORCHESTRATOR;
use cronium_protocol::agent::{OutcomeKind, Phase, ServerToAgent};

use crate::agent::{KEY, Kept};
use crate::world::{World, bash};

const COUNT: &str = "for i in $(seq 1 40); do echo line $i; sleep 0.1; done";

fn counted() -> String {
    (1..=40)
        .map(|i| format!("line {i}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn a_crashed_orchestrator_loses_nothing() {
    let mut world = World::new().await;
    let id = world.assign(bash(COUNT));
    world.agent.line(id, "line 5").await;
    world.crash().await;
    assert_eq!(world.left_behind().await.len(), 1);
    world.start(KEY).await;
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    assert_eq!(world.agent.text(id), counted());
    assert!(outcome.setup_at_us.is_some() && outcome.started_at_us.is_some());
    assert_eq!(world.agent.kept().outcomes[&id].0.epoch, 2);
    // The second life asked for no second start.
    assert_eq!(world.agent.kept().start_requests, 1);
    world.until_clean().await;
}

#[tokio::test]
async fn what_it_offers_is_said_at_once_and_again_after_a_cut() {
    let world = World::with(|config| config.labels = "ssd,gpu".parse().unwrap()).await;
    for _ in 0..2 {
        world
            .agent
            .until("its labels", 10, |k| (k.labels == ["gpu", "ssd"]).then_some(()))
            .await;
        world.agent.kept().labels.clear();
        world.agent.cut();
    }
}

#[tokio::test]
async fn two_crashes_go_on_under_the_newest_epoch() {
    let mut world = World::new().await;
    let id = world.assign(bash(COUNT));
    world.agent.line(id, "line 3").await;
    world.crash().await;
    world.start(KEY).await;
    world.agent.line(id, "line 10").await;
    world.crash().await;
    world.start(KEY).await;
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), counted());
    assert_eq!(world.agent.kept().outcomes[&id].0.epoch, 3);
}

#[tokio::test]
async fn an_end_that_comes_while_nobody_listens_is_told_later() {
    let mut world = World::new().await;
    let id = world.assign(bash("echo begun; sleep 1; echo done"));
    world.agent.line(id, "begun").await;
    world.stop().await;
    world.start(KEY).await;
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "begun\ndone");
    world.until_clean().await;
}

#[tokio::test]
async fn what_the_server_does_not_want_back_is_removed() {
    let mut world = World::new().await;
    let id = world.assign(bash("echo begun; sleep 600"));
    world.agent.line(id, "begun").await;
    world.crash().await;
    world.agent.kept().adopt_none = true;
    world.start(KEY).await;
    world.until_clean().await;
    assert!(world.agent.kept().outcomes.is_empty());
}

#[tokio::test]
async fn a_record_whose_container_went_with_a_crash_is_forgotten() {
    let mut world = World::new().await;
    let id = world.assign(bash("echo begun; sleep 600"));
    world.agent.line(id, "begun").await;
    world.crash().await;
    for name in world.left_behind().await {
        crate::machine::docker(&["rm", "-f", name.trim_start_matches('/')]);
    }
    assert_eq!(world.records().len(), 1);
    world.start(KEY).await;
    world.until_forgotten().await;
}

#[tokio::test]
async fn containers_that_a_crash_left_for_a_moment_are_removed() {
    let mut world = World::new().await;
    world.crash().await;
    let label = format!("{LABEL_ORCHESTRATOR}={}", world.id);
    let image = std::env::var("CRONIUM_EXEC_IMAGE").unwrap_or("cronium/exec:1".into());
    for what in ["fence", "carrier"] {
        let name = format!("cronium-{what}-{}", world.id.as_simple());
        crate::machine::docker(&["create", "--name", &name, "--label", &label, &image, "true"]);
    }
    assert_eq!(world.left_behind().await.len(), 2);
    world.start(KEY).await;
    world.until_clean().await;
}

#[tokio::test]
async fn broken_connections_cost_no_line() {
    let world = World::new().await;
    let id = world.assign(bash(COUNT));
    for mark in ["line 4", "line 12", "line 20"] {
        world.agent.line(id, mark).await;
        world.agent.cut();
    }
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    assert_eq!(world.agent.text(id), counted());
    assert_eq!(world.agent.kept().connections, 4);
    world.until_clean().await;
}

#[tokio::test]
async fn an_unanswered_start_request_starts_nothing_until_it_is_answered() {
    let world = World::new().await;
    world.agent.kept().mute_grants = true;
    let id = world.assign(bash("echo ran"));
    world
        .agent
        .until("a start request", 30, |k| (k.start_requests == 1).then_some(()))
        .await;
    let started = |k: &crate::agent::Kept| k.phases.iter().any(|(_, p)| *p == Phase::Started);
    assert!(!started(&world.agent.kept()));
    world.agent.kept().mute_grants = false;
    // A new connection asks again.
    world.agent.cut();
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "ran");
}

#[tokio::test]
async fn an_answer_in_parts_is_one_answer() {
    let world = World::new().await;
    let agent = &world.agent;
    let (first, second) = (
        world.assignment(bash("echo first")),
        world.assignment(bash("echo second")),
    );
    let ids = [first.claim.execution_id, second.claim.execution_id];
    agent.kept().mute_claims = true;
    let before = agent.kept().claims;
    let asked = |times: usize| move |k: &Kept| (k.claims == before + times).then_some(());
    agent.tell(ServerToAgent::Wake);
    agent.until("a question", 10, asked(1)).await;
    agent.tell(ServerToAgent::Claimed {
        assignments: vec![first],
        more: true,
    });
    agent.tell(ServerToAgent::Wake);
    agent
        .until("its first run asks to start", 30, |k| {
            (k.start_requests == 1).then_some(())
        })
        .await;
    assert_eq!(
        agent.kept().claims,
        before + 1,
        "what it asked for is still coming: it would have too much"
    );
    agent.tell(ServerToAgent::Claimed {
        assignments: vec![second],
        more: false,
    });
    agent
        .until("the question that it was woken for", 10, asked(2))
        .await;
    agent.kept().mute_claims = false;
    for id in ids {
        agent.succeeds(id).await;
    }
}

#[tokio::test]
async fn a_lost_lease_ends_the_run_without_a_word() {
    let world = World::new().await;
    let assignment = world.assignment(bash("echo begun; sleep 600"));
    let claim = assignment.claim;
    world.agent.assign(assignment);
    world.agent.line(claim.execution_id, "begun").await;
    world.agent.kept().lose.push(claim);
    world.until_clean().await;
    assert!(world.agent.kept().outcomes.is_empty());
}

#[tokio::test]
async fn a_wrong_key_gets_no_work() {
    let mut world = World::new().await;
    world.stop().await;
    let before = world.agent.kept().connections;
    world.start("another key").await;
    world
        .agent
        .until("a refusal", 10, |k| (k.refused_keys > 0).then_some(()))
        .await;
    assert_eq!(world.agent.kept().connections, before);
}
