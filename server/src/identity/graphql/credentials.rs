//! Sessions and API tokens in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use crate::access::{Action, ResourceKind};
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, UserError, loaded, op, payload};
use crate::kernel::ids::{ApiTokenId, SessionId, UserId};
use crate::kernel::permission::Permissions;

use super::super::loader::ApiTokenLoader;
use super::super::service::Identity;
use super::super::sessions::sees;
use super::super::store::sessions::SessionRow;
use super::super::store::tokens::TokenRow;
use super::super::tokens::{NewToken, PREFIX};

/// One sign-in that is not over.
#[derive(Debug, Clone)]
pub struct Session(pub SessionRow);

/// One sign-in that is not over.
#[Object]
impl Session {
    /// Global id.
    pub async fn id(&self) -> ID {
        SessionId(self.0.id).global()
    }

    /// When it began.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When it ends by itself.
    async fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// When it was last used, to the minute.
    async fn last_seen_at(&self) -> Timestamp {
        self.0.last_seen_at
    }

    /// Network address that it began from.
    async fn address(&self) -> Option<&str> {
        self.0.address.as_deref()
    }

    /// What the client said it is.
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }

    /// Whether this request came with it.
    async fn current(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        Ok(op(ctx)?.session() == Some(SessionId(self.0.id)))
    }
}

/// Whether an API token works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ApiTokenStatus {
    /// It works.
    Active,
    /// Its time is over.
    Expired,
    /// It was made useless.
    Revoked,
}

/// A secret for a program, limited and expiring.
#[derive(Debug, Clone)]
pub struct ApiToken(pub TokenRow);

/// A secret for a program, limited and expiring.
#[Object]
impl ApiToken {
    /// Global id.
    pub async fn id(&self) -> ID {
        ApiTokenId(self.0.id).global()
    }

    /// What it is for.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// How the secret begins and ends: enough to know it, not to use it.
    async fn hint(&self) -> String {
        format!("{PREFIX}…{}", self.0.hint)
    }

    /// What it is limited to; null: all that its user may do.
    async fn scopes(&self) -> Option<Vec<Action>> {
        Some(
            Permissions::named(self.0.permissions.as_deref()?)
                .iter()
                .collect(),
        )
    }

    /// Kinds of resources that it is limited to; null: all.
    async fn resource_kinds(&self) -> Option<Vec<ResourceKind>> {
        let names = self.0.kinds.as_deref()?;
        let kinds = ResourceKind::ALL.into_iter();
        Some(
            kinds
                .filter(|kind| names.iter().any(|name| name == kind.name()))
                .collect(),
        )
    }

    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When it stops working by itself.
    async fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// When it was last used, to the minute.
    async fn last_used_at(&self) -> Option<Timestamp> {
        self.0.last_used_at
    }

    /// When it was revoked.
    async fn revoked_at(&self) -> Option<Timestamp> {
        self.0.revoked_at
    }

    /// Whether it works.
    async fn status(&self, ctx: &Context<'_>) -> ApiResult<ApiTokenStatus> {
        Ok(if self.0.revoked_at.is_some() {
            ApiTokenStatus::Revoked
        } else if self.0.expires_at <= ctx.data::<Identity>()?.kernel.now() {
            ApiTokenStatus::Expired
        } else {
            ApiTokenStatus::Active
        })
    }
}

/// The API token that something was done with, for those who may see it.
pub async fn token_of(ctx: &Context<'_>, id: Option<uuid::Uuid>) -> ApiResult<Option<ApiToken>> {
    let Some(id) = id else { return Ok(None) };
    let loader = ctx.data::<DataLoader<ApiTokenLoader>>()?;
    let row = loaded(ctx, loader.load_one(ApiTokenId(id)).await)?;
    let op = op(ctx)?;
    Ok(row.filter(|row| sees(op, UserId(row.user_id))).map(ApiToken))
}

/// What a new API token may do, and for how long.
#[derive(Debug, InputObject)]
pub struct CreateApiTokenInput {
    /// What it is for: 1 to 100 characters.
    pub name: String,
    /// What it may do: nothing that you may not do yourself. Absent: all that you may do, now and later.
    pub scopes: Option<Vec<Action>>,
    /// Limits it to these kinds of resources.
    pub resource_kinds: Option<Vec<ResourceKind>>,
    /// At most 366 days from now; 90 days when absent.
    pub expires_at: Option<Timestamp>,
}

/// Result of createApiToken.
#[derive(SimpleObject)]
pub struct CreateApiTokenPayload {
    /// The new token.
    api_token: Option<ApiToken>,
    /// For `Authorization: Bearer`. It is shown this once and can't be read again.
    secret: Option<String>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Which API token.
#[derive(Debug, InputObject)]
pub struct RevokeApiTokenInput {
    /// Global id of the token.
    pub id: ID,
}

/// Result of revokeApiToken.
#[derive(SimpleObject)]
pub struct RevokeApiTokenPayload {
    /// The token, useless now.
    api_token: Option<ApiToken>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Which session.
#[derive(Debug, InputObject)]
pub struct RevokeSessionInput {
    /// Global id of the session.
    pub id: ID,
}

/// Result of revokeSession.
#[derive(SimpleObject)]
pub struct RevokeSessionPayload {
    /// The session, which is over.
    session: Option<Session>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of revokeOtherSessions.
#[derive(SimpleObject)]
pub struct RevokeOtherSessionsPayload {
    /// How many sessions were ended.
    revoked_count: Option<i32>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of sessions and API tokens.
#[derive(Debug, Default)]
pub struct CredentialsMutation;

#[Object]
impl CredentialsMutation {
    /// Ends one of the viewer's sessions. What is open with it closes within 5 s.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session.")] input: RevokeSessionInput,
    ) -> ApiResult<RevokeSessionPayload> {
        let result = match SessionId::parse(&input.id) {
            Ok(id) => ctx.data::<Identity>()?.revoke_session(op(ctx)?, id).await,
            Err(e) => Err(e),
        };
        let (session, user_errors) = payload(ctx, result)?;
        Ok(RevokeSessionPayload {
            session: session.map(Session),
            user_errors,
        })
    }

    /// Ends all of the viewer's sessions but the one that this request came with. What is open with them closes
    /// within 5 s.
    async fn revoke_other_sessions(&self, ctx: &Context<'_>) -> ApiResult<RevokeOtherSessionsPayload> {
        let result = ctx.data::<Identity>()?.revoke_other_sessions(op(ctx)?).await;
        let (ended, user_errors) = payload(ctx, result)?;
        Ok(RevokeOtherSessionsPayload {
            revoked_count: ended.map(|count| i32::try_from(count).unwrap_or(i32::MAX)),
            user_errors,
        })
    }

    /// Makes an API token for the viewer. Its secret is in this answer only.
    async fn create_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it may do.")] input: CreateApiTokenInput,
    ) -> ApiResult<CreateApiTokenPayload> {
        let new = NewToken {
            name: input.name,
            scopes: input.scopes,
            kinds: input.resource_kinds,
            expires_at: input.expires_at,
        };
        let result = ctx.data::<Identity>()?.create_token(op(ctx)?, new).await;
        let (made, user_errors) = payload(ctx, result)?;
        let (token, secret) = made.unzip();
        Ok(CreateApiTokenPayload {
            api_token: token.map(ApiToken),
            secret,
            user_errors,
        })
    }

    /// Makes an API token useless at once, and every token that was made with it.
    async fn revoke_api_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which token.")] input: RevokeApiTokenInput,
    ) -> ApiResult<RevokeApiTokenPayload> {
        let result = match ApiTokenId::parse(&input.id) {
            Ok(id) => ctx.data::<Identity>()?.revoke_token(op(ctx)?, id).await,
            Err(e) => Err(e),
        };
        let (token, user_errors) = payload(ctx, result)?;
        Ok(RevokeApiTokenPayload {
            api_token: token.map(ApiToken),
            user_errors,
        })
    }
}
