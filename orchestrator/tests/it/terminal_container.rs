//! Terminals in the containers of running executions.

use cronium_orchestrator::clock;
use cronium_protocol::agent::{Claim, ServerToAgent};
use cronium_protocol::terminal::{End, Place, Size, ToTerminal};
use uuid::Uuid;

use crate::machine::docker;
use crate::reach::until;
use crate::world::{World, bash};

/// A run that goes on, and the name of its container.
async fn running(world: &World) -> (Claim, String) {
    let assignment = world.assignment(bash("echo begun; sleep 600"));
    let claim = assignment.claim;
    world.agent.assign(assignment);
    world.agent.line(claim.execution_id, "begun").await;
    (claim, format!("cronium-{}-{}", claim.execution_id, claim.epoch))
}

async fn opened() -> (World, Claim, String, Uuid) {
    let world = World::new().await;
    let (claim, container) = running(&world).await;
    let id = world.open_terminal(Place::Container(claim)).await;
    (world, claim, container, id)
}

/// How many processes of a container have this in their command.
fn processes(container: &str, word: &str) -> usize {
    docker(&["top", container])
        .lines()
        .filter(|line| line.contains(word))
        .count()
}

/// Leaves behind what does not end with a terminal by itself.
const LEAVE: &str = "setsid sleep 4201 & nohup sleep 4202 & (trap '' HUP TERM; exec sleep 4203) & env -i sleep 4204 & \
                     sleep 4205\n";

async fn until_left(world: &World, container: &str, id: Uuid) {
    world.type_into(id, 1, LEAVE);
    until("all of them", || processes(container, "sleep 420") == 5).await;
}

#[tokio::test]
async fn a_shell_in_a_container_is_where_the_run_is_and_may_do_no_more() {
    let world = World::new().await;
    let (claim, container) = running(&world).await;
    until("the run's program", || processes(&container, "sleep 600") == 1).await;
    let before = processes(&container, "");
    let id = world.open_terminal(Place::Container(claim)).await;
    world.type_into(
        id,
        1,
        "stty size; echo kind $TERM; id -u; pwd; echo ~; grep NoNewPrivs /proc/self/status\n",
    );
    world.until_shown(id, "NoNewPrivs:\t1").await;
    let shown = world.screen(id, |screen| screen.shown.clone());
    for meant in [
        "30 100\r\n",
        "kind xterm-256color\r\n",
        "\r\n65532\r\n",
        "\r\n/work\r\n/work\r\n",
    ] {
        assert!(shown.contains(meant), "{meant:?} is not in {shown}");
    }
    assert!(
        !shown.contains("cronium-"),
        "what is said to open it is not shown: {shown}"
    );
    world.tell_terminal(
        id,
        ToTerminal::Resize(Size {
            columns: 60,
            rows: 20,
        }),
    );
    world.type_into(
        id,
        2,
        "until stty size | grep -x '2[0] 60'; do sleep 0.05; done\n",
    );
    world.until_shown(id, "20 60").await;
    world.type_into(id, 3, "exit 7\n");
    assert_eq!(world.until_ended(id).await, End::Exited { code: Some(7) });
    assert_eq!(
        processes(&container, ""),
        before,
        "nothing of it is left, and the run goes on"
    );
    world.agent.tell(ServerToAgent::Cancel { claim });
    world.agent.outcome(claim.execution_id).await;
}

#[tokio::test]
async fn what_looks_like_the_engines_own_words_is_only_shown() {
    let (world, _, _, id) = opened().await;
    world.type_into(
        id,
        1,
        "printf '\\001\\000\\000\\000\\377\\377\\377\\377'; sleep 0.2; echo on $((1+1))\n",
    );
    world.until_shown(id, "on 2").await;
}

#[tokio::test]
async fn one_that_is_closed_leaves_nothing_in_the_container() {
    let (world, claim, container, id) = opened().await;
    until_left(&world, &container, id).await;
    world.tell_terminal(id, ToTerminal::Close);
    assert_eq!(world.until_ended(id).await, End::Closed);
    assert_eq!(processes(&container, "sleep 420"), 0);
    assert_eq!(processes(&container, "sleep 600"), 1, "the run goes on");
    // And there may be another.
    let id = world.open_terminal(Place::Container(claim)).await;
    world.type_into(id, 1, "sleep 4209 & exit\n");
    assert_eq!(world.until_ended(id).await, End::Exited { code: Some(0) });
    assert_eq!(processes(&container, "sleep 420"), 0);
}

#[tokio::test]
async fn one_whose_orchestrator_crashes_leaves_nothing_in_the_container() {
    let (mut world, _, container, id) = opened().await;
    until_left(&world, &container, id).await;
    world.crash().await;
    until("the end of all of them", || {
        processes(&container, "sleep 420") == 0
    })
    .await;
    assert_eq!(processes(&container, "sleep 600"), 1, "the run goes on");
}

#[tokio::test]
async fn it_ends_with_the_run() {
    let (world, claim, _, id) = opened().await;
    world.agent.tell(ServerToAgent::Cancel { claim });
    match world.until_ended(id).await {
        End::NoContainer { told } => assert!(told.contains("has ended"), "{told}"),
        other => panic!("{other:?}"),
    }
    world.agent.outcome(claim.execution_id).await;
    world.until_clean().await;
}

#[tokio::test]
async fn a_run_in_a_container_that_was_made_ahead_has_its_own_name_and_the_same_terminal() {
    let world = World::with(|config| config.ahead = Some(1)).await;
    world.agent.succeeds(world.assign(bash("true"))).await;
    until("one that waits", || world.ahead().waiting().len() == 1).await;
    let ahead = world.ahead().waiting()[0].name().to_owned();
    let (claim, _) = running(&world).await;
    let id = world.open_terminal(Place::Container(claim)).await;
    let secs = "sleep 4207";
    world.type_into(id, 1, &format!("{secs}\n"));
    until("it in that one", || processes(&ahead, secs) == 1).await;
}

#[tokio::test]
async fn there_is_none_where_nothing_runs() {
    let world = World::new().await;
    let (claim, _) = running(&world).await;
    let unknown = Claim {
        execution_id: clock::new_id(),
        epoch: 1,
    };
    let older = Claim { epoch: 0, ..claim };
    for claim in [unknown, older] {
        let id = world.ask_for_terminal(Place::Container(claim));
        match world.until_ended(id).await {
            End::NoContainer { told } => assert!(told.contains("not there any more"), "{told}"),
            other => panic!("{other:?}"),
        }
    }
}
