//! Closes job networks off from everything that is not public: firewall rules on the engine's host, put there
//! by a container that lives for a moment. It must not know executions.

mod rules;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::ListNetworksOptionsBuilder;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::allow::AllowList;
use crate::problem::{ExecutorError, FenceProblem, Problem};

use super::oneshot::{self, OneShot};
use super::{image, ours, remove_container};
use rules::Names;

/// For so long the rules are taken to be where they were put; then they are put again.
const TRUSTED: Duration = Duration::from_secs(15);
/// The engine's name servers change seldom.
const RESOLVERS_TRUSTED: Duration = Duration::from_mins(1);
/// Outside of the path that the default image has.
const NFT: &str = "/usr/sbin/nft";

#[derive(Debug)]
pub struct Fence {
    docker: Docker,
    orchestrator: Uuid,
    /// The default image: the only one that is known to hold `nft`.
    image: String,
    allow: AllowList,
    names: Names,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    put: Option<Instant>,
    resolvers: Option<(Instant, Vec<Ipv4Addr>)>,
}

fn is_fresh(since: Instant, limit: Duration) -> bool {
    since.elapsed() < limit
}

impl Fence {
    pub fn new(docker: Docker, orchestrator: Uuid, image: String, allow: AllowList) -> Self {
        Self {
            docker,
            orchestrator,
            image,
            names: Names::of(&allow),
            allow,
            state: Mutex::default(),
        }
    }

    /// The interface name that a job network's bridge must have for the rules to hold it.
    pub fn bridge(&self, network: &str) -> String {
        self.names.bridge(network)
    }

    /// Sees to it that the rules are there. Jobs that come together share the work.
    pub async fn ensure(&self) -> Result<(), ExecutorError> {
        let mut state = self.state.lock().await;
        if state.put.is_some_and(|put| is_fresh(put, TRUSTED)) {
            return Ok(());
        }
        self.put(&mut state).await
    }

    /// Puts the rules again and again while there are job networks: somebody may have flushed them.
    pub async fn keep(self: Arc<Self>) {
        loop {
            sleep(TRUSTED).await;
            let kept = match self.has_networks().await {
                Ok(false) => continue,
                Ok(true) => self.put(&mut *self.state.lock().await).await,
                Err(error) => Err(error),
            };
            if let Err(error) = kept {
                tracing::error!(
                    %error, cause = error.cause(),
                    "the firewall rules of running job networks could not be put again"
                );
            }
        }
    }

    /// The container that puts the rules.
    fn container(&self) -> String {
        format!("cronium-fence-{}", self.orchestrator.as_simple())
    }

    /// Removes that container when an earlier life left it: in this one nobody uses it now.
    pub async fn tidy(&self, name: &str) -> Result<(), ExecutorError> {
        match self.state.try_lock() {
            Ok(_idle) if name == self.container() => remove_container(&self.docker, name).await,
            _ => Ok(()),
        }
    }

    async fn has_networks(&self) -> Result<bool, ExecutorError> {
        let ours = ours(self.orchestrator);
        let options = ListNetworksOptionsBuilder::default().filters(&ours).build();
        Ok(!self.docker.list_networks(Some(options)).await?.is_empty())
    }

    /// The table is replaced in one transaction: there is no moment without it.
    async fn put(&self, state: &mut State) -> Result<(), ExecutorError> {
        state.put = None;
        let begun = Instant::now();
        if let Err(error) = image::find(&self.docker, &self.image, true).await {
            let Problem::Image(name, why) = error.problem().clone() else {
                return Err(error);
            };
            return Err(error.seen_as(Problem::Fence(FenceProblem::Image(name, why))));
        }
        let resolvers = self.resolvers(&mut state.resolvers).await?;
        let script = rules::script(&self.names, &self.allow, &resolvers);
        let ended = self.run("host", &["NET_ADMIN"], &[NFT, &script]).await;
        let ended = ended.map_err(|error| self.not_run(error))?;
        if ended.code != 0 {
            let said = format!("nft ended with {}: {}", ended.code, ended.stderr);
            return Err(ExecutorError::new(
                Problem::Fence(FenceProblem::RulesRefused),
                said,
            ));
        }
        // From the beginning: what happened meanwhile is not known.
        state.put = Some(begun);
        tracing::debug!(
            table = self.names.table,
            ?resolvers,
            "the firewall rules of job networks are put"
        );
        Ok(())
    }

    /// A program that is not in the image, or anything else that kept the container from running.
    fn not_run(&self, error: ExecutorError) -> ExecutorError {
        if *error.problem() != Problem::Refused {
            return error;
        }
        let cause = error.cause().unwrap_or_default().to_lowercase();
        let problem = if cause.contains("no such file") || cause.contains("not found") {
            FenceProblem::NoNft(self.image.clone())
        } else {
            FenceProblem::DidNotRun
        };
        error.seen_as(Problem::Fence(problem))
    }

    /// The name servers that the engine asks for jobs. Only a container sees which they are: the host's own
    /// list may name a local cache that the engine goes around.
    async fn resolvers(
        &self,
        known: &mut Option<(Instant, Vec<Ipv4Addr>)>,
    ) -> Result<Vec<Ipv4Addr>, ExecutorError> {
        if let Some((since, resolvers)) = known
            && is_fresh(*since, RESOLVERS_TRUSTED)
        {
            return Ok(resolvers.clone());
        }
        let begun = Instant::now();
        let found = match self.run("bridge", &[], &["/bin/cat", "/etc/resolv.conf"]).await {
            Ok(ended) => rules::resolvers(&ended.stdout),
            Err(error) if *error.problem() == Problem::Unreachable => return Err(error),
            // No default bridge, no `cat`: jobs do without private name servers, but are closed off all the same.
            Err(error) => {
                tracing::warn!(
                    %error, cause = error.cause(),
                    "the engine's name servers are not known: jobs can't use private ones"
                );
                Vec::new()
            }
        };
        *known = Some((begun, found.clone()));
        Ok(found)
    }

    async fn run(
        &self,
        network: &str,
        capabilities: &[&str],
        command: &[&str],
    ) -> Result<oneshot::Ended, ExecutorError> {
        let shot = OneShot {
            name: self.container(),
            orchestrator: self.orchestrator,
            image: &self.image,
            network,
            capabilities,
            command,
        };
        shot.run(&self.docker).await
    }
}
