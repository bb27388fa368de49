//! Liveness, readiness and metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::kernel::Kernel;
use crate::kernel::pulse::Pulse;

/// A sweep that did not go round for this long stands still.
const STILL_LIMIT: Duration = Duration::from_secs(60);

/// What the probes look at.
#[derive(Clone)]
pub struct Probes {
    pub kernel: Kernel,
    pub metrics: Arc<PrometheusHandle>,
    /// Of the sweep, which every lost lease waits for.
    pub pulse: Pulse,
}

/// `/livez`, `/readyz` and `/metrics`.
pub fn router(probes: Probes) -> axum::Router {
    axum::Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route(
            "/metrics",
            get(|State(probes): State<Probes>| async move { probes.metrics.render() }),
        )
        .with_state(probes)
}

/// Alive means that the sweep goes round, whether or not the database answers it.
async fn alive(State(probes): State<Probes>) -> (StatusCode, &'static str) {
    if probes.pulse.age() < STILL_LIMIT {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the sweep of leases stands still\n",
        )
    }
}

/// Ready means that the database answers within two seconds.
async fn ready(State(probes): State<Probes>) -> (StatusCode, &'static str) {
    let ping = sqlx::query("SELECT 1").execute(&probes.kernel.pool);
    match tokio::time::timeout(Duration::from_secs(2), ping).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}
