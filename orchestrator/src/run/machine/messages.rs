//! The messages that a machine sends, made of what it knows. No decisions here.

use cronium_protocol::agent::{AgentToServer, Outcome, OutcomeKind, Phase};
use cronium_protocol::frame::ToRunner;
use cronium_protocol::runtime::{Reply, encode};
use uuid::Uuid;

use super::{Action, Machine};
use crate::clock::Now;

pub(super) fn resume(after_seq: u64) -> Action {
    Action::Runner(ToRunner::Resume {
        after_seq,
        calls: true,
    })
}

/// What a runtime call is told where the server is older than runtime calls.
pub fn unanswered(id: Uuid) -> ToRunner {
    let body =
        br#"{"error":{"code":"UNAVAILABLE","message":"this server answers no runtime calls","field":null}}"#;
    let reply = encode(&Reply {
        status: 503,
        body: body.to_vec(),
        secrets: Vec::new(),
    });
    ToRunner::Reply {
        id,
        reply: reply.unwrap_or_default(),
    }
}

impl Machine {
    pub(super) fn outcome(&self, kind: OutcomeKind, reason: Option<String>, now: Now) -> Outcome {
        Outcome {
            kind,
            reason,
            exit: None,
            usage: None,
            image_digest: self.facts.image_digest.clone(),
            cancel: self.cancel.clone(),
            setup_at_us: self.facts.setup_at_us,
            started_at_us: self.facts.started_at_us,
            ended_at_us: None,
            finished_at_us: now.us,
            last_seq: self.sent_seq,
            unstarted: false,
        }
    }

    pub(super) fn finish(&self) -> Option<Action> {
        self.ending.as_ref().map(|ending| {
            Action::Server(AgentToServer::Finish {
                claim: self.facts.claim,
                outcome: Box::new(ending.outcome.clone()),
            })
        })
    }

    pub(super) fn start_request(&self) -> Action {
        let claim = self.facts.claim;
        Action::Server(AgentToServer::StartRequest { claim })
    }

    pub(super) fn call(&self, id: Uuid, request: Vec<u8>) -> Action {
        let claim = self.facts.claim;
        Action::Server(AgentToServer::Call { claim, id, request })
    }

    pub(super) fn phase(&self, phase: Phase, at_us: i64) -> Action {
        let claim = self.facts.claim;
        Action::Server(AgentToServer::Phase { claim, phase, at_us })
    }
}
