//! The orchestrator's process: configuration, logging, signals. Everything else is in the library. Started by ssh, it
//! is what ssh asks for a secret, or the way through another server.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cronium_orchestrator::config::Config;
use cronium_orchestrator::docker::DockerExecutor;
use cronium_orchestrator::executors::Executors;
use cronium_orchestrator::http::HttpExecutor;
use cronium_orchestrator::ssh::Ssh;
use cronium_orchestrator::ssh::executor::{Runners, SshExecutor};
use cronium_orchestrator::telemetry::Telemetry;
use cronium_orchestrator::{Error, state::StateDir};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    if let Some(code) = cronium_orchestrator::ssh::helper() {
        return code;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cronium-orchestrator: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let config = Config::parse();
    let telemetry = match Telemetry::start(&config) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("cronium-orchestrator: traces can't be sent: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(start(config));
    telemetry.stop();
    // Not waited for: a read of stdin ends only with the parent.
    runtime.shutdown_background();
    code
}

async fn start(config: Config) -> ExitCode {
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the orchestrator stops");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config) -> Result<(), Error> {
    let state = StateDir::open(&config.state_dir).await?;
    let ssh = Ssh::start(&state).await.map(Arc::new);
    let ssh = ssh.inspect_err(|error| tracing::warn!(%error, "servers can't be reached from here"));
    let (ssh, runners) = (ssh.ok(), Runners::load(&config.runner).await);
    let runners = runners.map_err(|error| Error::Runner(config.runner.clone(), error))?;
    let executor = Arc::new(Executors {
        docker: DockerExecutor::connect(&config, state.orchestrator_id()).await?,
        http: HttpExecutor::new(config.network_allow.clone())?,
        ssh: SshExecutor::new(ssh.clone(), state.clone(), runners),
    });
    let stop = CancellationToken::new();
    tokio::spawn(stop_when_told(stop.clone()));
    let orphaned = orphaned(config.exit_with_parent);
    tokio::select! {
        ended = cronium_orchestrator::run(config, state, executor, ssh, stop) => ended,
        // At once, as after a crash: a successor of this process finds everything that runs.
        () = orphaned => {
            tracing::info!("the parent process is gone");
            Ok(())
        }
    }
}

/// Cancels `stop` on SIGTERM or SIGINT.
async fn stop_when_told(stop: CancellationToken) {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => drop(terminate.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = terminate => {}
        () = interrupt => {}
    }
    stop.cancel();
}

/// Waits until stdin closes, which the parent holds open as long as it lives.
async fn orphaned(with_parent: bool) {
    if !with_parent {
        std::future::pending::<()>().await;
    }
    let (mut stdin, mut buffer) = (tokio::io::stdin(), [0; 256]);
    while stdin.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
}
