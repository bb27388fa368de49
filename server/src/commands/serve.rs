//! `cronium serve`: starts what is not given, serves, and stops all of it in order.

use std::fs;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{self, App};
use crate::config::Config;
use crate::config::keys::{Keys, kept};
use crate::jobs::queue::Signer;
use crate::kernel::{Error, Result};
use crate::keys::any_sealed;
use crate::supervise::Orchestrator;
use crate::transport;
use crate::transport::health::Probes;

use super::database::Database;
use super::first_start;
use super::telemetry::Telemetry;

/// How often values are looked for that a server without the newest master key has sealed.
const WRAP: Duration = Duration::from_secs(600);

/// Runs until SIGINT or SIGTERM.
pub async fn serve(config: Config) -> Result<ExitCode> {
    let problems = config.problems();
    if !problems.is_empty() {
        for problem in problems {
            eprintln!("cronium: {problem}");
        }
        return Ok(ExitCode::from(2));
    }
    let telemetry = Telemetry::start(config.otlp_endpoint.as_deref())?;
    // Bound first: a second server on the same address must not touch the first one's database.
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| Error::internal(format!("can't listen on {}: {e}", config.listen)))?;
    let address = listener.local_addr().map_err(Error::internal)?;
    fs::create_dir_all(&config.data_dir).map_err(Error::internal)?;
    let config = Config {
        data_dir: fs::canonicalize(&config.data_dir).map_err(Error::internal)?,
        ..config
    };
    let database = Database::awaited(&config).await?;
    let result = Box::pin(run(&config, &database, listener, address, &telemetry)).await;
    database.shut_down().await;
    telemetry.stop();
    result.map(|()| ExitCode::SUCCESS)
}

async fn run(
    config: &Config,
    database: &Database,
    listener: TcpListener,
    address: SocketAddr,
    telemetry: &Telemetry,
) -> Result<()> {
    app::migrate(&database.kernel).await?;
    let keys = &Keys::load(config, !any_sealed(&database.kernel).await?)?;
    let signer = Signer::load(&database.kernel, &keys.master).await?;
    let url = config
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{address}"));
    let app = App::new(database.kernel.clone(), signer, keys, &url)?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    if let Some(cluster) = database.cluster.clone() {
        tasks.spawn(cluster.watch(stop.clone()));
    }
    app.start_workers(&tasks, &stop);
    if let Some(fanout) = app.fanout(config, keys)? {
        tasks.spawn(fanout.run(stop.clone()));
    }
    let master = app.keys.clone();
    tasks.spawn(app::every(WRAP, stop.clone(), "wrapping anew", move || {
        let master = master.clone();
        async move { master.wrap_anew().await.map(drop) }
    }));
    match first_start::admin(&app).await? {
        Some(admin) => {
            first_start::samples(&app, &admin).await?;
            first_start::print(&admin, &url);
        }
        None => println!("\n  Cronium is ready at {url}\n"),
    }
    let probes = Probes {
        kernel: app.kernel.clone(),
        metrics: Arc::clone(&telemetry.metrics),
        pulse: app.pulse.clone(),
    };
    let router = app.router(config, keys, probes)?;
    // The child has its own token: it drains while the agent channel still stands.
    let drained = CancellationToken::new();
    let mut child = orchestrator(config, keys, database, address)
        .await?
        .map(|child| tokio::spawn(child.run(drained.clone())));
    let ended = stop.clone();
    let server = axum::serve(
        transport::prompt(listener),
        router.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(async move { ended.cancelled().await });
    let server = tokio::spawn(async move { server.await });
    let ended = tokio::select! {
        interrupted = interrupted() => {
            println!("Stopping; running jobs are left to finish and are found again at the next start.");
            interrupted
        }
        ended = refusal(&mut child) => ended,
    };
    drained.cancel();
    if let Some(child) = child {
        drop(child.await);
    }
    stop.cancel();
    tasks.close();
    // Open subscriptions would hold the server: they get a moment, then the sockets close.
    drop(tokio::time::timeout(Duration::from_secs(3), server).await);
    drop(tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await);
    ended
}

/// The end of a child that can't be helped; without a child there is none.
async fn refusal(child: &mut Option<JoinHandle<Result<()>>>) -> Result<()> {
    let Some(running) = child else {
        return std::future::pending().await;
    };
    let ended = running.await.map_err(Error::internal).flatten();
    *child = None;
    ended
}

async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// The child orchestrator, unless they run elsewhere.
async fn orchestrator(
    config: &Config,
    keys: &Keys,
    database: &Database,
    address: SocketAddr,
) -> Result<Option<Orchestrator>> {
    if config.no_orchestrator {
        return Ok(None);
    }
    let apalis_url = match &database.cluster {
        Some(cluster) => {
            let password = kept(&config.data_dir.join("orchestrator.key"))?;
            crate::app::grant_wakeups(&database.kernel, &password).await?;
            Some(cluster.url(crate::app::WAKEUP_ROLE, &password))
        }
        None => None,
    };
    let host = if address.ip().is_unspecified() {
        [127, 0, 0, 1].into()
    } else {
        address.ip()
    };
    Ok(Some(Orchestrator {
        program: Orchestrator::locate(config.orchestrator.clone(), "cronium-orchestrator")?,
        runner: Orchestrator::locate(config.runner.clone(), "cronium-runner")?,
        image: config.exec_image.clone(),
        agent_url: format!("ws://{}/agent", SocketAddr::new(host, address.port())),
        internal_key: keys.internal.clone(),
        apalis_url,
        state_dir: config.data_dir.join("orchestrator"),
        capacity: config.capacity,
    }))
}
