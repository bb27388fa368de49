//! Runs on servers, as they should go.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cronium_protocol::agent::HostOrder;
use cronium_protocol::agent::{CancelReport, Claim, OutcomeKind, ServerToAgent};
use cronium_protocol::manifest::Language;

use crate::calls::calling;
use crate::host::{Host, is_alive, masters, printed, processes, uid};
use crate::reach::{Client, until};
use crate::world::{World, bash, script};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_script_runs_on_a_server_and_nothing_stays_there_but_the_runner() {
    let (world, host) = (World::new().await, Host::start());
    let order = host.order();
    let id = world.assign_to(
        &order,
        bash("echo out; echo err >&2; pwd; echo \"$HOME\"; exit 3"),
    );
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Failed, "{outcome:?}");
    assert_eq!(outcome.reason.as_deref(), Some("exit code 3"));
    let text = world.agent.text(id);
    let lines: Vec<_> = text.lines().collect();
    for said in ["out", "err"] {
        assert!(lines.contains(&said), "{text}");
    }
    let runs = host.base().join("runs");
    let homes: Vec<_> = lines
        .iter()
        .filter(|line| line.starts_with(runs.to_str().unwrap()))
        .collect();
    assert!(
        homes.len() == 2 && homes[0] == homes[1] && homes[0].ends_with("/work"),
        "{text}"
    );
    host.until_clean(&world).await;
    let kept = fs::read_dir(host.base().join("bin")).unwrap();
    assert_eq!(kept.count(), 1);
    let figures = Client::new().await.figures(host.sshd.host()).await;
    assert_eq!(figures.runner_version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    let sign_ins = host.sshd.sign_ins();
    // The second finds the connection and the runner.
    let id = world.assign_to(&order, script(Language::Python, "print('warm')"));
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "warm");
    assert_eq!((masters(&world).len(), host.sshd.sign_ins()), (1, sign_ins));
}

#[tokio::test]
async fn a_script_has_a_plain_environment_and_its_calls() {
    let (world, host) = (World::new().await, Host::start());
    let text = "env | cut -d= -f1 | sort | tr '\\n' ' '; echo
                cronium_output \"{\\\"n\\\":$(cronium_input | tr -dc 0-9)}\"";
    let mut assignment = calling(&world, Language::Bash, text);
    assignment.host = Some(host.order());
    let id = assignment.claim.execution_id;
    world.agent.assign(assignment);
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    let output = outcome.exit.unwrap().output.unwrap();
    let output: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(output["n"], 20);
    let names = world.agent.text(id);
    for name in names.split_whitespace() {
        let known = ["HOME", "PATH", "LANG", "PWD", "SHLVL", "_", "OLDPWD", "BASH_ENV"].contains(&name);
        assert!(known || name.starts_with("CRONIUM_"), "{name} in {names}");
    }
}

#[tokio::test]
async fn nobody_else_there_sees_what_a_user_gave() {
    let (world, host) = (World::new().await, Host::start());
    let mut assignment = world.assignment(bash(&format!(
        "echo begun; {}; echo very-secret-script",
        host.wait()
    )));
    world.change(&mut assignment, |manifest| {
        manifest.env.insert("GIVEN".into(), "very-secret-value".into());
    });
    assignment.host = Some(host.order());
    let id = assignment.claim.execution_id;
    world.agent.assign(assignment);
    world.agent.line(id, "begun").await;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&words).into_owned();
        assert!(!words.contains("very-secret"), "{words}");
    }
    let runs = host.runs();
    assert_eq!(runs.len(), 1);
    let all = ["", "bin", "runs"].map(|name| host.base().join(name));
    let dirs = all.iter().map(std::path::PathBuf::as_path);
    for dir in dirs.chain([runs[0].parent().unwrap(), &runs[0], &runs[0].join("work")]) {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    // The token is in the record alone.
    let records = world.record_files();
    assert_eq!((records.len(), mode(&records[0])), (1, 0o600));
    let record: serde_json::Value = serde_json::from_slice(&fs::read(&records[0]).unwrap()).unwrap();
    let token = record["host"]["token"].as_str().unwrap();
    assert_eq!(token.len(), 64);
    assert_eq!(processes(&[token]), Vec::<i32>::new());
    host.go();
    world.agent.succeeds(id).await;
}

#[tokio::test]
async fn servers_with_one_home_leave_each_other_alone() {
    let (world, host) = (World::new().await, Host::start());
    let first = world.assign_to(
        &host.order(),
        bash(&format!("echo begun; {}; echo ended", host.wait())),
    );
    world.agent.line(first, "begun").await;
    // The same machine under another name: what it looks for is what was left of its own.
    let again = HostOrder {
        server_id: cronium_orchestrator::clock::new_id(),
        ..host.order()
    };
    for _ in 0..2 {
        let id = world.assign_to(&again, bash("echo short"));
        world.agent.succeeds(id).await;
    }
    host.go();
    world.agent.succeeds(first).await;
    assert_eq!(world.agent.text(first), "begun\nended");
    host.until_clean(&world).await;
}

#[tokio::test]
async fn what_a_login_shell_says_is_no_part_of_a_run() {
    let noise = "ForceCommand echo Welcome; echo running 1; echo gone; echo beware >&2; printf 'no\\0\\0 end'; \
                 eval \"$SSH_ORIGINAL_COMMAND\"";
    let (world, host) = (World::new().await, Host::with(noise));
    let id = world.assign_to(&host.order(), bash("echo mine"));
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "mine");
    host.until_clean(&world).await;
}

#[tokio::test]
async fn without_a_home_it_is_beside_other_temporary_files() {
    let (world, host) = (World::new().await, Host::with(""));
    // The first word on something counts, so it is another server.
    let homeless = crate::sshd::Sshd::start("SetEnv HOME=/nonexistent");
    let order = host.as_told(homeless.host());
    let id = world.assign_to(&order, bash("pwd"));
    world.agent.succeeds(id).await;
    let base = format!("/tmp/cronium-{}", uid());
    let work = world.agent.text(id);
    assert!(work.starts_with(&format!("{base}/runs/")), "{work}");
    assert_eq!(mode(Path::new(&base)), 0o700);
    until("the end of its directory", || !Path::new(&work).exists()).await;
}

#[tokio::test]
async fn a_cancelled_run_ends_with_all_that_it_began() {
    let (world, host) = (World::new().await, Host::start());
    let mut assignment = world.assignment(bash("echo $$; trap '' TERM; sleep 600 & wait; sleep 600"));
    assignment.host = Some(host.order());
    let claim = assignment.claim;
    world.agent.assign(assignment);
    let id = claim.execution_id;
    let first = |kept: &crate::agent::Kept| kept.lines.get(&id).map(|_| ());
    world.agent.until("a line", 30, first).await;
    let pid = printed(&world, id);
    assert!(is_alive(pid));
    world.agent.tell(ServerToAgent::Cancel { claim });
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Cancelled, "{outcome:?}");
    let done = CancelReport {
        signal_sent: true,
        escalated: true,
        process_gone: true,
    };
    assert_eq!(outcome.cancel, Some(done));
    assert!(!is_alive(pid));
    host.until_clean(&world).await;
    let runs = host.base().join("runs");
    until("the end of all processes", || {
        processes(&[runs.to_str().unwrap()]).is_empty()
    })
    .await;
}

/// Runs that begin, and wait; ends when all have begun.
async fn begin(world: &World, host: &Host, count: usize) -> Vec<uuid::Uuid> {
    let text = format!("echo begun; {}; echo done", host.wait());
    let order = host.order();
    let ids: Vec<_> = (0..count).map(|_| world.assign_to(&order, bash(&text))).collect();
    for id in &ids {
        world.agent.line(*id, "begun").await;
    }
    ids
}

async fn end(world: &World, host: &Host, ids: Vec<uuid::Uuid>) {
    host.go();
    for id in ids {
        world.agent.succeeds(id).await;
        assert_eq!(world.agent.text(id), "begun\ndone");
    }
    host.until_clean(world).await;
}

#[tokio::test]
async fn runs_on_one_server_share_a_connection() {
    let (world, host) = (World::new().await, Host::start());
    let ids = begin(&world, &host, 3).await;
    assert_eq!((masters(&world).len(), host.sshd.sign_ins()), (1, 1));
    end(&world, &host, ids).await;
}

#[tokio::test]
async fn more_runs_than_a_connection_carries_have_another() {
    let world = World::with(|config| config.capacity = 12).await;
    let host = Host::start();
    let ids = begin(&world, &host, 10).await;
    assert!(masters(&world).len() >= 2, "{:?}", masters(&world));
    end(&world, &host, ids).await;
}

#[tokio::test]
async fn a_server_that_takes_fewer_at_a_time_is_asked_for_fewer() {
    let (world, host) = (World::new().await, Host::with("MaxSessions 2"));
    let ids = begin(&world, &host, 4).await;
    end(&world, &host, ids).await;
}

/// The runners that wait on a server for the next run.
fn waiting(host: &Host) -> Vec<i32> {
    let bin = host.base().join("bin");
    processes(&[bin.to_str().unwrap(), "ahead"])
}

#[tokio::test]
async fn a_run_is_opened_by_a_runner_that_waits_for_it() {
    let (world, host) = (World::new().await, Host::start());
    let id = world.assign_to(&host.order(), bash("echo one"));
    world.agent.succeeds(id).await;
    until("one that waits", || waiting(&host).len() == 1).await;
    let before = waiting(&host);
    let ids = begin(&world, &host, 2).await;
    // It is the way to the first of them now; the second had to be opened.
    let runs = host.base().join("runs");
    assert_eq!(processes(&[runs.to_str().unwrap(), "open"]).len(), 1);
    assert_eq!(waiting(&host), before);
    end(&world, &host, ids).await;
    until("another one that waits", || {
        let after = waiting(&host);
        after.len() == 1 && after != before
    })
    .await;
    assert_eq!((masters(&world).len(), host.sshd.sign_ins()), (1, 1));
}

#[tokio::test]
async fn where_one_that_waits_was_ended_the_run_is_opened_by_another() {
    let (world, host) = (World::new().await, Host::start());
    for _ in 0..2 {
        let id = world.assign_to(&host.order(), bash("echo one"));
        world.agent.succeeds(id).await;
        until("one that waits", || waiting(&host).len() == 1).await;
        waiting(&host).into_iter().for_each(crate::host::end);
    }
    let ids = begin(&world, &host, 1).await;
    end(&world, &host, ids).await;
    assert_eq!(host.sshd.sign_ins(), 1);
}

#[tokio::test]
async fn whoever_waits_is_in_nobodys_way_where_a_server_takes_few_at_a_time() {
    for most in 1..=3 {
        let (world, host) = (World::new().await, Host::with(&format!("MaxSessions {most}")));
        let stays = begin(&world, &host, 1).await;
        for _ in 0..3 {
            let id = world.assign_to(&host.order(), bash("echo one"));
            world.agent.succeeds(id).await;
            // What is asked to end it finds room.
            until("the end of its directory", || host.runs().len() == 1).await;
        }
        end(&world, &host, stays).await;
    }
}

#[tokio::test]
async fn another_way_to_sign_in_is_another_connection() {
    let (world, host) = (World::new().await, Host::start());
    let id = world.assign_to(&host.order(), bash("echo one"));
    world.agent.succeeds(id).await;
    let locked = host.sshd.locked(Some(crate::sshd::PASSPHRASE));
    let id = world.assign_to(&host.as_told(locked), bash("echo two"));
    world.agent.succeeds(id).await;
    assert_eq!(host.sshd.sign_ins(), 2);
}

#[tokio::test]
async fn a_key_does_not_lie_about_once_it_has_signed_in() {
    let (world, host) = (World::new().await, Host::start());
    let ids = begin(&world, &host, 1).await;
    let mut places = fs::read_dir(world.connections()).unwrap().flatten();
    let place = places.next().unwrap().path();
    assert!(place.join("0/config").exists() && place.join("0/ctl").exists());
    assert!(!place.join("0/key").exists());
    end(&world, &host, ids).await;
}

#[tokio::test]
async fn a_payload_for_another_target_is_refused_there_too() {
    let (world, host) = (World::new().await, Host::start());
    let mut assignment = world.assignment(bash("echo never"));
    assignment.host = Some(host.order());
    world.change(&mut assignment, |manifest| {
        manifest.target = "docker:another".into();
    });
    let Claim { execution_id, .. } = assignment.claim;
    world.agent.assign(assignment);
    let outcome = world.agent.outcome(execution_id).await;
    assert_eq!(outcome.kind, OutcomeKind::NotStarted, "{outcome:?}");
    host.until_clean(&world).await;
}
