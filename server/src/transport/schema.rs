//! The one public schema, put together from the slices.

use async_graphql::{
    MergedObject, MergedSubscription, Object, SDLExportOptions, SchemaBuilder, SimpleObject,
};

use crate::audit::AuditQuery;
use crate::definitions::DefinitionsMutation;
use crate::events::{EventType, EventsMutation, EventsQuery};
use crate::explain::ExplainQuery;
use crate::identity::{
    CredentialsMutation, FactorsMutation, IdentityMutation, IdentityQuery, InvitesMutation, InvitesQuery,
    LinksMutation, OidcLinksMutation, PeopleMutation, PeopleQuery, SignInMethod,
};
use crate::insight::{InsightQuery, InsightSubscription};
use crate::jobs::{JobsMutation, JobsQuery, JobsSubscription};
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, api};
use crate::kernel::scalars::Duration;
use crate::keys::{KeysMutation, KeysQuery};
use crate::logs::LogsSubscription;
use crate::mail::MailMutation;
use crate::oidc::{Oidc, OidcMutation, OidcQuery, OidcSignIn};
use crate::orchestrators::{OrchestratorsMutation, OrchestratorsQuery};
use crate::quotas::{QuotasMutation, QuotasQuery};
use crate::servers::{ServersMutation, ServersQuery, ServersSubscription};
use crate::settings::{RegistrationMode, Settings, SettingsMutation, SettingsQuery};
use crate::terminals::{TerminalsMutation, TerminalsQuery, TerminalsSubscription};
use crate::variables::{VariablesMutation, VariablesQuery};

use super::graphql::limits::LEVELS;
use super::node::NodeQuery;
use crate::rate::Balance;

/// Reading.
#[derive(MergedObject, Default)]
pub struct Query(
    InfoQuery,
    NodeQuery,
    IdentityQuery,
    EventsQuery,
    JobsQuery,
    InsightQuery,
    PeopleQuery,
    AuditQuery,
    ExplainQuery,
    SettingsQuery,
    QuotasQuery,
    InvitesQuery,
    KeysQuery,
    OidcQuery,
    OrchestratorsQuery,
    VariablesQuery,
    ServersQuery,
    TerminalsQuery,
);

/// Changing. Every mutation returns the changed node and `userErrors`.
#[derive(MergedObject, Default)]
pub struct Mutation(
    IdentityMutation,
    EventsMutation,
    JobsMutation,
    CredentialsMutation,
    PeopleMutation,
    LinksMutation,
    FactorsMutation,
    SettingsMutation,
    MailMutation,
    QuotasMutation,
    InvitesMutation,
    KeysMutation,
    OidcMutation,
    OidcLinksMutation,
    OrchestratorsMutation,
    VariablesMutation,
    DefinitionsMutation,
    ServersMutation,
    TerminalsMutation,
);

/// Watching.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    InsightSubscription,
    JobsSubscription,
    LogsSubscription,
    ServersSubscription,
    TerminalsSubscription,
);

/// The schema of the API.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// The schema without its services: enough to print it.
pub fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .limit_recursive_depth(LEVELS as usize)
}

/// Sorted SDL with descriptions: what `schema.graphql` holds.
pub fn sdl() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .include_specified_by();
    let mut text = builder().finish().sdl_with_options(options);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Limits that a client can know beforehand.
#[derive(Debug, SimpleObject)]
pub struct ServerLimits {
    /// Largest source, in bytes.
    source_bytes: i32,
    /// Longest log line, in bytes; the rest of a longer one is dropped, with a record.
    log_line_bytes: i32,
    /// Largest log of one execution, in bytes.
    log_bytes: f64,
    /// Shortest timeout.
    min_timeout: Duration,
    /// Longest timeout.
    max_timeout: Duration,
}

/// What a client may know before anybody has signed in.
#[derive(Debug, SimpleObject)]
pub struct ServerInfo {
    /// Version of the server.
    version: String,
    /// Whether nobody has run anything on this installation.
    first_run: bool,
    /// Languages of scripts.
    languages: Vec<EventType>,
    /// Ways to sign in.
    sign_in_methods: Vec<SignInMethod>,
    /// The OpenID Connect provider; null: there is none.
    oidc: Option<OidcSignIn>,
    /// Who may make an account for themselves.
    registration: RegistrationMode,
    /// Limits.
    limits: ServerLimits,
}

/// How much the caller may still ask for.
#[derive(Debug, SimpleObject)]
pub struct RateLimit {
    /// What this operation costs.
    cost: i32,
    /// What a full bucket holds; an empty one fills within a minute, evenly.
    limit: i32,
    /// What is left after this operation.
    remaining: i32,
    /// When the bucket will be full again, if nothing more is asked.
    reset_at: Timestamp,
}

/// About the installation.
#[derive(Debug, Default)]
pub struct InfoQuery;

#[Object]
impl InfoQuery {
    /// The caller's rate limit; null where there is none. It is also in the headers of every answer.
    async fn rate_limit(&self, ctx: &async_graphql::Context<'_>) -> Option<RateLimit> {
        let balance = ctx.data_opt::<Balance>()?;
        let int = |number| i32::try_from(number).unwrap_or(i32::MAX);
        Some(RateLimit {
            cost: int(balance.cost),
            limit: int(balance.limit),
            remaining: int(balance.remaining),
            reset_at: balance.reset_at,
        })
    }

    /// Version, limits, and ways to sign in and up: public.
    async fn server_info(&self, ctx: &async_graphql::Context<'_>) -> ApiResult<ServerInfo> {
        let first_run = api(ctx, ctx.data::<crate::app::FirstRun>()?.pending().await)?;
        let settings = api(ctx, ctx.data::<Settings>()?.load().await)?;
        let oidc = api(ctx, ctx.data::<Oidc>()?.load().await)?;
        let by_provider = oidc.is_some().then_some(SignInMethod::Oidc);
        Ok(ServerInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            first_run,
            languages: vec![EventType::Bash, EventType::Python, EventType::Nodejs],
            sign_in_methods: [SignInMethod::Password].into_iter().chain(by_provider).collect(),
            oidc: oidc.map(Into::into),
            registration: settings.registration.into(),
            limits: ServerLimits {
                source_bytes: 1 << 20,
                log_line_bytes: 64 << 10,
                log_bytes: f64::from(100 << 20),
                min_timeout: Duration(1_000),
                max_timeout: Duration(86_400_000),
            },
        })
    }
}
