//! Versions of events in the API.

use async_graphql::{Context, ID, Object, SimpleObject};

use crate::identity::User;
use crate::kernel::Timestamp;
use crate::kernel::api::ApiResult;
use crate::kernel::ids::EventVersionId;
use crate::kernel::scalars::Duration;

use super::graphql::person;
use super::input::EventType;
use super::model::{Definition, EnvVar as EnvVarValue};
use super::request::HttpRequestConfig;
use super::runs::{OverlapPolicy, RetryPolicy};
use super::store::VersionRow;
use super::targets::TargetConfig;

/// One variable of the environment.
#[derive(Debug, Clone, SimpleObject)]
pub struct EnvVar {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

impl From<EnvVarValue> for EnvVar {
    fn from(v: EnvVarValue) -> Self {
        Self {
            name: v.name,
            value: v.value,
        }
    }
}

/// What an event consisted of at one moment; never changes.
#[derive(Debug, Clone)]
pub struct EventVersion(pub VersionRow);

impl EventVersion {
    fn definition(&self) -> Definition {
        self.0.clone().into()
    }
}

/// What an event consisted of at one moment; never changes.
#[Object]
impl EventVersion {
    /// Global id.
    pub async fn id(&self) -> ID {
        EventVersionId(self.0.id).global()
    }

    /// 1, 2, 3 … in one event.
    async fn number(&self) -> i32 {
        self.0.number
    }

    /// When it was saved.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Who saved it.
    async fn created_by(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        match self.0.created_by {
            Some(id) => person(ctx, id).await,
            None => Ok(None),
        }
    }

    /// What it is about.
    async fn comment(&self) -> Option<&str> {
        self.0.comment.as_deref()
    }

    /// Whether it was test-run without being saved.
    async fn ad_hoc(&self) -> bool {
        self.0.ad_hoc
    }

    /// Language of the source.
    #[graphql(name = "type")]
    async fn kind(&self) -> EventType {
        self.0.kind.into()
    }

    /// The script; empty for an HTTP_REQUEST.
    async fn source(&self) -> &str {
        &self.0.source
    }

    /// What an HTTP_REQUEST sends; null for scripts.
    async fn http(&self) -> Option<HttpRequestConfig> {
        self.definition().http.map(Into::into)
    }

    /// Variables that the script sees.
    async fn environment(&self) -> Vec<EnvVar> {
        self.definition()
            .environment
            .into_iter()
            .map(Into::into)
            .collect()
    }

    /// JSON Schema of the input.
    async fn input_schema(&self) -> Option<&serde_json::Value> {
        self.0.input_schema.as_ref()
    }

    /// Where it runs.
    async fn target(&self) -> TargetConfig {
        let definition = self.definition();
        match definition.servers {
            Some(servers) => TargetConfig::Servers(servers.into()),
            None => TargetConfig::Container(definition.target.into()),
        }
    }

    /// Time limit of the script.
    async fn timeout(&self) -> Duration {
        Duration(self.0.timeout_ms)
    }

    /// When a run is tried again.
    async fn retry(&self) -> RetryPolicy {
        self.definition().policy.retry.into()
    }

    /// What becomes of a run when others have not ended.
    async fn overlap(&self) -> OverlapPolicy {
        self.0.overlap.into()
    }

    /// How many runs there may be at a time; null: no limit, or one where `overlap` is not ALLOW.
    async fn max_concurrent(&self) -> Option<i32> {
        self.0.max_concurrent
    }

    /// Whether running it twice does no harm: a run that was lost is started again, up to 10 times.
    async fn idempotent(&self) -> bool {
        self.0.idempotent
    }

    /// What an orchestrator must have to run it, all of them, sorted; none: any orchestrator.
    async fn labels(&self) -> &[String] {
        &self.0.labels
    }
}
