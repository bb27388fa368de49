//! Health and figures over HTTP on a loopback address: /livez, /readyz, /metrics.
//! It must not know how executions run.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::time::Instant;

use crate::channel::Link;

/// A claim loop that did not turn for this long stands still.
const STILL_LIMIT: Duration = Duration::from_mins(1);

/// Signs of life of the claim loop.
#[derive(Debug)]
pub struct Status {
    begun: Instant,
    beat_ms: AtomicU64,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            beat_ms: AtomicU64::new(0),
        }
    }
}

impl Status {
    pub fn beat(&self) {
        let ms = self.begun.elapsed().as_millis() as u64;
        self.beat_ms.store(ms, Ordering::Relaxed);
    }

    pub fn is_alive(&self) -> bool {
        let beat = Duration::from_millis(self.beat_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(beat) < STILL_LIMIT
    }
}

/// Why the status endpoint can't be served.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    #[error("can't listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    #[error("metrics can't be recorded: {0}")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

fn recorder() -> Result<PrometheusHandle, StatusError> {
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets(&[
            0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
        ])?
        .install_recorder()?;
    Ok(RECORDER.get_or_init(|| handle).clone())
}

/// Binds at once, so that a wrong address is told at the start; the returned future serves.
pub async fn bind(
    address: SocketAddr,
    status: Arc<Status>,
    link: Link,
) -> Result<impl Future<Output = ()> + Send, StatusError> {
    if !address.ip().is_loopback() {
        return Err(StatusError::NotLoopback(address));
    }
    let handle = recorder()?;
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .map_err(|e| StatusError::Listen(address, e))?;
    let code = |good: bool| {
        if good {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let router = Router::new()
        .route("/livez", get(move || async move { code(status.is_alive()) }))
        .route("/readyz", get(move || async move { code(link.is_up()) }))
        .route(
            "/metrics",
            get(move || async move {
                handle.run_upkeep();
                handle.render()
            }),
        );
    Ok(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the status endpoint stopped");
        }
    })
}
