//! The servers of case 8, each in a process of its own, so that what they cost can be told from what their
//! subscribers cost. Told on standard input what to publish: `begin` makes a new log and prints its door, `say 20`
//! publishes so many lines at once.

use std::net::SocketAddr;
use std::process::Stdio;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use cronium_orchestrator::clock;
use cronium_protocol::agent::Claim;
use cronium_protocol::log::{Line, LogBlock, Stream};
use cronium_server::kernel::ids::ExecutionId;
use cronium_server::transport::prompt;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::subscribers::Door;
use crate::world::World;
use crate::{Outcome, Setting, told};

/// Which server this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Floor,
    Ours,
}

impl Kind {
    /// The argument that makes this program such a server.
    pub fn argument(self) -> &'static str {
        match self {
            Self::Floor => "fan-out-floor",
            Self::Ours => "fan-out-ours",
        }
    }

    pub fn told() -> Option<Self> {
        let kinds = [Self::Floor, Self::Ours];
        std::env::args().find_map(|arg| kinds.into_iter().find(|kind| kind.argument() == arg))
    }
}

/// Such a process, as the case has it.
pub struct Server {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Server {
    pub fn start(kind: Kind) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(kind.argument())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let commands = child.stdin.take().ok_or("no input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        Ok(Self {
            child,
            commands,
            answers,
        })
    }

    pub fn pid(&self) -> Outcome<u32> {
        Ok(self.child.id().ok_or("the server has ended")?)
    }

    pub async fn begin(&mut self) -> Outcome<Door> {
        self.commands.write_all(b"begin\n").await?;
        let answer = self.answers.next_line().await?.ok_or("the server has ended")?;
        Ok(serde_json::from_str(&answer)?)
    }

    pub async fn say(&mut self, count: u64) -> Outcome<()> {
        Ok(self
            .commands
            .write_all(format!("say {count}\n").as_bytes())
            .await?)
    }

    pub async fn stop(mut self) -> Outcome<()> {
        drop(self.commands);
        self.child.wait().await?;
        Ok(())
    }
}

/// Lines as case 7's script says them.
pub fn text(seq: u64) -> String {
    let hash = (seq * 2_654_435_761) & 0xffff_ffff;
    format!("line {seq:07}: request {hash:08x} took {} ms", seq * 7919 % 1000)
}

fn lines(after: u64, count: u64) -> Vec<Line> {
    let now = clock::now().us;
    let line = |seq| Line {
        seq,
        at_us: now,
        stream: Stream::Stdout,
        text: text(seq),
    };
    (after + 1..=after + count).map(line).collect()
}

/// One that publishes.
trait Publisher {
    async fn begin(&mut self) -> Outcome<Door>;
    async fn say(&mut self, after: u64, count: u64) -> Outcome<()>;
}

/// Runs until standard input ends.
pub async fn serve(setting: &Setting, kind: Kind) -> Outcome<()> {
    match kind {
        Kind::Floor => obey(Floor::start().await?).await,
        Kind::Ours => obey(Ours::start(setting).await?).await,
    }
}

async fn obey(mut publisher: impl Publisher) -> Outcome<()> {
    let mut commands = BufReader::new(tokio::io::stdin()).lines();
    let mut last = 0;
    while let Some(command) = commands.next_line().await? {
        match command.split_once(' ') {
            Some(("say", count)) => {
                let count: u64 = count.parse()?;
                publisher.say(last, count).await?;
                last += count;
            }
            _ => {
                println!("{}", serde_json::to_string(&publisher.begin().await?)?);
                last = 0;
            }
        }
    }
    Ok(())
}

/// Nothing but axum's WebSocket and one channel: the text is made once and everybody gets the same bytes.
struct Floor {
    address: SocketAddr,
    sender: broadcast::Sender<Utf8Bytes>,
}

/// Blocks that a slow one may be behind.
const BEHIND: usize = 1024;

impl Floor {
    async fn start() -> Outcome<Self> {
        let sender = broadcast::channel(BEHIND).0;
        let router = Router::new().route("/", get(door)).with_state(sender.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(async move { axum::serve(prompt(listener), router).await });
        Ok(Self { address, sender })
    }
}

async fn door(State(sender): State<broadcast::Sender<Utf8Bytes>>, upgrade: WebSocketUpgrade) -> Response {
    let mut texts = sender.subscribe();
    let upgrade = upgrade.protocols(["graphql-transport-ws"]);
    upgrade.on_upgrade(async move |mut socket| {
        loop {
            match texts.recv().await {
                Ok(text) => {
                    if socket.send(Message::Text(text)).await.is_err() {
                        return;
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    })
}

impl Publisher for Floor {
    async fn begin(&mut self) -> Outcome<Door> {
        Ok(Door {
            address: self.address,
            path: "/".into(),
            init: None,
            subscribe: None,
        })
    }

    async fn say(&mut self, after: u64, count: u64) -> Outcome<()> {
        let lines = lines(after, count);
        let at = |line: &Line| chrono::DateTime::from_timestamp_micros(line.at_us).map(|at| at.to_rfc3339());
        let lines: Vec<String> = lines
            .iter()
            .map(|line| {
                let at = at(line).unwrap_or_default();
                let text = serde_json::Value::from(line.text.as_str());
                format!(
                    r#"{{"seq":{},"at":"{at}","stream":"STDOUT","text":{text}}}"#,
                    line.seq
                )
            })
            .collect();
        let text = format!(
            r#"{{"id":"1","type":"next","payload":{{"data":{{"executionLog":{{"lines":[{}],"lastSeq":{}}}}}}}}}"#,
            lines.join(","),
            after + count
        );
        // Refused while nobody listens.
        drop(self.sender.send(text.into()));
        Ok(())
    }
}

/// The product's services and transport; lines are taken in as an orchestrator's are.
struct Ours {
    world: World,
    token: String,
    claim: Option<Claim>,
}

impl Ours {
    async fn start(setting: &Setting) -> Outcome<Self> {
        let world = World::new(setting, "bench_fan_out").await?;
        let token = world.sign_in().await?;
        Ok(Self {
            world,
            token,
            claim: None,
        })
    }
}

impl Publisher for Ours {
    /// A job at work, whose orchestrator we are.
    async fn begin(&mut self) -> Outcome<Door> {
        let kernel = &self.world.app.kernel;
        let (job, execution) = (kernel.id::<Uuid>(), kernel.id::<Uuid>());
        let event = &self.world.event;
        sqlx::query(
            "WITH job AS (
                 INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger,
                     created_at, started_at)
                 VALUES ($1, $3, $3, $4, $5, 'Nothing', 'RUNNING', 1, 'API', now(), now()) RETURNING id
             )
             INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, epoch, starts, started_at)
             SELECT $2, id, 1, 'RUNNING', 1, now(), 1, 1, now() FROM job",
        )
        .bind(job)
        .bind(execution)
        .bind(event.owner_id)
        .bind(event.id)
        .bind(event.version_id)
        .execute(&self.world.pool)
        .await?;
        self.claim = Some(Claim {
            execution_id: execution,
            epoch: 1,
        });
        let query = "subscription ($id: ID!) { executionLog(executionId: $id) { lines { seq at stream text } lastSeq } }";
        let payload = json!({ "query": query, "variables": { "id": ExecutionId(execution).global() } });
        Ok(Door {
            address: self.world.address(),
            path: "/graphql/ws".into(),
            init: Some(json!({
                "type": "connection_init", "payload": { "authorization": format!("Bearer {}", self.token) }
            })),
            subscribe: Some(json!({ "id": "1", "type": "subscribe", "payload": payload })),
        })
    }

    async fn say(&mut self, after: u64, count: u64) -> Outcome<()> {
        let claim = self.claim.ok_or("nothing was begun")?;
        let lines = lines(after, count);
        let block = LogBlock { lines }.encode();
        match self
            .world
            .app
            .logs
            .ingest(claim, after, &block)
            .await
            .map_err(told)?
        {
            Some(last) if last == after + count => Ok(()),
            other => Err(format!("{other:?} after {count} lines after {after}").into()),
        }
    }
}
