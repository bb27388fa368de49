//! Accounts at OpenID Connect providers that open accounts here, in the API.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, UserError, op, payload};
use crate::kernel::ids::OidcLinkId;

use super::super::service::Identity;
use super::super::store::oidc::OidcLinkRow;

/// An account at an OpenID Connect provider that opens an account here.
#[derive(Debug, Clone)]
pub struct OidcLink(pub OidcLinkRow);

/// An account at an OpenID Connect provider that opens an account here.
#[Object]
impl OidcLink {
    /// Global id.
    pub async fn id(&self) -> ID {
        OidcLinkId(self.0.id).global()
    }

    /// The provider.
    async fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The address that the provider said last; null when it said none.
    async fn email(&self) -> Option<&str> {
        Some(self.0.email.as_str()).filter(|email| !email.is_empty())
    }

    /// When it was used first.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When it was used last.
    async fn last_used_at(&self) -> Timestamp {
        self.0.last_used_at
    }
}

/// Which link.
#[derive(Debug, InputObject)]
pub struct RemoveOidcLinkInput {
    /// Global id of the link.
    pub id: ID,
}

/// Result of removeOidcLink.
#[derive(SimpleObject)]
pub struct RemoveOidcLinkPayload {
    /// The link that was removed.
    link: Option<OidcLink>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of links with a provider.
#[derive(Debug, Default)]
pub struct OidcLinksMutation;

#[Object]
impl OidcLinksMutation {
    /// Removes a link with a provider: one's own, unless it is the last way to sign in, with MANAGE_ACCOUNT; anybody's
    /// with MANAGE_USERS. Sessions stay.
    async fn remove_oidc_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which link.")] input: RemoveOidcLinkInput,
    ) -> ApiResult<RemoveOidcLinkPayload> {
        let removed = match OidcLinkId::parse(&input.id) {
            Ok(id) => ctx.data::<Identity>()?.remove_oidc_link(op(ctx)?, id).await,
            Err(error) => Err(error),
        };
        let (link, user_errors) = payload(ctx, removed)?;
        Ok(RemoveOidcLinkPayload {
            link: link.map(OidcLink),
            user_errors,
        })
    }
}
