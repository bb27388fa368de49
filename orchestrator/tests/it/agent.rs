//! An agent server as the orchestrator sees it: hands out what the test queues, keeps what it is told.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use cronium_protocol::agent::{
    AdoptReply, Adopted, AgentToServer, Assignment, Claim, HostOrder, Outcome, OutcomeKind, Phase,
    ServerToAgent,
};
use cronium_protocol::host::Report;
use cronium_protocol::log::LogBlock;
use cronium_protocol::runtime::{Request, decode, encode};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::screen::Screens;

pub const KEY: &str = "a key for tests";

#[derive(Debug, Default)]
pub struct Kept {
    pub queue: VecDeque<Assignment>,
    pub verify_key: [u8; 32],
    pub deny: bool,
    pub mute_grants: bool,
    pub mute_claims: bool,
    /// So often it has asked for work.
    pub claims: usize,
    pub adopt_none: bool,
    pub lose: Vec<Claim>,
    /// Where executions are, when that is a server.
    pub hosts: HashMap<Uuid, HostOrder>,
    pub phases: Vec<(Claim, Phase)>,
    pub lines: HashMap<Uuid, BTreeMap<u64, String>>,
    pub outcomes: HashMap<Uuid, (Claim, Outcome)>,
    pub start_requests: usize,
    pub adopts: usize,
    pub mute_calls: bool,
    pub no_runtime: bool,
    /// With the number that the runner gave each.
    pub calls: Vec<(Uuid, u64)>,
    pub connections: usize,
    /// What it said that it has.
    pub labels: Vec<String>,
    /// Whether it said that it takes errands.
    pub ssh: bool,
    /// What came of errands.
    pub reports: HashMap<Uuid, Report>,
    /// What was said about terminals.
    pub screens: Screens,
    pub refused_keys: usize,
    peer: Option<mpsc::UnboundedSender<Option<ServerToAgent>>>,
}

#[derive(Clone)]
pub struct Agent {
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Agent {
    pub async fn start(verify_key: [u8; 32]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let agent = Self {
            address: listener.local_addr().unwrap(),
            kept: Arc::new(Mutex::new(Kept {
                verify_key,
                ..Kept::default()
            })),
            changed: Arc::new(watch::Sender::new(0)),
        };
        let router = Router::new()
            .route("/agent", get(upgrade))
            .with_state(agent.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        agent
    }

    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    pub fn tell(&self, message: ServerToAgent) {
        if let Some(peer) = &self.kept().peer {
            let _ = peer.send(Some(message));
        }
    }

    /// Cuts the present connection.
    pub fn cut(&self) {
        if let Some(peer) = self.kept().peer.take() {
            let _ = peer.send(None);
        }
    }

    pub fn assign(&self, assignment: Assignment) {
        let mut kept = self.kept();
        if let Some(host) = &assignment.host {
            kept.hosts.insert(assignment.claim.execution_id, host.clone());
        }
        kept.queue.push_back(assignment);
        drop(kept);
        self.tell(ServerToAgent::Wake);
    }

    /// Waits until `look` sees what it wants.
    pub async fn until<T>(&self, what: &str, limit: u64, look: impl Fn(&Kept) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(found) = look(&self.kept()) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        let Ok(found) = tokio::time::timeout(Duration::from_secs(limit), found).await else {
            panic!("{what} did not happen in {limit} s: {:?}", self.kept());
        };
        found
    }

    pub async fn outcome(&self, execution: Uuid) -> Outcome {
        self.until("the outcome", 60, |k| {
            k.outcomes.get(&execution).map(|o| o.1.clone())
        })
        .await
    }

    /// Waits for the end, which must be a success.
    pub async fn succeeds(&self, execution: Uuid) {
        let outcome = self.outcome(execution).await;
        assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    }

    pub async fn line(&self, execution: Uuid, text: &str) {
        self.until(&format!("the line {text:?}"), 30, |k| {
            k.lines.get(&execution)?.values().any(|l| l == text).then_some(())
        })
        .await;
    }

    pub fn text(&self, execution: Uuid) -> String {
        let kept = self.kept();
        let lines = kept.lines.get(&execution);
        lines.map_or(String::new(), |l| {
            l.values().cloned().collect::<Vec<_>>().join("\n")
        })
    }

    fn answer(&self, message: AgentToServer) -> Vec<ServerToAgent> {
        let mut kept = self.kept();
        match message {
            AgentToServer::Hello {
                labels,
                ssh,
                terminals,
                ..
            } => {
                kept.labels = labels;
                kept.ssh = ssh;
                kept.screens.offered = terminals;
                vec![ServerToAgent::Welcome {
                    verify_key: kept.verify_key,
                    lease_secs: 15,
                    renew_secs: 1,
                    runtime: !kept.no_runtime,
                    takes_back: !kept.no_runtime,
                }]
            }
            AgentToServer::Claim { .. } if kept.mute_claims => {
                kept.claims += 1;
                Vec::new()
            }
            AgentToServer::Claim { free_slots, .. } => {
                kept.claims += 1;
                let n = kept.queue.len().min(free_slots as usize);
                let assignments = kept.queue.drain(..n).collect();
                vec![ServerToAgent::Claimed {
                    assignments,
                    more: false,
                }]
            }
            AgentToServer::Renew { .. } => {
                let lost = std::mem::take(&mut kept.lose);
                vec![ServerToAgent::Renewed { lost }]
            }
            AgentToServer::StartRequest { claim } => {
                kept.start_requests += 1;
                if kept.mute_grants {
                    return Vec::new();
                }
                let granted = !kept.deny;
                vec![ServerToAgent::StartGrant { claim, granted }]
            }
            AgentToServer::Phase { claim, phase, .. } => {
                kept.phases.push((claim, phase));
                Vec::new()
            }
            AgentToServer::Log { claim, block } => {
                let block = LogBlock::decode(&block).unwrap();
                let lines = kept.lines.entry(claim.execution_id).or_default();
                let next = lines.last_key_value().map_or(1, |(seq, _)| seq + 1);
                assert!(block.first_seq() <= next, "lines were skipped");
                for line in block.lines {
                    lines.insert(line.seq, line.text);
                }
                let seq = *lines.last_key_value().unwrap().0;
                vec![ServerToAgent::LogAck { claim, seq }]
            }
            AgentToServer::Finish { claim, outcome } => {
                kept.outcomes.insert(claim.execution_id, (claim, *outcome));
                vec![ServerToAgent::FinishAck { claim }]
            }
            AgentToServer::Adopt { claims } => {
                kept.adopts += 1;
                let replies = claims.iter().map(|claim| kept.adopt(*claim)).collect();
                vec![ServerToAgent::Adopted { replies }]
            }
            AgentToServer::Heartbeat { .. } => Vec::new(),
            AgentToServer::Reported { id, report } => {
                kept.reports.insert(id, report);
                Vec::new()
            }
            AgentToServer::Terminal(about) => kept.screens.hear(about),
            AgentToServer::Call { claim, id, request } => {
                let request: Request = decode(&request).unwrap();
                kept.calls.push((id, request.number));
                if kept.mute_calls {
                    return Vec::new();
                }
                let reply = encode(&crate::calls::answer(&request)).unwrap();
                vec![ServerToAgent::Reply { claim, id, reply }]
            }
        }
    }
}

impl Kept {
    fn adopt(&self, claim: Claim) -> AdoptReply {
        let lines = self.lines.get(&claim.execution_id);
        let started =
            |(c, phase): &(Claim, Phase)| c.execution_id == claim.execution_id && *phase == Phase::Started;
        let go_on = Adopted {
            claim: Claim {
                epoch: claim.epoch + 1,
                ..claim
            },
            last_seq: lines.and_then(|l| l.last_key_value()).map_or(0, |(seq, _)| *seq),
            started: self.phases.iter().any(started),
            host: self.hosts.get(&claim.execution_id).cloned(),
        };
        AdoptReply {
            claim,
            go_on: (!self.adopt_none).then_some(go_on),
        }
    }
}

async fn upgrade(State(agent): State<Agent>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if headers.get("authorization").and_then(|v| v.to_str().ok()) != Some(&format!("Bearer {KEY}")) {
        agent.kept().refused_keys += 1;
        agent.changed.send_modify(|n| *n += 1);
        return Response::builder().status(401).body("".into()).unwrap();
    }
    upgrade
        .max_message_size(16 << 20)
        .on_upgrade(move |socket| serve(agent, socket))
}

async fn serve(agent: Agent, mut socket: WebSocket) {
    let (peer, mut told) = mpsc::unbounded_channel();
    {
        let mut kept = agent.kept();
        kept.peer = Some(peer);
        kept.connections += 1;
    }
    loop {
        let answers = tokio::select! {
            message = socket.recv() => match message {
                Some(Ok(Message::Binary(bytes))) => agent.answer(rmp_serde::from_slice(&bytes).unwrap()),
                Some(Ok(_)) => Vec::new(),
                _ => return,
            },
            told = told.recv() => match told {
                Some(Some(message)) => vec![message],
                _ => return,
            },
        };
        agent.changed.send_modify(|n| *n += 1);
        for answer in answers {
            let bytes = rmp_serde::to_vec_named(&answer).unwrap();
            if socket.send(Message::Binary(bytes.into())).await.is_err() {
                return;
            }
        }
    }
}
