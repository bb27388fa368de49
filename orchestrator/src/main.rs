//! The orchestrator's process: configuration, logging, signals. Everything else is in the library.

use std::process::ExitCode;

use clap::Parser;
use cronium_orchestrator::config::Config;
use cronium_orchestrator::docker::DockerExecutor;
use cronium_orchestrator::{Error, state::StateDir};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
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
    let executor = DockerExecutor::connect(&config, state.orchestrator_id()).await?;
    let stop = CancellationToken::new();
    tokio::spawn(stop_when_told(stop.clone(), config.exit_with_parent));
    cronium_orchestrator::run(config, state, executor, stop).await
}

/// Cancels `stop` on SIGTERM, SIGINT or, if asked for, when stdin closes.
async fn stop_when_told(stop: CancellationToken, with_parent: bool) {
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
    let orphaned = async {
        if !with_parent {
            std::future::pending::<()>().await;
        }
        let (mut stdin, mut buffer) = (tokio::io::stdin(), [0; 256]);
        while stdin.read(&mut buffer).await.is_ok_and(|n| n > 0) {}
    };
    tokio::select! {
        () = terminate => {}
        () = interrupt => {}
        () = orphaned => tracing::info!("the parent process is gone"),
    }
    stop.cancel();
}
