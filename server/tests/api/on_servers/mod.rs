//! Runs on servers: one execution on each, what they come to together, and how each of them is started and stopped.
//! Orchestrators here are played by asking the queue.

mod dispatch;
mod logs;
mod slots;
mod stopping;
mod turns;

use std::collections::BTreeMap;

use cronium_entity::enums::UserRole;
use cronium_protocol::agent::{Assignment, Claim, Outcome, OutcomeKind};
use cronium_server::kernel::ids::{self, OrchestratorId};
use cronium_server::orchestrators::Hello;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::jobs::{event, run};
use crate::queue::{claimed_with, outcome};
use crate::semantics::{exit, finish, grant};
use crate::servers::unasked;
use crate::support::TestApp;

// Made with ssh-keygen; the private half was thrown away.
const HOST_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL11DqwG7FG0nlO9oXL03IhJklu3ravYXLHWTkXKqGXT";
const PRINT: &str = "SHA256:EAtDti4NMnBVFxZuOP8sx5Z/9/QV//s+k/DdrQr/wZw";

const JOB: &str = "query ($id: ID!) { job(id: $id) { status statusReason output startedAt finishedAt
    cancellation { signalSent escalated processGone note }
    executions { id attempt status statusReason dueAt output server { id name server { name } }
        cancellation { signalSent escalated processGone note } } } }";

/// Somebody with servers that can be used, an orchestrator that reaches them, and what it has.
struct Fleet {
    test: TestApp,
    token: String,
    orchestrator: Uuid,
    /// Global ids, of `s0`, `s1` …
    servers: Vec<Value>,
}

/// As if somebody had looked at each server and confirmed its key.
async fn confirm(test: &TestApp) {
    sqlx::query("UPDATE servers SET host_key = $1, host_key_fingerprint = $2, status = 'ONLINE'")
        .bind(HOST_KEY)
        .bind(PRINT)
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
}

/// The numbers of their servers.
fn on(claims: &BTreeMap<usize, Claim>) -> Vec<usize> {
    claims.keys().copied().collect()
}

fn raw(id: &Value) -> Uuid {
    ids::parse(id.as_str().unwrap()).unwrap().1
}

impl Fleet {
    async fn start(servers: usize) -> Self {
        Self::on(TestApp::start().await, servers).await
    }

    async fn on(test: TestApp, count: usize) -> Self {
        let token = test.sign_in(UserRole::Editor).await;
        let mut servers = Vec::new();
        for n in 0..count {
            let server = unasked(&test, &token, &format!("s{n}"), json!({})).await;
            servers.push(server["id"].clone());
        }
        confirm(&test).await;
        let orchestrator = Uuid::new_v4();
        let hello = Hello {
            id: OrchestratorId(orchestrator),
            name: "host".into(),
            version: "0.1.0".into(),
            capacity: 9,
            labels: Vec::new(),
            started_at: None,
            ssh: true,
        };
        test.app.orchestrators.hello(&hello).await.ok().unwrap();
        Self {
            test,
            token,
            orchestrator,
            servers,
        }
    }

    /// An event that runs on all of them, so many at a time.
    async fn event(&self, max_parallel: Option<i32>, more: Value) -> String {
        let target = json!({ "servers": { "servers": self.servers, "maxParallel": max_parallel } });
        let mut input = json!({ "target": target });
        let all = input.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        event(&self.test, &self.token, input).await
    }

    /// A run of it that has to be accepted: its job.
    async fn run(&self, input: Value) -> Value {
        let payload = run(&self.test, &self.token, input).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload}");
        payload["job"]["id"].clone()
    }

    /// A run of a new event on all of the servers.
    async fn job(&self, max_parallel: Option<i32>) -> Value {
        let id = self.event(max_parallel, json!({})).await;
        self.run(json!({ "eventId": id })).await
    }

    async fn seen(&self, job: &Value) -> Value {
        let seen = self.test.graphql(&self.token, JOB, json!({ "id": job })).await;
        assert_eq!(seen["errors"], Value::Null, "{seen}");
        seen["data"]["job"].clone()
    }

    async fn status(&self, job: &Value) -> String {
        self.seen(job).await["status"].as_str().unwrap().to_owned()
    }

    /// Server, attempt and status of each execution.
    async fn executions(&self, job: &Value) -> Vec<String> {
        let seen = self.seen(job).await;
        let all = seen["executions"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        all.iter()
            .map(|one| {
                let (server, status) = (text(&one["server"]["name"]), text(&one["status"]));
                format!("{server} {} {status}", one["attempt"])
            })
            .collect()
    }

    async fn assignments(&self, most: u32) -> Vec<Assignment> {
        claimed_with(&self.test, self.orchestrator, &["@ssh".into()], most).await
    }

    /// Claims: by the number of their server.
    async fn claim(&self, most: u32) -> BTreeMap<usize, Claim> {
        let assignments = self.assignments(most).await;
        let on = |work: &Assignment| {
            let server = work.host.as_ref().expect("it runs on a server").server_id;
            let at = self.servers.iter().position(|id| raw(id) == server);
            (at.unwrap(), work.claim)
        };
        assignments.iter().map(on).collect()
    }

    async fn grant(&self, claim: Claim) {
        grant(&self.test, self.orchestrator, claim).await;
    }

    async fn finish(&self, claim: Claim, outcome: Outcome) {
        finish(&self.test, self.orchestrator, claim, outcome).await;
    }

    async fn not_started(&self, claim: Claim) {
        self.finish(claim, outcome(&self.test, OutcomeKind::NotStarted))
            .await;
    }

    /// Starts user code, and ends it with an exit code.
    async fn work(&self, claim: Claim, code: i32) {
        self.grant(claim).await;
        self.finish(claim, exit(&self.test, code)).await;
    }
}
