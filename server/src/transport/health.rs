//! Liveness, readiness and metrics.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::kernel::Kernel;

/// What the probes look at.
#[derive(Clone)]
pub struct Probes {
    pub kernel: Kernel,
    pub metrics: Arc<PrometheusHandle>,
}

/// `/livez`, `/readyz` and `/metrics`.
pub fn router(probes: Probes) -> axum::Router {
    axum::Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route(
            "/metrics",
            get(|State(probes): State<Probes>| async move { probes.metrics.render() }),
        )
        .with_state(probes)
}

/// Ready means that the database answers within two seconds.
async fn ready(State(probes): State<Probes>) -> (StatusCode, &'static str) {
    let ping = sqlx::query("SELECT 1").execute(&probes.kernel.pool);
    match tokio::time::timeout(std::time::Duration::from_secs(2), ping).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n"),
    }
}
