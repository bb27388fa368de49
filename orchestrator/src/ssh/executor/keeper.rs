//! Ends connections that nobody uses, and what an earlier life has left on servers. It must not know how a run ends.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::server::Left;
use super::{CLEAN_UP, Inner, names};

const TIDY_EVERY: Duration = Duration::from_secs(10);

pub async fn keep(inner: Arc<Inner>, mut found: mpsc::UnboundedReceiver<Left>) {
    let mut ticks = interval(TIDY_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweeping = JoinSet::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => tidy(&inner),
            left = found.recv() => match left {
                Some(left) => drop(sweeping.spawn(sweep(Arc::clone(&inner), left))),
                None => return,
            },
            Some(ended) = sweeping.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a sweep on a server failed");
                }
            }
        }
    }
}

/// A server is forgotten, and how to sign in there, when nothing of it is used any more.
fn tidy(inner: &Inner) {
    let used: HashSet<_> = inner.runs().values().map(|run| run.on.server_id).collect();
    inner
        .servers()
        .retain(|id, server| server.tidy() || used.contains(id));
}

/// Ends runs of an earlier life that there is no record of. One that is being prepared is known before it has a
/// directory, and so before the look.
async fn sweep(inner: Arc<Inner>, left: Left) {
    let mut known: HashSet<String> = {
        let runs = inner.runs();
        let here = runs.values().filter(|run| run.on.server_id == left.server);
        here.map(|run| run.on.dir.name().to_owned()).collect()
    };
    match inner.state.records().await {
        Ok(records) => {
            let named = records.iter().filter_map(|(name, _)| names::of(name));
            known.extend(
                named
                    .filter(|(server, _)| *server == left.server)
                    .map(|(_, run)| run),
            );
        }
        // What may be a run is not ended.
        Err(error) => {
            tracing::warn!(%error, "the records of runs can't be listed");
            return;
        }
    }
    let unknown = left.names.into_iter().filter(|name| !known.contains(name));
    for name in unknown {
        let Some(server) = inner.servers().get(&left.server).cloned() else {
            return;
        };
        let ended = async {
            let dir = server.ground(CLEAN_UP.connect).await?.left(&name);
            server.ask(&format!("kill --dir {dir}"), CLEAN_UP).await
        };
        match ended.await {
            Ok(_) => tracing::info!(server = %left.server, name, "removed a left-over on a server"),
            Err(error) => {
                let cause = error.cause();
                tracing::warn!(server = %left.server, name, %error, cause, "a left-over on a server stays");
            }
        }
    }
}
