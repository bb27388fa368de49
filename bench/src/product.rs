//! The product as people start it: `cronium serve` with a private Postgres and a data directory of its own.
//! Knows the command line, the public API and where the private Postgres is; nothing of the services.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use cronium_server::postgres::{Cluster, Programs};
use futures::{SinkExt as _, StreamExt as _};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::{Outcome, Setting, told};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running product, signed in to as its administrator.
pub struct Product {
    child: Child,
    data: tempfile::TempDir,
    client: reqwest::Client,
    pub url: String,
    pub email: String,
    pub password: String,
    token: String,
    /// The private Postgres, as its owner.
    pub database: PgPool,
}

impl Product {
    /// Without containers that wait ahead of jobs.
    pub async fn start(setting: &Setting) -> Outcome<Self> {
        Self::serving(setting, &setting.web).await
    }

    /// With one that waits, once it knows what for.
    pub async fn start_warm(setting: &Setting) -> Outcome<Self> {
        Self::with(setting, &setting.web, 1).await
    }

    /// Serves this folder as the dashboard.
    pub async fn serving(setting: &Setting, web: &Path) -> Outcome<Self> {
        Self::with(setting, web, 0).await
    }

    async fn with(setting: &Setting, web: &Path, ahead: u32) -> Outcome<Self> {
        let data = tempfile::Builder::new().prefix("cronium-bench-").tempdir()?;
        // The private Postgres runs as another user when we are root.
        fs::set_permissions(data.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        let cluster = watched_cluster(data.path()).await?;
        let port = free_port().await?;
        let mut child = Command::new(setting.bin.join("cronium"))
            .arg("serve")
            .env_remove("DATABASE_URL")
            .env("CRONIUM_LISTEN", format!("127.0.0.1:{port}"))
            .env("CRONIUM_DATA_DIR", data.path())
            .env("CRONIUM_WEB_DIR", web)
            .env("CRONIUM_RUNNER", &setting.runner)
            .env("CRONIUM_AHEAD", ahead.to_string())
            .env("CRONIUM_ORCHESTRATOR", setting.bin.join("cronium-orchestrator"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log(setting)?)
            .spawn()?;
        let (email, password) = tokio::time::timeout(PATIENCE, first_sign_in(&mut child)).await??;
        let mut this = Self {
            child,
            data,
            client: reqwest::Client::new(),
            url: format!("http://127.0.0.1:{port}"),
            email,
            password,
            token: String::new(),
            database: PgPool::connect_with(cluster.options().await.map_err(told)?).await?,
        };
        this.token = this.sign_in().await?;
        until("an orchestrator connects", async || {
            let answer = this.graphql("{ orchestrators { connected } }", json!({})).await?;
            let all = answer["orchestrators"].as_array().cloned().unwrap_or_default();
            Ok(all.iter().any(|one| one["connected"] == true))
        })
        .await?;
        Ok(this)
    }

    /// The server's process.
    pub fn pid(&self) -> Outcome<u32> {
        Ok(self.child.id().ok_or("the server has ended")?)
    }

    /// The orchestrator's identity, which its containers are labelled with.
    pub fn orchestrator(&self) -> Outcome<String> {
        let file = self.data.path().join("orchestrator/orchestrator-id");
        Ok(fs::read_to_string(file)?.trim().to_owned())
    }

    /// The orchestrator's process.
    pub fn orchestrator_pid(&self) -> Outcome<u32> {
        Ok(child(self.pid()?, "cronium-orchest")?.ok_or("the server has no orchestrator")?)
    }

    /// Ends its connections to servers, as the orchestrator does itself with those that nobody uses, and waits until it
    /// has noticed.
    pub async fn hang_up(&self) -> Outcome<()> {
        let orchestrator = self.orchestrator_pid()?;
        until("no connection to a server stands", async || {
            let ssh = child(orchestrator, "ssh")?;
            if let Some(pid) = ssh {
                // It may have ended meanwhile. As long as nobody has waited for it, it is nobody else.
                let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
            }
            Ok(ssh.is_none())
        })
        .await
    }

    async fn sign_in(&self) -> Outcome<String> {
        let query = "mutation ($i: SignInInput!) { signIn(input: $i) { accessToken } }";
        let input = json!({ "email": self.email, "password": self.password, "returnToken": true });
        until("the server answers", async || {
            let answer = self.client.get(format!("{}/readyz", self.url)).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()))
        })
        .await?;
        let answer = self.graphql(query, json!({ "i": input })).await?;
        text(&answer["signIn"]["accessToken"])
    }

    /// One request; gives `data`.
    pub async fn graphql(&self, query: &str, variables: Value) -> Outcome<Value> {
        let mut request = self.client.post(format!("{}/graphql", self.url));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let body = json!({ "query": query, "variables": variables });
        let mut answer: Value = request.json(&body).send().await?.json().await?;
        if let Some(errors) = answer.get("errors") {
            return Err(errors.to_string().into());
        }
        Ok(answer["data"].take())
    }

    pub async fn create_event(&self, name: &str, source: &str) -> Outcome<String> {
        self.new_event(json!({ "name": name, "type": "BASH", "source": source }))
            .await
    }

    /// One that runs on this server.
    pub async fn create_event_on(&self, server: &str, name: &str, source: &str) -> Outcome<String> {
        let target = json!({ "servers": { "servers": [server] } });
        self.new_event(json!({ "name": name, "type": "BASH", "source": source, "target": target }))
            .await
    }

    async fn new_event(&self, input: Value) -> Outcome<String> {
        let query = "mutation ($i: CreateEventInput!) { createEvent(input: $i) { event { id } userErrors { message } } }";
        let answer = self.graphql(query, json!({ "i": input })).await?;
        text(&answer["createEvent"]["event"]["id"])
    }

    /// Registers a server; gives its id.
    pub async fn create_server(&self, input: Value) -> Outcome<String> {
        let query = "mutation ($i: CreateServerInput!) { createServer(input: $i) { server { id } userErrors { message } } }";
        let answer = self.graphql(query, json!({ "i": input })).await?;
        let id = answer["createServer"]["server"]["id"].as_str();
        Ok(id
            .ok_or_else(|| format!("the server was not registered: {answer}"))?
            .to_owned())
    }

    /// Runs an event to its end, which must be a success; the server does the waiting.
    pub async fn run_to_end(&self, event: &str) -> Outcome<()> {
        let query =
            "mutation ($i: RunEventInput!) { runEvent(input: $i) { job { status } userErrors { message } } }";
        let input = json!({ "eventId": event, "waitSeconds": 60 });
        let answer = self.graphql(query, json!({ "i": input })).await?;
        if answer["runEvent"]["job"]["status"] == "SUCCEEDED" {
            return Ok(());
        }
        Err(format!("the job did not succeed within a minute: {answer}").into())
    }

    /// Starts an event; gives the job's id.
    pub async fn run(&self, event: &str) -> Outcome<String> {
        let query =
            "mutation ($i: RunEventInput!) { runEvent(input: $i) { job { id } userErrors { message } } }";
        let answer = self.graphql(query, json!({ "i": { "eventId": event } })).await?;
        text(&answer["runEvent"]["job"]["id"])
    }

    pub async fn status(&self, job: &str) -> Outcome<String> {
        let answer = self
            .graphql(
                "query ($id: ID!) { job(id: $id) { status } }",
                json!({ "id": job }),
            )
            .await?;
        text(&answer["job"]["status"])
    }

    /// A connection for subscriptions, acknowledged.
    pub async fn subscribe(&self) -> Outcome<Live> {
        let mut request = format!("{}/graphql/ws", self.url.replace("http", "ws")).into_client_request()?;
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        let mut live = Live { socket, last: 0 };
        let payload = json!({ "authorization": format!("Bearer {}", self.token) });
        live.send(&json!({ "type": "connection_init", "payload": payload }))
            .await?;
        while live.receive().await?["type"] != "connection_ack" {}
        Ok(live)
    }

    pub async fn stop(mut self) -> Outcome<()> {
        self.database.close().await;
        kill(Pid::from_raw(self.pid()? as i32), Signal::SIGTERM)?;
        tokio::time::timeout(PATIENCE, self.child.wait()).await??;
        Ok(())
    }
}

impl Drop for Product {
    /// After a failure: the server stops its orchestrator and its Postgres by itself.
    fn drop(&mut self) {
        if let Some(pid) = self.child.id() {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
        }
    }
}

/// A graphql-transport-ws connection.
pub struct Live {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last: u32,
}

impl Live {
    async fn send(&mut self, message: &Value) -> Outcome<()> {
        Ok(self.socket.send(Message::text(message.to_string())).await?)
    }

    async fn receive(&mut self) -> Outcome<Value> {
        loop {
            match self.socket.next().await.ok_or("the connection ended")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(frame) => return Err(format!("the connection was closed: {frame:?}").into()),
                _ => {}
            }
        }
    }

    /// Begins a subscription.
    pub async fn start(&mut self, query: &str, variables: Value) -> Outcome<()> {
        self.last += 1;
        let payload = json!({ "query": query, "variables": variables });
        let message = json!({ "id": self.last.to_string(), "type": "subscribe", "payload": payload });
        self.send(&message).await
    }

    /// The next `data` of the newest subscription; None at its end.
    pub async fn next(&mut self) -> Outcome<Option<Value>> {
        loop {
            let mut message = self.receive().await?;
            if message["id"].as_str() != Some(self.last.to_string().as_str()) {
                continue;
            }
            match message["type"].as_str() {
                Some("next") => return Ok(Some(message["payload"]["data"].take())),
                Some("complete") => return Ok(None),
                _ => return Err(message.to_string().into()),
            }
        }
    }
}

/// Makes the private cluster, with two of Postgres' own instruments switched on: counted statements and
/// the times of commits.
async fn watched_cluster(data: &Path) -> Outcome<Cluster> {
    let cluster = Cluster::start(Programs::find(None).map_err(told)?, data)
        .await
        .map_err(told)?;
    let pool = PgPool::connect_with(cluster.options().await.map_err(told)?).await?;
    for sql in [
        "ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'",
        "ALTER SYSTEM SET track_commit_timestamp = on",
        "CREATE EXTENSION pg_stat_statements",
    ] {
        sqlx::query(sql).execute(&pool).await?;
    }
    pool.close().await;
    cluster.stop().await;
    Ok(cluster)
}

/// Where products write what they have to say.
fn log(setting: &Setting) -> Outcome<fs::File> {
    let file = setting.out.join("product.log");
    Ok(fs::OpenOptions::new().create(true).append(true).open(file)?)
}

/// The child of a process that has this name (the kernel keeps 15 characters of it).
fn child(parent: u32, name: &str) -> Outcome<Option<u32>> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<u32>().ok()) else {
            continue;
        };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let is = |field: &str, value: &str| {
            status
                .lines()
                .any(|l| l.strip_prefix(field).is_some_and(|v| v.trim() == value))
        };
        if is("PPid:", &parent.to_string()) && is("Name:", name) {
            return Ok(Some(pid));
        }
    }
    Ok(None)
}

/// Reads what the first start prints, and goes on reading so that the server can go on printing.
async fn first_sign_in(child: &mut Child) -> Outcome<(String, String)> {
    let output = child.stdout.take().ok_or("no output")?;
    let mut lines = BufReader::new(output).lines();
    let (mut email, mut password) = (None, None);
    while email.is_none() || password.is_none() {
        let line = lines.next_line().await?.ok_or("the server ended at its start")?;
        match line.trim().split_once(':') {
            Some(("e-mail", value)) => email = Some(value.trim().to_owned()),
            Some(("password", value)) => password = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((email.unwrap_or_default(), password.unwrap_or_default()))
}

async fn free_port() -> Outcome<u16> {
    let probe = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    Ok(probe.local_addr()?.port())
}

/// Looks every 20 ms until it is so.
pub async fn until(what: &str, check: impl AsyncFn() -> Outcome<bool>) -> Outcome<()> {
    let end = Instant::now() + PATIENCE * 3;
    while !check().await? {
        if Instant::now() > end {
            return Err(format!("waited in vain until {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn text(value: &Value) -> Outcome<String> {
    Ok(value
        .as_str()
        .ok_or_else(|| format!("not what was asked for: {value}"))?
        .to_owned())
}
