//! Runs on servers when something breaks: connections, orchestrators, runners, and the server itself.

use std::fs;

use cronium_protocol::agent::{CancelReport, OutcomeKind, ServerToAgent};
use cronium_protocol::host::HostSpec;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::agent::KEY;
use crate::host::{COUNT, Host, counted, end, is_alive, masters, printed, processes};
use crate::reach::until;
use crate::sshd::{Sshd, another_key};
use crate::world::{World, bash};

async fn counts(world: &World, host: &Host, up_to: &str) -> Uuid {
    let id = world.assign_to(&host.order(), bash(COUNT));
    world.agent.line(id, up_to).await;
    id
}

async fn has_counted(world: &World, host: &Host, id: Uuid) {
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), counted());
    assert_eq!(world.agent.kept().start_requests, 1);
    host.until_clean(world).await;
}

#[tokio::test]
async fn a_connection_that_is_killed_costs_no_line() {
    let (world, host) = (World::new().await, Host::start());
    let id = counts(&world, &host, "line 5").await;
    let before = masters(&world);
    assert_eq!(before.len(), 1);
    end(before[0]);
    world.agent.line(id, "line 20").await;
    let after = masters(&world);
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    has_counted(&world, &host, id).await;
}

#[tokio::test]
async fn a_session_that_is_killed_on_the_server_costs_no_line() {
    let (world, host) = (World::new().await, Host::start());
    let id = counts(&world, &host, "line 5").await;
    let sessions = host.sshd.sessions();
    assert!(!sessions.is_empty());
    sessions.into_iter().for_each(end);
    has_counted(&world, &host, id).await;
    assert!(host.sshd.sign_ins() >= 2);
}

#[tokio::test]
async fn a_connection_that_carries_nothing_is_noticed() {
    let (world, host) = (World::new().await, Host::start());
    let id = counts(&world, &host, "line 5").await;
    // As when packets are dropped on the way: nothing ends, and nothing is answered.
    let stopped = host.sshd.sessions();
    for pid in &stopped {
        kill(Pid::from_raw(*pid), Signal::SIGSTOP).unwrap();
    }
    has_counted(&world, &host, id).await;
    stopped.into_iter().for_each(end);
}

#[tokio::test]
async fn a_server_that_was_away_for_a_while_has_kept_everything() {
    let (world, mut host) = (World::new().await, Host::start());
    let id = counts(&world, &host, "line 5").await;
    host.sshd.stop();
    until("the end of the connection", || masters(&world).is_empty()).await;
    host.sshd.start_again();
    has_counted(&world, &host, id).await;
}

#[tokio::test]
async fn a_restarted_orchestrator_goes_on_with_its_runs() {
    let (mut world, host) = (World::new().await, Host::start());
    let id = counts(&world, &host, "line 5").await;
    world.crash().await;
    world.start(KEY).await;
    has_counted(&world, &host, id).await;
    assert_eq!(world.agent.kept().outcomes[&id].0.epoch, 2);
}

#[tokio::test]
async fn a_run_that_nobody_wants_back_is_removed() {
    let (mut world, host) = (World::new().await, Host::start());
    let id = world.assign_to(&host.order(), bash("echo $$; sleep 600"));
    let first = |kept: &crate::agent::Kept| kept.lines.get(&id).map(|_| ());
    world.agent.until("a line", 30, first).await;
    let pid = printed(&world, id);
    world.crash().await;
    world.agent.kept().adopt_none = true;
    world.start(KEY).await;
    world.until_forgotten().await;
    // How to get there is known with the next run alone.
    let next = world.assign_to(&host.order(), bash("echo next"));
    world.agent.succeeds(next).await;
    until("the end of its process", || !is_alive(pid)).await;
    host.until_clean(&world).await;
}

#[tokio::test]
async fn directories_that_no_record_knows_are_swept() {
    let (mut world, host) = (World::new().await, Host::start());
    let id = world.assign_to(&host.order(), bash("echo $$; trap '' TERM; sleep 600"));
    let first = |kept: &crate::agent::Kept| kept.lines.get(&id).map(|_| ());
    world.agent.until("a line", 30, first).await;
    let pid = printed(&world, id);
    world.crash().await;
    for record in world.record_files() {
        fs::remove_file(record).unwrap();
    }
    let strange = host.runs()[0].with_file_name("not-a-run");
    fs::create_dir(&strange).unwrap();
    world.start(KEY).await;
    let next = world.assign_to(&host.order(), bash("echo next"));
    world.agent.succeeds(next).await;
    until("the end of its process", || !is_alive(pid)).await;
    until("the end of its directory", || host.runs() == [strange.clone()]).await;
}

#[tokio::test]
async fn a_runner_that_is_killed_is_lost_and_what_it_began_ends() {
    let (world, host) = (World::new().await, Host::start());
    let id = world.assign_to(&host.order(), bash("echo $$; sleep 600"));
    let first = |kept: &crate::agent::Kept| kept.lines.get(&id).map(|_| ());
    world.agent.until("a line", 30, first).await;
    let pid = printed(&world, id);
    let runs = host.base().join("runs");
    let runner = processes(&["\0serve\0", runs.to_str().unwrap()]);
    assert_eq!(runner.len(), 1);
    end(runner[0]);
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Lost, "{outcome:?}");
    assert!(
        outcome.reason.unwrap().contains("lost after the start"),
        "it is told"
    );
    host.until_clean(&world).await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_cancel_on_a_server_that_is_gone_is_not_confirmed() {
    let (world, mut host) = (World::new().await, Host::start());
    let mut assignment = world.assignment(bash("echo begun; sleep 600"));
    assignment.host = Some(host.order());
    let (claim, id) = (assignment.claim, assignment.claim.execution_id);
    world.agent.assign(assignment);
    world.agent.line(id, "begun").await;
    host.sshd.stop();
    until("the end of the connection", || masters(&world).is_empty()).await;
    world.agent.tell(ServerToAgent::Cancel { claim });
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Cancelled, "{outcome:?}");
    let CancelReport { process_gone, .. } = outcome.cancel.unwrap();
    assert!(!process_gone);
    let reason = outcome.reason.unwrap();
    assert!(
        reason.contains("not known") && reason.contains("nobody answers"),
        "{reason}"
    );
}

/// The reason of a run that was not started.
async fn not_started(world: &World, id: Uuid) -> String {
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::NotStarted, "{outcome:?}");
    world.until_forgotten().await;
    outcome.reason.unwrap()
}

#[tokio::test]
async fn to_a_server_with_another_key_nothing_is_said() {
    let (world, host, other) = (World::new().await, Host::start(), Sshd::start(""));
    let pinned = HostSpec {
        host_key: other.host_key("ed25519"),
        ..host.sshd.host()
    };
    let id = world.assign_to(&host.as_told(pinned), bash("echo never"));
    let reason = not_started(&world, id).await;
    assert!(reason.contains("another host key"), "{reason}");
    assert!(!reason.contains("127.0.0.1"), "{reason}");
    assert!(!host.sshd.was_asked_to_let_in(), "{}", host.sshd.log());
}

#[tokio::test]
async fn a_server_that_failed_is_left_alone_for_a_moment() {
    let (world, host) = (World::new().await, Host::start());
    let order = host.as_told(host.sshd.with(another_key()));
    let ids = [(); 3].map(|()| world.assign_to(&order, bash("echo never")));
    let mut reasons = Vec::new();
    for id in ids {
        reasons.push(not_started(&world, id).await);
    }
    assert!(reasons[0].contains("does not let its user in"), "{}", reasons[0]);
    assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:?}");
    // Each was there for two attempts, which they share.
    assert_eq!(host.sshd.log().matches("Connection from").count(), 2);
    // With what lets it in, it is another matter.
    let id = world.assign_to(&host.order(), bash("echo now"));
    world.agent.succeeds(id).await;
}

#[tokio::test]
async fn a_server_that_is_back_a_moment_later_runs_what_waits_for_it() {
    let (world, mut host) = (World::new().await, Host::start());
    host.sshd.stop();
    // In its place, somebody who hangs up.
    let listener = TcpListener::bind(("127.0.0.1", host.sshd.port)).await.unwrap();
    let id = world.assign_to(&host.order(), bash("echo here"));
    drop(listener.accept().await.unwrap());
    drop(listener);
    host.sshd.start_again();
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "here");
    assert_eq!(host.sshd.sign_ins(), 1);
}

#[tokio::test]
async fn a_runner_that_does_not_come_whole_is_not_started() {
    let cut = "ForceCommand case \"$SSH_ORIGINAL_COMMAND\" in *'cat >'*) head -c 100000 | eval \
               \"$SSH_ORIGINAL_COMMAND\" ;; *) eval \"$SSH_ORIGINAL_COMMAND\" ;; esac";
    let (world, host) = (World::new().await, Host::with(cut));
    let id = world.assign_to(&host.order(), bash("echo never"));
    let reason = not_started(&world, id).await;
    assert!(reason.contains("could not be put there"), "{reason}");
    let kept = fs::read_dir(host.base().join("bin")).unwrap();
    assert_eq!(kept.count(), 0, "half of it is kept");
}

#[tokio::test]
async fn a_runner_that_somebody_removed_is_sent_again() {
    let (world, host) = (World::new().await, Host::start());
    let id = world.assign_to(&host.order(), bash("echo one"));
    world.agent.succeeds(id).await;
    host.until_clean(&world).await;
    fs::remove_dir_all(host.base()).unwrap();
    let id = world.assign_to(&host.order(), bash("echo two"));
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "two");
}

#[tokio::test]
async fn behind_another_connection_what_was_there_is_used_and_what_is_gone_is_brought_again() {
    let (world, host) = (World::new().await, Host::start());
    let run = async || {
        let id = world.assign_to(&host.order(), bash("echo there"));
        world.agent.succeeds(id).await;
        assert_eq!(world.agent.text(id), "there");
        host.until_clean(&world).await;
    };
    let cut = async || {
        masters(&world).into_iter().for_each(end);
        until("the end of the connection", || masters(&world).is_empty()).await;
    };
    run().await;
    // Whoever looks around removes what was left in the middle long ago.
    let left = host.base().join("bin/.left");
    let then = std::time::SystemTime::UNIX_EPOCH;
    fs::File::create(&left).unwrap().set_modified(then).unwrap();
    cut().await;
    run().await;
    assert!(left.exists(), "nobody has looked again");
    cut().await;
    fs::remove_dir_all(host.base()).unwrap();
    run().await;
    assert_eq!(fs::read_dir(host.base().join("bin")).unwrap().count(), 1);
}

#[tokio::test]
async fn an_account_without_a_shell_says_so() {
    let (world, host) = (
        World::new().await,
        Host::with("ForceCommand echo This account is not available.; exit 1"),
    );
    let id = world.assign_to(&host.order(), bash("echo never"));
    let reason = not_started(&world, id).await;
    assert!(reason.contains("This account is not available."), "{reason}");
}
