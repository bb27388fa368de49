//! What user code in a container can't do.

use cronium_protocol::agent::OutcomeKind;

use crate::world::{World, bash};

#[tokio::test]
async fn user_code_has_no_rights_and_no_network() {
    let world = World::new().await;
    let id = world.assign(bash(
        "id -u\n\
         grep -E '^(CapEff|CapPrm|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'\n\
         (touch /etc/mine || touch /cronium/mine || touch /mine) 2>/dev/null && echo wrote\n\
         tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '\n\
         test -e /var/run/docker.sock && echo socket\n\
         echo \"$HOME\" > /dev/null; touch mine && echo work is writable",
    ));
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    assert_eq!(
        world.agent.text(id),
        "65532\nCapPrm:0000000000000000\nCapEff:0000000000000000\nCapBnd:0000000000000000\n\
         NoNewPrivs:1\nSeccomp:2\nlo\nwork is writable"
    );
}

#[tokio::test]
async fn a_network_that_is_asked_for_is_its_own_and_goes_with_the_run() {
    let world = World::new().await;
    let mut script = bash("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort; echo up; sleep 600");
    script.container.network = true;
    let assignment = world.assignment(script);
    let claim = assignment.claim;
    world.agent.assign(assignment);
    world.agent.line(claim.execution_id, "up").await;
    assert_eq!(world.agent.text(claim.execution_id), "eth0\nlo\nup");
    let name = format!("cronium-{}-1", claim.execution_id);
    let network = world.docker.inspect_network(&name, None).await.unwrap();
    assert_eq!(network.containers.unwrap().len(), 1);
    world
        .agent
        .tell(cronium_protocol::agent::ServerToAgent::Cancel { claim });
    world.agent.outcome(claim.execution_id).await;
    world.until_clean().await;
}

#[tokio::test]
async fn a_fork_bomb_ends_only_its_own_job() {
    let world = World::new().await;
    let mut bomb = bash("bomb() { bomb | bomb & }; bomb; sleep 600");
    bomb.timeout_ms = 4_000;
    bomb.container.pids = 32;
    let bomb = world.assign(bomb);
    let neighbour = world.assign(bash("for i in 1 2 3 4 5; do sleep 0.5; echo $i; done"));
    world.agent.succeeds(neighbour).await;
    let outcome = world.agent.outcome(bomb).await;
    assert!(
        matches!(outcome.kind, OutcomeKind::TimedOut | OutcomeKind::Failed),
        "{outcome:?}"
    );
    world.until_clean().await;
}
