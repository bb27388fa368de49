//! The agent channel: one WebSocket for each orchestrator. Knows messages and connections; what they mean
//! is the queue's and the logs' business.

mod calls;
mod errands;
mod messages;
mod terminals;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::agent::{AgentToServer, Claim, MAX_LABELS, ServerToAgent, is_label};
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::jobs::model::labels;
use crate::jobs::queue::{LEASE, Moment, Queue, RENEW};
use crate::kernel::clock::from_micros;
use crate::kernel::ids::{ExecutionId, OrchestratorId};
use crate::kernel::{Error, Kernel, Result, Timestamp};
use crate::logs::Logs;
use crate::orchestrators::{Hello, Orchestrators};
use crate::runtime::Runtime;

use super::graphql::auth::bearer;
use calls::Calls;
use errands::Errands;
use messages::{gather, hello_of};
use terminals::Terminals;

/// Largest message: a log block or a payload.
const MAX_MESSAGE: usize = 16 << 20;
/// Moments within this time are noted together; those of what has ended meanwhile not at all.
const MOMENTS: Duration = Duration::from_millis(100);
/// A connection that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// What the endpoint works with.
#[derive(Clone, Debug)]
pub struct Agents {
    pub kernel: Kernel,
    pub orchestrators: Orchestrators,
    pub queue: Queue,
    pub logs: Logs,
    pub runtime: Runtime,
    pub errands: crate::servers::Errands,
    pub terminals: crate::terminals::Terminals,
    /// Shared secret of the channel.
    pub key: std::sync::Arc<str>,
}

/// `/agent`.
pub fn router(agents: Agents) -> Router {
    Router::new().route("/agent", get(upgrade)).with_state(agents)
}

async fn upgrade(State(agents): State<Agents>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(bearer);
    let right = given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(agents.key.as_bytes())));
    if !right {
        tracing::warn!("an orchestrator came with a wrong key");
        return StatusCode::UNAUTHORIZED.into_response();
    }
    upgrade
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE)
        .on_upgrade(move |socket| async move {
            if let Err(problem) = Box::pin(Connection::serve(agents, socket)).await {
                tracing::warn!(
                    problem = problem.private_text(),
                    "an orchestrator's connection ended"
                );
            }
        })
}

/// One connected orchestrator.
struct Connection {
    agents: Agents,
    orchestrator: Uuid,
    /// What it offers.
    labels: Vec<String>,
    /// The same for work on servers; none where it reaches none.
    labels_on_servers: Vec<String>,
    /// It takes no new work.
    draining: bool,
    /// The orchestrator carries runtime calls.
    carries_calls: bool,
    calls: Calls,
    errands: Errands,
    terminals: Terminals,
    sink: SplitSink<WebSocket, Message>,
    /// Claims of this connection and the last stored line of each.
    held: HashMap<Claim, u64>,
    /// Moments that are to be noted together, and when.
    moments: Vec<Moment>,
    note_at: Option<Instant>,
    /// Lines that were stored before another start may be lost.
    postgres_started: Timestamp,
    /// The last line of each claim that is stored and not yet on its way to the disk.
    unsettled: HashMap<Claim, u64>,
    settling: Option<Settling>,
}

/// Stored lines on their way to the disk. Nothing but their acknowledgement waits for it: a disk that pauses keeps no
/// other line from those who watch.
struct Settling {
    acknowledges: HashMap<Claim, u64>,
    done: AbortOnDropHandle<Result<Timestamp>>,
}

async fn settled(settling: &mut Option<Settling>) -> Result<Timestamp> {
    match settling {
        Some(settling) => (&mut settling.done).await.map_err(Error::internal)?,
        None => std::future::pending().await,
    }
}

impl Connection {
    async fn serve(agents: Agents, socket: WebSocket) -> Result<()> {
        let (mut sink, mut stream) = socket.split();
        let hello = tokio::time::timeout(SILENCE, stream.next()).await;
        let Ok(Some(Ok(Message::Binary(bytes)))) = hello else {
            return Ok(());
        };
        let AgentToServer::Hello {
            protocol,
            orchestrator_id,
            name,
            version,
            capacity,
            labels,
            started_at_us,
            runtime,
            ssh,
            terminals,
        } = hello_of(&bytes)?
        else {
            return Err(Error::BadRequest(
                "the first message of an orchestrator is Hello".into(),
            ));
        };
        if protocol != PROTOCOL_VERSION {
            let reason = format!("protocol {protocol} is not {PROTOCOL_VERSION}: upgrade the orchestrator");
            drop(
                sink.send(Message::Close(Some(CloseFrame {
                    code: 1002,
                    reason: reason.into(),
                })))
                .await,
            );
            return Ok(());
        }
        let hello = Hello {
            id: OrchestratorId(orchestrator_id),
            name,
            version,
            capacity,
            // What can't be asked for is not offered.
            labels: labels
                .into_iter()
                .filter(|label| is_label(label))
                .take(MAX_LABELS)
                .collect(),
            started_at: started_at_us.map(from_micros),
            ssh,
        };
        // Before the rows are read: what changes after that is heard.
        let signals = agents.kernel.signals.clone();
        let (mut cancels, mut wakes, mut drains) = (signals.cancels(), signals.agents(), signals.drains());
        let mut wanted = signals.errands();
        let draining = agents.orchestrators.hello(&hello).await?;
        tracing::info!(orchestrator = %orchestrator_id, name = hello.name, "an orchestrator connected");
        let welcome = ServerToAgent::Welcome {
            verify_key: agents.queue.verify_key(),
            lease_secs: LEASE.as_secs() as u32,
            renew_secs: RENEW.as_secs() as u32,
            runtime: true,
            takes_back: true,
        };
        let postgres_started = agents.logs.settle().await?;
        let calls = Calls::new(agents.runtime.clone(), orchestrator_id);
        let errands = ssh.then(|| agents.errands.clone());
        let terminals = terminals.then(|| agents.terminals.clone());
        let mut this = Self {
            agents,
            orchestrator: orchestrator_id,
            labels_on_servers: if ssh {
                labels::with_servers(hello.labels.clone(), true)
            } else {
                Vec::new()
            },
            labels: hello.labels,
            draining,
            carries_calls: runtime,
            calls,
            errands: Errands::new(errands, orchestrator_id),
            terminals: Terminals::new(terminals, orchestrator_id, ssh, signals.terminals()),
            sink,
            held: HashMap::new(),
            moments: Vec::new(),
            note_at: None,
            postgres_started,
            unsettled: HashMap::new(),
            settling: None,
        };
        this.send([welcome, ServerToAgent::Drain { draining }]).await?;
        this.cancel_wanted().await?;
        this.errands.look(draining);
        this.terminals.look(draining);
        let mut heard_at = Instant::now();
        loop {
            let note_at = this.note_at;
            tokio::select! {
                () = until(note_at) => this.note().await?,
                started = settled(&mut this.settling) => this.acknowledge(started?).await?,
                message = tokio::time::timeout_at(heard_at + SILENCE, stream.next()) => {
                    let Some(batch) = gather(message.ok().flatten(), &mut stream)? else { return Ok(()) };
                    heard_at = Instant::now();
                    this.handle_all(batch).await?;
                }
                answer = this.calls.next() => this.send([answer?]).await?,
                errands = this.errands.next() => this.send(errands?).await?,
                terminals = this.terminals.next() => this.send(terminals?).await?,
                _ = wanted.changed() => this.errands.look(this.draining),
                _ = cancels.recv() => this.cancel_wanted().await?,
                _ = drains.changed() => this.look_at_draining().await?,
                _ = wakes.changed() => this.send([ServerToAgent::Wake]).await?,
            }
        }
    }

    /// Sends messages with one flush.
    async fn send(&mut self, messages: impl IntoIterator<Item = ServerToAgent>) -> Result<()> {
        for message in messages {
            let bytes = rmp_serde::to_vec_named(&message).map_err(Error::internal)?;
            self.sink
                .feed(Message::Binary(bytes.into()))
                .await
                .map_err(Error::internal)?;
        }
        self.sink.flush().await.map_err(Error::internal)
    }

    async fn cancel_wanted(&mut self) -> Result<()> {
        let claims = self.agents.queue.cancels(self.orchestrator).await?;
        self.send(claims.into_iter().map(|claim| ServerToAgent::Cancel { claim }))
            .await
    }

    async fn look_at_draining(&mut self) -> Result<()> {
        let id = OrchestratorId(self.orchestrator);
        let draining = self.agents.orchestrators.is_draining(id).await?;
        self.drain(draining).await
    }

    /// Tells it when that has changed.
    async fn drain(&mut self, draining: bool) -> Result<()> {
        if self.draining == draining {
            return Ok(());
        }
        self.draining = draining;
        self.send([ServerToAgent::Drain { draining }]).await
    }

    /// Notes the moments that have gathered.
    async fn note(&mut self) -> Result<()> {
        self.note_at = None;
        let moments = std::mem::take(&mut self.moments);
        if moments.is_empty() {
            return Ok(());
        }
        self.agents.queue.note(self.orchestrator, &moments).await
    }

    /// Handles what arrived together: one statement for all starts, one for all ends.
    /// Messages about one execution keep their order, because a start comes before its lines and its lines
    /// come before its end; between executions there is none to keep.
    async fn handle_all(&mut self, messages: Vec<AgentToServer>) -> Result<()> {
        let (mut starts, mut lines, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages {
            match message {
                AgentToServer::StartRequest { claim } => starts.push(claim),
                AgentToServer::Phase { claim, phase, at_us } => {
                    self.moments.push(Moment { claim, phase, at_us });
                    self.note_at.get_or_insert_with(|| Instant::now() + MOMENTS);
                }
                AgentToServer::Log { claim, block } => lines.push((claim, block)),
                AgentToServer::Finish { claim, outcome } => ends.push((claim, outcome)),
                AgentToServer::Call { claim, id, request } => self.calls.begin(claim, id, request),
                AgentToServer::Reported { id, report } => self.errands.reported(id, report),
                AgentToServer::Terminal(about) => self.terminals.heard(about)?,
                other => self.handle(other).await?,
            }
        }
        if !starts.is_empty() {
            let granted = self.agents.queue.grant_starts(self.orchestrator, &starts).await?;
            let answer = |claim| ServerToAgent::StartGrant {
                claim,
                granted: granted.contains(&claim),
            };
            self.send(starts.into_iter().map(answer)).await?;
        }
        for (claim, block) in lines {
            if let Some(seq) = self.log(claim, &block).await? {
                self.unsettled.insert(claim, seq);
            }
        }
        self.begin_settling();
        if !ends.is_empty() {
            // After its end nobody could repeat a line that was lost.
            while self.settling.is_some() {
                let started = settled(&mut self.settling).await?;
                self.acknowledge(started).await?;
            }
            self.agents.queue.finish(self.orchestrator, &ends).await?;
            for (claim, _) in &ends {
                self.held.remove(claim);
            }
            // An outcome holds the moments of its execution.
            let ended: HashSet<Claim> = ends.iter().map(|(claim, _)| *claim).collect();
            self.moments.retain(|moment| !ended.contains(&moment.claim));
            let kept = |(claim, _)| ServerToAgent::FinishAck { claim };
            self.send(ends.into_iter().map(kept)).await?;
        }
        Ok(())
    }

    fn begin_settling(&mut self) {
        if self.settling.is_none() && !self.unsettled.is_empty() {
            let logs = self.agents.logs.clone();
            self.settling = Some(Settling {
                acknowledges: std::mem::take(&mut self.unsettled),
                done: AbortOnDropHandle::new(tokio::spawn(async move { logs.settle().await })),
            });
        }
    }

    /// What was on its way is on the disk of a Postgres that was started then.
    async fn acknowledge(&mut self, started: Timestamp) -> Result<()> {
        let Some(settling) = self.settling.take() else {
            return Ok(());
        };
        if started != self.postgres_started {
            // The orchestrator connects again, and its runners repeat what was not acknowledged.
            return Err(Error::Unavailable("Postgres was started anew".into()));
        }
        let kept = settling
            .acknowledges
            .into_iter()
            .map(|(claim, seq)| ServerToAgent::LogAck { claim, seq });
        self.send(kept).await?;
        self.begin_settling();
        Ok(())
    }

    async fn handle(&mut self, message: AgentToServer) -> Result<()> {
        match message {
            AgentToServer::Claim {
                free_slots,
                on_servers,
            } => {
                // It may have asked before it heard.
                let free = |slots| if self.draining { 0 } else { slots };
                let (queue, orchestrator) = (&self.agents.queue, self.orchestrator);
                let (mut groups, others) = tokio::try_join!(
                    queue.claim(orchestrator, &self.labels, free(free_slots)),
                    queue.claim_on_servers(orchestrator, &self.labels_on_servers, free(on_servers)),
                )?;
                groups.extend(others);
                let mut left = groups.len();
                if left == 0 {
                    let assignments = Vec::new();
                    let none = ServerToAgent::Claimed {
                        assignments,
                        more: false,
                    };
                    return self.send([none]).await;
                }
                for group in groups {
                    left -= 1;
                    let (assignments, receipts) =
                        self.agents.queue.assignments(group, self.carries_calls).await?;
                    self.held.extend(assignments.iter().map(|a| (a.claim, 0)));
                    let more = left > 0;
                    self.send([ServerToAgent::Claimed { assignments, more }]).await?;
                    if let Err(problem) = self.agents.queue.keep(receipts).await {
                        let problem = problem.private_text();
                        tracing::warn!(problem, "hashes of payloads were not kept");
                    }
                }
                Ok(())
            }
            AgentToServer::Renew { claims } => {
                let lost = self.agents.queue.renew(self.orchestrator, &claims).await?;
                for claim in &lost {
                    self.held.remove(claim);
                }
                for claim in claims.iter().filter(|claim| !lost.contains(claim)) {
                    self.hold(*claim).await?;
                }
                self.send([ServerToAgent::Renewed { lost }]).await?;
                // Stands behind the signal: another server may have taken the cancellation.
                self.cancel_wanted().await
            }
            AgentToServer::Adopt { claims } => {
                let replies = self.agents.queue.adopt(self.orchestrator, claims).await?;
                for adopted in replies.iter().filter_map(|reply| reply.go_on.as_ref()) {
                    self.held.insert(adopted.claim, adopted.last_seq);
                }
                self.send([ServerToAgent::Adopted { replies }]).await?;
                self.cancel_wanted().await
            }
            AgentToServer::Heartbeat { host, running } => {
                let id = OrchestratorId(self.orchestrator);
                // Stands behind the signal: another server may have been told.
                let draining = self.agents.orchestrators.heartbeat(id, &host, running).await?;
                self.drain(draining).await?;
                // The same for errands, and for those whose time is over.
                self.errands.look(self.draining);
                self.terminals.beat(self.draining);
                Ok(())
            }
            other => Err(Error::BadRequest(format!("out of place: {other:?}"))),
        }
    }

    /// Notes a claim that was made over an earlier connection, when its lease still holds.
    async fn hold(&mut self, claim: Claim) -> Result<()> {
        if !self.held.contains_key(&claim) {
            let last = self.agents.logs.last_seq(ExecutionId(claim.execution_id)).await?;
            self.held.insert(claim, last);
        }
        Ok(())
    }

    /// Lines of a claim that this connection does not know wait until its lease was renewed here: without
    /// an acknowledgement the runner keeps them and sends them again. Gives the sequence to acknowledge.
    async fn log(&mut self, claim: Claim, block: &[u8]) -> Result<Option<u64>> {
        if !self.held.contains_key(&claim) {
            if self
                .agents
                .queue
                .renew(self.orchestrator, &[claim])
                .await?
                .is_empty()
            {
                self.hold(claim).await?;
            } else {
                return Ok(None);
            }
        }
        let last = self.held.get(&claim).copied().unwrap_or_default();
        match self.agents.logs.ingest(claim, last, block).await {
            Ok(Some(seq)) => {
                self.held.insert(claim, seq);
                Ok(Some(seq))
            }
            Ok(None) => {
                self.held.remove(&claim);
                Ok(None)
            }
            Err(Error::BadRequest(problem)) => {
                // Without a receipt its runner is asked to repeat what came after the last one.
                tracing::warn!(execution = %claim.execution_id, problem, "a log block was refused");
                Ok(None)
            }
            Err(other) => Err(other),
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
