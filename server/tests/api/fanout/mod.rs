//! Two servers on one database and one real Valkey: what happens on A is seen on B at once, each line once and in
//! order, whatever becomes of Valkey in the middle. Without it a look each second would stand behind, so that many
//! waits together show which of the two it was.

mod logs;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cronium_entity::enums::UserRole;
use cronium_protocol::agent::{Claim, OutcomeKind};
use cronium_server::fanout::Fanout;
use cronium_server::kernel::ids::{ExecutionId, JobId};
use cronium_server::kernel::signals::JobSignal;
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::credentials::{REVOKE, api_token};
use crate::jobs::{event, run};
use crate::queue::{claimed, outcome};
use crate::support::served::{Served, Socket};
use crate::support::valkey::TestValkey;
use crate::support::{TestApp, database};

/// What one wait may take on average: well below the second of a look, and enough for a busy machine.
const PROMPT: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_secs(20);

struct Servers {
    a: Served,
    b: Served,
    stop: CancellationToken,
    _end: DropGuard,
}

async fn server(pool: &sqlx::PgPool, valkey: &TestValkey, stop: &CancellationToken) -> Served {
    let served = Served::on(TestApp::on(pool.clone()).await).await;
    let app = &served.test.app;
    let (kernel, logs) = (app.kernel.clone(), app.logs.clone());
    let fanout = Fanout::new(kernel, logs, &valkey.url(), "a key for tests");
    tokio::spawn(fanout.ok().unwrap().run(stop.clone()));
    served
}

async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

impl Servers {
    async fn start(valkey: &TestValkey) -> Self {
        let (pool, stop) = (database(12).await, CancellationToken::new());
        let servers = Self {
            a: server(&pool, valkey, &stop).await,
            b: server(&pool, valkey, &stop).await,
            stop: stop.clone(),
            _end: stop.drop_guard(),
        };
        servers.meet().await;
        servers
    }

    async fn another(&self, valkey: &TestValkey) -> Served {
        server(&self.a.test.app.kernel.pool, valkey, &self.stop).await
    }

    /// Waits until each hears the other.
    async fn meet(&self) {
        for (from, to) in [(&self.a, &self.b), (&self.b, &self.a)] {
            let (from, to) = (&from.test.app.kernel.signals, &to.test.app.kernel.signals);
            let mut heard = to.jobs();
            let job = JobId(Uuid::new_v4());
            let met = async {
                loop {
                    from.job_changed(job, false);
                    let one = tokio::time::timeout(Duration::from_millis(50), signal_of(&mut heard, job));
                    if one.await.is_ok() {
                        return;
                    }
                }
            };
            within("the servers hear each other", met).await;
        }
    }
}

/// Waits for a signal of this job; gives what came before.
async fn signal_of(heard: &mut Receiver<JobSignal>, wanted: JobId) -> Vec<JobSignal> {
    let mut before = Vec::new();
    loop {
        let signal = heard.recv().await.unwrap();
        before.push(signal);
        if matches!(signal, JobSignal::Changed { job, .. } if job == wanted) {
            return before;
        }
    }
}

async fn subscribed(server: &Served, token: &str, query: &str, variables: Value) -> Socket {
    let mut socket = server.acknowledged(token).await;
    let payload = json!({ "query": query, "variables": variables });
    let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
    socket.send(subscribe).await;
    socket
}

/// A subscription that has begun to watch jobs.
async fn watching(server: &Served, token: &str, query: &str) -> Socket {
    let socket = subscribed(server, token, query, json!({})).await;
    let watched = async {
        while !server.test.app.kernel.signals.has_watchers() {
            tokio::task::yield_now().await;
        }
    };
    within("jobs are watched", watched).await;
    socket
}

/// The data of the next message.
async fn next(socket: &mut Socket, field: &str) -> Value {
    let message = within(field, socket.next()).await;
    assert_eq!(message["type"], "next", "{message}");
    message["payload"]["data"][field].clone()
}

/// Waits, and how long they took.
#[derive(Default)]
struct Waits(u32, Duration);

impl Waits {
    async fn until<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let value = wait.await;
        self.0 += 1;
        self.1 += began.elapsed();
        value
    }

    fn prompt(&self) {
        let Self(count, all) = self;
        assert!(*all < PROMPT * *count, "{count} waits took {all:?}");
    }
}

async fn grant(server: &Served, orchestrator: Uuid, claim: Claim) {
    let granted = server.test.app.queue.grant_starts(orchestrator, &[claim]).await;
    assert_eq!(granted.ok().unwrap(), [claim]);
}

async fn finish(server: &Served, orchestrator: Uuid, claim: Claim) {
    let ends = [(claim, Box::new(outcome(&server.test, OutcomeKind::Succeeded)))];
    server
        .test
        .app
        .queue
        .finish(orchestrator, &ends)
        .await
        .ok()
        .unwrap();
}

#[tokio::test]
async fn a_job_on_one_server_is_watched_on_another() {
    let valkey = TestValkey::start().await;
    let servers = Servers::start(&valkey).await;
    let (a, b) = (&servers.a, &servers.b);
    let token = a.test.sign_in(UserRole::Editor).await;
    let event = event(&a.test, &token, json!({})).await;
    let orchestrator = Uuid::new_v4();
    let list = "subscription { jobsChanged { kind job { id status } } }";
    let mut list = watching(b, &token, list).await;
    let one = "subscription ($id: ID!) { jobUpdated(id: $id) { status } }";
    let mut waits = Waits::default();
    let mut told = BTreeMap::<String, Vec<(String, String)>>::new();
    let mut expected = Vec::new();
    for _ in 0..4 {
        let job = run(&a.test, &token, json!({ "eventId": event })).await["job"]["id"].clone();
        expected.push(job.as_str().unwrap().to_owned());
        // Nothing but a hint from A makes B look at its list: its look behind does not run in this test.
        let seen = async |list: &mut Socket, told: &mut BTreeMap<String, Vec<_>>, wanted: &str| {
            loop {
                let change = next(list, "jobsChanged").await;
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let status = text(&change["job"]["status"]);
                let entry = (text(&change["kind"]), status.clone());
                told.entry(text(&change["job"]["id"])).or_default().push(entry);
                if change["job"]["id"] == job && status == wanted {
                    return;
                }
            }
        };
        waits.until(seen(&mut list, &mut told, "QUEUED")).await;
        let mut single = subscribed(b, &token, one, json!({ "id": job })).await;
        assert_eq!(next(&mut single, "jobUpdated").await["status"], "QUEUED");
        let claim = claimed(&a.test, orchestrator, 1).await[0].claim;
        waits.until(seen(&mut list, &mut told, "DISPATCHING")).await;
        let dispatching = waits.until(next(&mut single, "jobUpdated")).await;
        assert_eq!(dispatching["status"], "DISPATCHING");
        grant(a, orchestrator, claim).await;
        let running = waits.until(next(&mut single, "jobUpdated")).await;
        assert_eq!(running["status"], "RUNNING");
        waits.until(seen(&mut list, &mut told, "RUNNING")).await;
        finish(a, orchestrator, claim).await;
        let ended = waits.until(next(&mut single, "jobUpdated")).await;
        assert_eq!(ended["status"], "SUCCEEDED");
        assert_eq!(within("the end", single.next()).await["type"], "complete");
        waits.until(seen(&mut list, &mut told, "SUCCEEDED")).await;
    }
    waits.prompt();
    let kinds = ["CREATED", "UPDATED", "UPDATED", "UPDATED"];
    let states = ["QUEUED", "DISPATCHING", "RUNNING", "SUCCEEDED"];
    let each: Vec<_> = kinds
        .map(String::from)
        .into_iter()
        .zip(states.map(String::from))
        .collect();
    let all = expected.into_iter().map(|job| (job, each.clone()));
    assert_eq!(told, all.collect(), "each change once, in order");
}

#[tokio::test]
async fn nobody_hears_himself_and_cancels_and_work_reach_the_server_of_the_agent() {
    let valkey = TestValkey::start().await;
    let servers = Servers::start(&valkey).await;
    let (a, b) = (&servers.a, &servers.b);
    let (one, other) = (&a.test.app.kernel.signals, &b.test.app.kernel.signals);
    let mut heard = one.jobs();
    let (mine, theirs) = (JobId(Uuid::new_v4()), JobId(Uuid::new_v4()));
    let mut there = other.jobs();
    one.job_changed(mine, true);
    within("A's signal on B", signal_of(&mut there, mine)).await;
    other.job_changed(theirs, false);
    let all = within("B's signal on A", signal_of(&mut heard, theirs)).await;
    let of =
        |job| move |signal: &&JobSignal| matches!(signal, JobSignal::Changed { job: it, .. } if *it == job);
    assert_eq!(all.iter().filter(of(mine)).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(of(theirs)).count(), 1, "{all:?}");

    let token = a.test.sign_in(UserRole::Editor).await;
    let event = event(&a.test, &token, json!({})).await;
    let mut woken = one.agents();
    let job = run(&b.test, &token, json!({ "eventId": event })).await["job"].clone();
    // Whether anybody waited at that moment or not.
    within("work of B wakes agents of A", woken.changed())
        .await
        .unwrap();
    claimed(&a.test, Uuid::new_v4(), 1).await;
    let mut cancels = one.cancels();
    let cancel = "mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { code } } }";
    b.test.graphql(&token, cancel, json!({ "id": job["id"] })).await;
    let execution: Uuid = sqlx::query_scalar("SELECT id FROM executions")
        .fetch_one(&a.test.app.kernel.pool)
        .await
        .unwrap();
    let told = async { while cancels.recv().await.unwrap() != ExecutionId(execution) {} };
    within("B's cancellation on A", told).await;
}

#[tokio::test]
async fn what_was_said_while_valkey_was_away_is_looked_for_when_it_is_back() {
    let mut valkey = TestValkey::start().await;
    let servers = Servers::start(&valkey).await;
    let (a, b) = (&servers.a, &servers.b);
    let token = a.test.sign_in(UserRole::Editor).await;
    let event = event(&a.test, &token, json!({})).await;
    let list = "subscription { jobsChanged { job { id status } } }";
    let mut list = watching(b, &token, list).await;
    let first = run(&a.test, &token, json!({ "eventId": event })).await["job"]["id"].clone();
    assert_eq!(next(&mut list, "jobsChanged").await["job"]["id"], first);
    valkey.kill();
    let missed = run(&a.test, &token, json!({ "eventId": event })).await["job"]["id"].clone();
    valkey.restart().await;
    // No look behind runs in this test: B hears of it because it knows that it missed something.
    assert_eq!(next(&mut list, "jobsChanged").await["job"]["id"], missed);
}

#[tokio::test]
async fn what_is_revoked_on_one_server_closes_sockets_on_another() {
    let valkey = TestValkey::start().await;
    let servers = Servers::start(&valkey).await;
    let (a, b) = (&servers.a, &servers.b);
    let admin = a.test.sign_in(UserRole::Admin).await;
    let mut other = b.acknowledged(&admin).await;
    let change = "mutation ($i: UpdateUserInput!) { updateUser(input: $i) { userErrors { code } } }";
    let mut waits = Waits::default();
    for round in 0..4 {
        let me = a.test.person(UserRole::Editor).await;
        let (token_id, secret) = api_token(&a.test, &me.token, json!({})).await;
        let given = if round == 0 { &secret } else { &me.token };
        let mut socket = b.acknowledged(given).await;
        let (by, query, variables) = match round {
            0 => (&me.token, REVOKE, json!({ "id": token_id })),
            1 => (&me.token, "mutation { signOut { signedOut } }", json!({})),
            2 => (
                &admin,
                change,
                json!({ "i": { "id": me.id, "status": "DISABLED" } }),
            ),
            _ => (&admin, change, json!({ "i": { "id": me.id, "role": "VIEWER" } })),
        };
        let done = a.test.graphql(by, query, variables).await;
        assert!(
            done.get("errors").is_none_or(|errors| errors == &json!([])),
            "{done}"
        );
        let code = waits
            .until(within("the socket closes", socket.close_code()))
            .await;
        assert_eq!(code, 4403);
    }
    // A look each four seconds would do it too.
    waits.prompt();
    other.send(json!({ "type": "ping" })).await;
    assert_eq!(within("pong", other.next()).await["type"], "pong");
}

#[tokio::test]
async fn whoever_reaches_valkey_reads_no_lines_and_says_nothing_to_servers() {
    let valkey = TestValkey::start().await;
    let servers = Servers::start(&valkey).await;
    let client = redis::Client::open(valkey.url()).unwrap();
    let mut spy = client.get_async_pubsub().await.unwrap();
    spy.psubscribe("*").await.unwrap();
    let mut log = logs::Followed::begin(&servers).await;
    log.say(&servers.a, "correct horse battery staple").await;
    let mut heard = servers.b.test.app.kernel.signals.jobs();
    let job = JobId(Uuid::new_v4());
    servers.a.test.app.kernel.signals.job_changed(job, false);
    within("the signal", signal_of(&mut heard, job)).await;
    let mut seen = Vec::new();
    let mut overheard = spy.on_message();
    while let Ok(Some(message)) = tokio::time::timeout(
        Duration::from_millis(300),
        futures::StreamExt::next(&mut overheard),
    )
    .await
    {
        let channel = message.get_channel_name().to_owned();
        seen.push((channel, message.get_payload_bytes().to_vec()));
    }
    let lines = seen.iter().filter(|(channel, _)| channel.contains(":server:"));
    assert!(lines.count() >= 1, "lines came by: {seen:?}");
    for (_, message) in &seen {
        for secret in [&b"battery"[..], job.0.as_bytes()] {
            assert!(!message.windows(secret.len()).any(|part| part == secret));
        }
    }
    // What came before, once more; something like it; and nonsense.
    for (channel, message) in seen {
        let mut bent = message.clone();
        bent[17] = 255;
        for message in [
            message.clone(),
            bent,
            message[..message.len() / 2].to_vec(),
            b"nonsense".to_vec(),
        ] {
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let mut publish = redis::cmd("PUBLISH");
            publish.arg(&channel).arg(message);
            publish.query_async::<()>(&mut connection).await.unwrap();
        }
    }
    let last = JobId(Uuid::new_v4());
    servers.a.test.app.kernel.signals.job_changed(last, false);
    let all = within("the last signal", signal_of(&mut heard, last)).await;
    assert!(
        !all.contains(&JobSignal::Changed { job, created: false }),
        "{all:?}"
    );
    log.end(&servers.a).await;
}
