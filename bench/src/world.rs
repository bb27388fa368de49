//! The server's services in this process, on a database of their own in the benchmarks' Postgres, served
//! over HTTP as `cronium serve` does.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cronium_entity::enums::{EventKind, EventStatus, Priority, UserRole};
use cronium_server::access::roles;
use cronium_server::app::{self, App};
use cronium_server::config::Config;
use cronium_server::config::given::Given;
use cronium_server::config::graphql::GraphqlConfig;
use cronium_server::config::keys::Keys;
use cronium_server::config::persisted::PersistedConfig;
use cronium_server::config::proxies::ProxiesConfig;
use cronium_server::config::rate::RateConfig;
use cronium_server::events::{DEFAULT_TIMEOUT_MS, Definition, EventRow, NewEvent, Policy, Profile, Target};
use cronium_server::identity::NewUser;
use cronium_server::jobs::queue::Signer;
use cronium_server::kernel::clock::SystemClock;
use cronium_server::kernel::ids::EventId;
use cronium_server::kernel::sealed::{KeyRing, MasterKey};
use cronium_server::kernel::{Actor, Entropy, Kernel, Op, pool_options, tuned};
use cronium_server::transport::health::Probes;
use cronium_server::transport::prompt;
use metrics_exporter_prometheus::PrometheusBuilder;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Outcome, Setting, told};

/// Connections of a server, as `cronium serve` opens them.
const CONNECTIONS: u32 = 16;
const EMAIL: &str = "bench@example.test";
const PASSWORD: &str = "a password for benchmarks";
/// Of the agent channel: loopback only, and gone with the run.
pub const INTERNAL_KEY: &str = "the internal key of the benchmarks";

/// A new, empty database. The name is the benchmark's; one of an earlier run is replaced.
pub async fn database(setting: &Setting, name: &str) -> Outcome<PgConnectOptions> {
    let options: PgConnectOptions = setting.database_url.parse()?;
    let mut admin = PgConnection::connect_with(&options).await?;
    for sql in [
        format!("DROP DATABASE IF EXISTS {name}"),
        format!("CREATE DATABASE {name}"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut admin)
            .await?;
    }
    Ok(options.database(name))
}

/// One server and an event that does nothing.
pub struct World {
    pub app: Box<App>,
    pub pool: PgPool,
    pub op: Op,
    pub event: EventRow,
    address: SocketAddr,
    options: PgConnectOptions,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl World {
    /// Services on a fresh database; nothing runs by itself yet.
    pub async fn new(setting: &Setting, name: &str) -> Outcome<Self> {
        let options = database(setting, name).await?;
        let services = Services::on(&options).await?;
        let app = &services.app;
        let new = NewUser {
            email: EMAIL.into(),
            name: "Bench".into(),
            role: UserRole::Admin,
            password: PASSWORD.into(),
        };
        let id = app.identity.create_user(new).await.map_err(told)?;
        let op = Op {
            bearer: true,
            ..Op::process(id, roles::permissions(UserRole::Admin))
        };
        let event = app.events.create(&op, nothing()).await.map_err(told)?;
        services.serve(setting, options, op, event).await
    }

    /// Another server of the same installation, which reaches the database by another way.
    pub async fn again(&self, setting: &Setting, options: PgConnectOptions) -> Outcome<Self> {
        let services = Services::on(&options).await?;
        services
            .serve(setting, options, self.op.clone(), self.event.clone())
            .await
    }

    pub fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Connections of the same kind and number as the server's.
    pub async fn second_pool(&self) -> Outcome<PgPool> {
        Ok(pool_options(CONNECTIONS)
            .connect_with(tuned(self.options.clone()))
            .await?)
    }

    /// Reconcilers and wake-ups, as in a running server.
    pub fn start_workers(&self) {
        self.app.start_workers(&self.tasks, &self.stop);
    }

    pub fn event_id(&self) -> EventId {
        EventId(self.event.id)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }

    /// A bearer token for requests over HTTP.
    pub async fn sign_in(&self) -> Outcome<String> {
        let op = Op {
            actor: Actor::Anonymous,
            ..self.op.clone()
        };
        Ok(self
            .app
            .identity
            .sign_in(&op, EMAIL, PASSWORD.into(), None)
            .await
            .map_err(told)?
            .token)
    }

    /// A URL for orchestrators: their own role, which sees Apalis' schema only.
    pub async fn wakeup_url(&self) -> Outcome<String> {
        let password: String = Entropy.bytes::<32>().iter().map(|b| format!("{b:02x}")).collect();
        app::grant_wakeups(&self.app.kernel, &password)
            .await
            .map_err(told)?;
        Ok(format!(
            "postgres://{}:{password}@{}:{}/{}",
            app::WAKEUP_ROLE,
            self.options.get_host(),
            self.options.get_port(),
            self.options.get_database().unwrap_or_default()
        ))
    }

    /// The same footing for every round: nothing to vacuum, no checkpoint due.
    pub async fn settle(&self) -> Outcome<()> {
        for sql in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
            sqlx::query(sql).execute(&self.pool).await?;
        }
        Ok(())
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        drop(tokio::time::timeout(Duration::from_secs(5), self.tasks.wait()).await);
        self.app.kernel.close().await;
    }
}

/// What a server is made of before it listens.
struct Services {
    app: Box<App>,
    pool: PgPool,
    keys: Keys,
}

impl Services {
    async fn on(options: &PgConnectOptions) -> Outcome<Self> {
        let pool = pool_options(CONNECTIONS)
            .connect_with(tuned(options.clone()))
            .await?;
        let kernel = Kernel::new(pool.clone(), Arc::new(SystemClock));
        app::migrate(&kernel).await.map_err(told)?;
        let keys = Keys {
            master: KeyRing::new(vec![MasterKey::new([7; 32])]),
            master_file: None,
            internal: INTERNAL_KEY.into(),
        };
        let signer = Signer::load(&kernel, &keys.master).await.map_err(told)?;
        let app = Box::new(App::new(kernel, signer, &keys, "http://127.0.0.1").map_err(told)?);
        Ok(Self { app, pool, keys })
    }

    async fn serve(
        self,
        setting: &Setting,
        options: PgConnectOptions,
        op: Op,
        event: EventRow,
    ) -> Outcome<World> {
        let Self { app, pool, keys } = self;
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let probes = Probes {
            kernel: app.kernel.clone(),
            metrics: Arc::new(metrics),
            pulse: app.pulse.clone(),
        };
        let router = app.router(&config(setting), &keys, probes).map_err(told)?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let ended = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                _ = axum::serve(prompt(listener), service) => {}
                () = ended.cancelled() => {}
            }
        });
        Ok(World {
            app,
            pool,
            op,
            event,
            address,
            options,
            tasks,
            stop,
        })
    }
}

/// How a job is started here.
pub fn start() -> cronium_server::jobs::Start {
    cronium_server::jobs::Start {
        input: None,
        priority: Priority::Normal,
        wait: Duration::ZERO,
        run_at: None,
        idempotency_key: None,
        servers: None,
    }
}

fn nothing() -> NewEvent {
    NewEvent {
        profile: Profile {
            name: "Nothing".into(),
            description: String::new(),
            tags: Vec::new(),
            shared: false,
        },
        status: EventStatus::Active,
        definition: Definition {
            kind: EventKind::Bash,
            source: "true".into(),
            http: None,
            environment: Vec::new(),
            input_schema: None,
            target: Target::default(),
            servers: None,
            timeout_ms: DEFAULT_TIMEOUT_MS,
            policy: Policy::default(),
            labels: Vec::new(),
        },
        max_executions: 0,
        comment: None,
    }
}

fn config(setting: &Setting) -> Config {
    Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data_dir: Path::new(".").into(),
        database_url: None,
        postgres_bin: None,
        web_dir: setting.web.clone(),
        public_url: None,
        cors_origins: Vec::new(),
        master_key: None,
        internal_api_key: None,
        orchestrator: None,
        no_orchestrator: true,
        runner: None,
        exec_image: String::new(),
        capacity: 1,
        otlp_endpoint: None,
        graphql: GraphqlConfig::standard(),
        persisted: PersistedConfig::standard(),
        // Counted as always, and never used up: the cases ask more in a minute than a person does in a day.
        rate: RateConfig {
            rate_limit: Given::of(100_000_000),
            ..RateConfig::standard()
        },
        proxies: ProxiesConfig::default(),
    }
}
