//! Tracing to the terminal (text, or JSON with CRONIUM_LOG_FORMAT=json) and to OTLP when configured;
//! the Prometheus recorder.

use std::io::IsTerminal as _;
use std::sync::Arc;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::kernel::{Error, Result};

/// Keeps the trace exporter alive; shut it down last.
#[derive(Debug)]
pub struct Telemetry {
    pub metrics: Arc<PrometheusHandle>,
    traces: Option<SdkTracerProvider>,
}

impl Telemetry {
    pub fn start(otlp_endpoint: Option<&str>) -> Result<Self> {
        let filter = EnvFilter::try_from_env("CRONIUM_LOG")
            .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,sea_orm=warn,sea_orm_migration=warn"));
        let json = std::env::var("CRONIUM_LOG_FORMAT").is_ok_and(|format| format == "json");
        let text = tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false);
        let text = if json {
            text.json().boxed()
        } else {
            text.compact().boxed()
        };
        let traces = otlp_endpoint.map(exporter).transpose()?;
        let spans = traces
            .as_ref()
            .map(|t| tracing_opentelemetry::layer().with_tracer(t.tracer("cronium")));
        tracing_subscriber::registry()
            .with(spans)
            .with(text)
            .with(filter)
            .try_init()
            .map_err(Error::internal)?;
        let metrics = PrometheusBuilder::new()
            .install_recorder()
            .map_err(Error::internal)?;
        Ok(Self {
            metrics: Arc::new(metrics),
            traces,
        })
    }

    pub fn stop(self) {
        if let Some(Err(problem)) = self.traces.map(|t| t.shutdown()) {
            eprintln!("traces were not all sent: {problem}");
        }
    }
}

fn exporter(endpoint: &str) -> Result<SdkTracerProvider> {
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .build()
        .map_err(Error::internal)?;
    let resource = opentelemetry_sdk::Resource::builder()
        .with_service_name("cronium-server")
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}
