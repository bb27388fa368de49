//! Wiring: database → services → schema → router.

use std::sync::Arc;
use std::time::Duration;

use cronium_migration::Migrator;
use sea_orm_migration::MigratorTrait as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::audit::{self, Audit};
use crate::config::Config;
use crate::config::keys::Keys;
use crate::definitions::Definitions;
use crate::events::{EventLoader, Events, RunsOnLoader, VersionLoader};
use crate::explain::Explain;
use crate::fanout::Fanout;
use crate::happenings;
use crate::identity::{
    ApiTokenLoader, Identity, OidcLinksLoader, RoleLoader, RoleMembersLoader, TotpLoader, UserLoader,
};
use crate::insight::Insight;
use crate::jobs::queue::{self, Queue, Signer};
use crate::jobs::{
    ExecutionLoader, JobLoader, Jobs, NewestJobsLoader, OrchestratorNameLoader, RetriesLoader,
    SeenExecutionLoader, UnmetLoader,
};
use crate::kernel::pulse::Pulse;
use crate::kernel::{Error, Kernel, Result};
use crate::keys::MasterKeys;
use crate::logs::{self, Logs};
use crate::mail::Mail;
use crate::oidc::{self, Oidc};
use crate::orchestrators::Orchestrators;
use crate::quotas::{LimitsLoader, Quotas, UsageLoader};
use crate::runtime::{Runtime, Tokens};
use crate::servers::{self, BehindLoader, CheckLoader, Errands, ServerLoader, Servers, Vault};
use crate::settings::Settings;
use crate::terminals::{self, Terminals};
use crate::transport::agent::{self, Agents};
use crate::transport::files;
use crate::transport::graphql::auth::{Authenticator, Origins, origin_of};
use crate::transport::graphql::batches::loader;
use crate::transport::graphql::{self, Gateway, Settings as GatewaySettings};
use crate::transport::health::Probes;
use crate::transport::runtime as runtime_api;
use crate::transport::schema::{self, Schema};
use crate::variables::{self, Variables};

/// All services of one server.
#[derive(Clone)]
pub struct App {
    pub kernel: Kernel,
    pub audit: Audit,
    pub keys: MasterKeys,
    pub mail: Mail,
    pub quotas: Quotas,
    pub identity: Identity,
    pub oidc: Oidc,
    pub orchestrators: Orchestrators,
    pub events: Events,
    pub jobs: Jobs,
    pub logs: Logs,
    pub queue: Queue,
    pub runtime: Runtime,
    pub variables: Variables,
    pub servers: Servers,
    pub errands: Errands,
    pub terminals: Terminals,
    pub pulse: Pulse,
    pub schema: Schema,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("App")
    }
}

/// Whether this installation has yet to run its first job.
#[derive(Clone, Debug)]
pub struct FirstRun(Kernel);

impl FirstRun {
    pub async fn pending(&self) -> Result<bool> {
        Ok(
            !sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT 1 FROM jobs)")
                .fetch_one(&self.0.pool)
                .await?,
        )
    }
}

/// Brings the database to this version's shape.
pub async fn migrate(kernel: &Kernel) -> Result<()> {
    Migrator::up(&kernel.db, None).await?;
    queue::setup_apalis(kernel).await?;
    logs::make_partitions(kernel).await?;
    Ok(())
}

/// The database role of orchestrators: it sees Apalis' schema and nothing else.
pub const WAKEUP_ROLE: &str = "cronium_orchestrator";

/// Makes or refreshes the orchestrators' database role. `password` is 64 hex digits of our own making.
pub async fn grant_wakeups(kernel: &Kernel, password: &str) -> Result<()> {
    if !password.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(Error::internal("orchestrator.key is not a key of 64 hex digits"));
    }
    let sql = format!(
        "DO $$ BEGIN CREATE ROLE {WAKEUP_ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         ALTER ROLE {WAKEUP_ROLE} PASSWORD '{password}';
         GRANT USAGE ON SCHEMA apalis TO {WAKEUP_ROLE};
         GRANT ALL ON ALL TABLES IN SCHEMA apalis TO {WAKEUP_ROLE};
         GRANT ALL ON ALL SEQUENCES IN SCHEMA apalis TO {WAKEUP_ROLE};
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA apalis TO {WAKEUP_ROLE};"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(&kernel.pool)
        .await?;
    Ok(())
}

impl App {
    /// `public_url` is where people find the dashboard: links in mails lead there.
    pub fn new(kernel: Kernel, signer: Signer, keys: &Keys, public_url: &str) -> Result<Self> {
        let master = &keys.master;
        let audit = Audit::new(kernel.clone(), master.clone());
        let keys = MasterKeys::new(kernel.clone(), audit.clone(), keys);
        let settings = Settings::new(kernel.clone(), audit.clone(), master.clone());
        let mail = Mail::new(kernel.clone(), settings.clone(), master.clone(), public_url);
        let identity = Identity::new(
            kernel.clone(),
            audit.clone(),
            settings.clone(),
            mail.clone(),
            master.clone(),
        );
        let oidc = Oidc::new(
            kernel.clone(),
            audit.clone(),
            identity.clone(),
            master.clone(),
            public_url,
        )?;
        let orchestrators = Orchestrators::new(kernel.clone(), audit.clone());
        let vault = Vault::new(kernel.clone(), master.clone());
        let errands = Errands::new(kernel.clone(), orchestrators.clone(), vault.clone());
        let servers = Servers::new(kernel.clone(), audit.clone(), errands.clone(), vault);
        let quotas = Quotas::new(kernel.clone(), audit.clone());
        let events = Events::new(kernel.clone(), audit.clone(), quotas.clone(), servers.clone());
        let variables = Variables::new(
            kernel.clone(),
            audit.clone(),
            identity.clone(),
            events.clone(),
            master.clone(),
        );
        let jobs = Jobs::new(
            kernel.clone(),
            events.clone(),
            audit.clone(),
            quotas.clone(),
            orchestrators.clone(),
        );
        let terminals = Terminals::new(
            kernel.clone(),
            audit.clone(),
            master.clone(),
            settings.clone(),
            identity.clone(),
            servers.clone(),
            jobs.clone(),
            orchestrators.clone(),
        );
        let logs = Logs::new(kernel.clone());
        let tokens = Tokens::new(&signer.derived("runtime tokens"), public_url);
        let queue = Queue::new(
            kernel.clone(),
            events.clone(),
            logs.clone(),
            signer,
            tokens.clone(),
            variables.clone(),
            servers.clone(),
        );
        let runtime = Runtime::new(kernel.clone(), variables.clone(), tokens);
        let schema = schema::builder()
            .data(Explain {
                identity: identity.clone(),
                events: events.clone(),
                variables: variables.clone(),
                jobs: jobs.clone(),
                servers: servers.clone(),
                terminals: terminals.clone(),
            })
            .data(settings)
            .data(mail.clone())
            .data(audit.clone())
            .data(identity.clone())
            .data(oidc.clone())
            .data(events.clone())
            .data(Definitions::new(events.clone()))
            .data(jobs.clone())
            .data(logs.clone())
            .data(Insight::new(kernel.clone(), orchestrators.clone()))
            .data(orchestrators.clone())
            .data(FirstRun(kernel.clone()))
            .data(quotas.clone())
            .data(loader(LimitsLoader(quotas.clone())))
            .data(loader(UsageLoader(quotas.clone())))
            .data(keys.clone())
            .data(variables.clone())
            .data(loader(variables::UsageLoader(variables.clone())))
            .data(servers.clone())
            .data(loader(ServerLoader(kernel.clone())))
            .data(loader(CheckLoader(kernel.clone())))
            .data(loader(BehindLoader(servers.clone())))
            .data(loader(RunsOnLoader(kernel.clone())))
            .data(loader(UserLoader(identity.clone())))
            .data(loader(RoleLoader(identity.clone())))
            .data(loader(RoleMembersLoader(identity.clone())))
            .data(loader(OidcLinksLoader(identity.clone())))
            .data(loader(TotpLoader(identity.clone())))
            .data(loader(ApiTokenLoader(identity.clone())))
            .data(loader(VersionLoader(kernel.clone())))
            .data(loader(EventLoader(kernel.clone())))
            .data(loader(JobLoader(kernel.clone())))
            .data(loader(ExecutionLoader(kernel.clone())))
            .data(loader(NewestJobsLoader(kernel.clone())))
            .data(loader(RetriesLoader(kernel.clone())))
            .data(loader(OrchestratorNameLoader(kernel.clone())))
            .data(loader(UnmetLoader(jobs.clone())))
            .data(loader(SeenExecutionLoader(jobs.clone())))
            .data(terminals.clone())
            .finish();
        Ok(Self {
            kernel,
            audit,
            keys,
            mail,
            quotas,
            identity,
            oidc,
            orchestrators,
            events,
            jobs,
            logs,
            queue,
            runtime,
            variables,
            servers,
            errands,
            terminals,
            pulse: Pulse::default(),
            schema,
        })
    }

    /// Reconcilers and wake-ups; each is idempotent, so that starting them is recovery.
    pub fn start_workers(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        tasks.spawn(queue::wake_orchestrators(self.kernel.clone(), stop.clone()));
        tasks.spawn(happenings::react(
            self.kernel.clone(),
            self.events.clone(),
            stop.clone(),
        ));
        tasks.spawn(self.queue.turns.clone().run(stop.clone()));
        tasks.spawn(crate::jobs::look_behind(self.kernel.clone(), stop.clone()));
        let (queue, pulse) = (self.queue.clone(), self.pulse.clone());
        tasks.spawn(every(queue::RENEW, stop.clone(), "sweep", move || {
            let queue = queue.clone();
            pulse.beat();
            async move { queue.sweep().await.map(drop) }
        }));
        tasks.spawn(self.mail.clone().run(stop.clone()));
        let errands = self.errands.clone();
        tasks.spawn(every(servers::LOOK, stop.clone(), "server checks", move || {
            let errands = errands.clone();
            async move {
                errands.want_due().await?;
                errands.sweep().await
            }
        }));
        tasks.spawn(self.terminals.clone().watch_over(stop.clone()));
        tasks.spawn(write_denials(self.audit.clone(), stop.clone()));
        let (kernel, quotas) = (self.kernel.clone(), self.quotas.clone());
        let (jobs, identity) = (self.jobs.clone(), self.identity.clone());
        let (oidc, runtime) = (self.oidc.clone(), self.runtime.clone());
        let (errands, terminals) = (self.errands.clone(), self.terminals.clone());
        tasks.spawn(every(
            Duration::from_secs(3600),
            stop.clone(),
            "housekeeping",
            move || {
                let (kernel, quotas) = (kernel.clone(), quotas.clone());
                let (jobs, identity) = (jobs.clone(), identity.clone());
                let (oidc, runtime) = (oidc.clone(), runtime.clone());
                let (errands, terminals) = (errands.clone(), terminals.clone());
                async move {
                    logs::make_partitions(&kernel).await?;
                    identity.tidy().await?;
                    oidc.tidy().await?;
                    runtime.tidy().await?;
                    errands.tidy().await?;
                    terminals.tidy().await?;
                    quotas.tidy().await?;
                    logs::drop_old(&kernel, &quotas).await?;
                    jobs.drop_old_keys().await.map(drop)
                }
            },
        ));
    }

    /// What tells other servers and hears them, to be run; None without Valkey.
    pub fn fanout(&self, config: &Config, keys: &Keys) -> Result<Option<Fanout>> {
        let url = config.rate.valkey_url.as_deref();
        url.map(|url| Fanout::new(self.kernel.clone(), self.logs.clone(), url, &keys.internal))
            .transpose()
    }

    /// Everything that is reached by HTTP.
    pub fn router(&self, config: &Config, keys: &Keys, probes: Probes) -> Result<axum::Router> {
        let buckets = config.rate.buckets(Arc::clone(&self.kernel.clock))?;
        let runtime = self.runtime.clone().limited(config.rate.runtime(), buckets);
        let agents = Agents {
            kernel: self.kernel.clone(),
            orchestrators: self.orchestrators.clone(),
            queue: self.queue.clone(),
            logs: self.logs.clone(),
            runtime: runtime.clone(),
            errands: self.errands.clone(),
            terminals: self.terminals.clone(),
            key: keys.internal.as_str().into(),
        };
        let authenticator: Arc<dyn Authenticator> = Arc::new(self.identity.clone());
        let (kernel, secure) = (self.kernel.clone(), config.https());
        let gateway = self.gateway(config)?;
        Ok(crate::transport::health::router(probes)
            .merge(oidc::router(self.oidc.clone(), gateway.clone()))
            .merge(graphql::router(gateway))
            .merge(agent::router(agents))
            .merge(runtime_api::router(runtime))
            .merge(audit::router(
                kernel.clone(),
                self.audit.clone(),
                authenticator.clone(),
                secure,
            ))
            .merge(logs::router(
                kernel,
                self.logs.clone(),
                self.jobs.clone(),
                authenticator.clone(),
                secure,
            ))
            .merge(terminals::router(self.terminals.clone(), authenticator, secure))
            .merge(files::router(&config.web_dir)))
    }

    /// What carries GraphQL requests.
    pub fn gateway(&self, config: &Config) -> Result<Gateway> {
        let origins = Origins {
            public: config.public_url.as_deref().and_then(origin_of),
            allowed: config.cors_origins.clone(),
            secure: config.https(),
        };
        let authenticator = Arc::new(self.identity.clone());
        let settings = GatewaySettings {
            origins,
            limits: config.graphql.limits(),
            introspection: config.graphql.introspection(),
            documents: config.persisted.documents(&config.web_dir)?,
            rates: config.rate.rates(),
            allowances: Some(Arc::new(self.quotas.clone())),
            proxies: config.proxies.proxies(),
            buckets: config.rate.buckets(Arc::clone(&self.kernel.clock))?,
        };
        let engine = Arc::new(self.schema.clone());
        Gateway::new(self.kernel.clone(), engine, authenticator, settings)
    }
}

/// Refusals go into the audit log each second, and for the last time when everything stops.
async fn write_denials(audit: Audit, stop: CancellationToken) {
    let chore = audit.clone();
    let flush = move || {
        let audit = chore.clone();
        async move { audit.flush_denials(false).await.map(drop) }
    };
    every(Duration::from_secs(1), stop, "denials", flush).await;
    if let Err(problem) = audit.flush_denials(true).await {
        tracing::warn!(
            problem = problem.private_text(),
            "the last refusals are not in the audit log"
        );
    }
}

/// Runs an idempotent chore now and at every interval until the token is cancelled.
pub async fn every<F, R>(interval: Duration, stop: CancellationToken, name: &'static str, chore: F)
where
    F: Fn() -> R,
    R: Future<Output = Result<()>>,
{
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(problem) = chore().await {
            tracing::warn!(
                name,
                problem = problem.private_text(),
                "a chore failed; it is tried again"
            );
        }
    }
}
