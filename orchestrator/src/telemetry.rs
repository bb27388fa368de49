//! Tracing to the terminal (text, or JSON with CRONIUM_LOG_FORMAT=json), and spans over OTLP/HTTP when an
//! endpoint is given. It must not know what is traced.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::Config;

/// Keeps the exporter of spans alive; stop it last.
#[derive(Debug)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Starts logging for the process.
    pub fn start(config: &Config) -> Result<Self, ExporterBuildError> {
        let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
        let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let text = if config.log_format.as_deref() == Some("json") {
            text.json().boxed()
        } else {
            text.compact().boxed()
        };
        let traces = config.otlp_endpoint.as_deref().map(exporter).transpose()?;
        let spans = traces
            .as_ref()
            .map(|t| tracing_opentelemetry::layer().with_tracer(t.tracer("cronium")));
        tracing_subscriber::registry()
            .with(spans)
            .with(text)
            .with(filter)
            .init();
        Ok(Self(traces))
    }

    /// Sends what has gathered. Blocks: not for an async task.
    pub fn stop(self) {
        if let Some(Err(problem)) = self.0.map(|traces| traces.shutdown()) {
            eprintln!("cronium-orchestrator: traces were not all sent: {problem}");
        }
    }
}

fn exporter(endpoint: &str) -> Result<SdkTracerProvider, ExporterBuildError> {
    let endpoint = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint)
        .build()?;
    let resource = Resource::builder()
        .with_service_name("cronium-orchestrator")
        .build();
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .build())
}
