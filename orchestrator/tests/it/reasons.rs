//! What people read when the engine fails: what to do about it, and none of the engine's own words.

use std::sync::Arc;

use cronium_protocol::agent::{Outcome, OutcomeKind};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::{Script, World, bash};

async fn not_started(world: &World, script: Script) -> (Outcome, String) {
    let id = world.assign(script);
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::NotStarted, "{outcome:?}");
    assert_eq!(world.agent.text(id), "");
    (outcome, id.to_string())
}

#[tokio::test]
async fn an_image_that_is_not_there_is_named() {
    let world = World::new().await;
    let mut script = bash("true");
    script.container.image = Some("localhost:1/no/such:image".into());
    let (outcome, _) = not_started(&world, script).await;
    assert_eq!(
        outcome.reason.as_deref(),
        Some(
            "image not found: localhost:1/no/such:image: its registry could not be reached from the engine: try again \
             later, or pull it there by hand"
        )
    );
    world.until_clean().await;
}

#[tokio::test]
async fn a_name_that_no_image_can_have_is_called_so() {
    let world = World::new().await;
    let mut script = bash("true");
    script.container.image = Some("Not/An/Image".into());
    let (outcome, _) = not_started(&world, script).await;
    assert_eq!(
        outcome.reason.as_deref(),
        Some("image not found: Not/An/Image: this is not an image name")
    );
}

#[tokio::test]
async fn a_refusal_leads_to_the_log_and_tells_nothing_of_the_engine() {
    let world = World::new().await;
    let mut script = bash("true");
    // Less than Docker gives to anybody.
    script.container.memory_bytes = 1 << 20;
    let (outcome, id) = not_started(&world, script).await;
    assert_eq!(
        outcome.reason.unwrap(),
        format!("the container engine refused to run it; the orchestrator's log says why (execution {id})")
    );
    world.until_clean().await;
}

/// Stands between the orchestrator and the engine until it is told to go.
async fn between(socket: &std::path::Path, gone: CancellationToken) {
    let engine = std::env::var("DOCKER_HOST").unwrap_or_default();
    let engine = engine.strip_prefix("unix://").unwrap_or("/var/run/docker.sock");
    let engine: Arc<str> = engine.into();
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        let mut streams = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = gone.cancelled() => return,
            };
            let (mut near, engine) = (accepted.unwrap().0, engine.clone());
            streams.spawn(async move {
                let mut far = UnixStream::connect(engine.as_ref()).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
            });
        }
    });
}

#[tokio::test]
async fn an_engine_that_is_gone_is_called_so() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, gone) = (dir.path().join("engine.sock"), CancellationToken::new());
    between(&socket, gone.clone()).await;
    let address = format!("unix://{}", socket.display());
    let world = World::with(move |config| config.docker_host = Some(address.clone())).await;
    let id = world.assign(bash("echo ran"));
    world.agent.succeeds(id).await;
    gone.cancel();
    let (outcome, _) = not_started(&world, bash("echo ran")).await;
    assert_eq!(
        outcome.reason.as_deref(),
        Some(
            "the container engine can't be reached: check that it runs and that the orchestrator may use it"
        )
    );
}
