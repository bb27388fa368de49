//! Invitations that were written, in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use cronium_entity::enums::UserRole as RoleValue;

use crate::kernel::api::{ApiResult, UserError, api, loaded, op, payload};
use crate::kernel::ids::{InviteId, RoleId, UserId};
use crate::kernel::paging::{ConnectionOf, PageArgs};
use crate::kernel::{Error, Timestamp};

use super::super::loader::{RoleLoader, UserLoader};
use super::super::service::Identity;
use super::super::store::links::{InviteFilter as Filter, InviteState, LinkRow, cursor};
use super::User;
use super::admin::Role;
use super::links::{Invitation, locale};

/// Whether an invitation can still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "InviteState")]
pub enum InviteStatus {
    /// Its link works.
    Open,
    /// It made an account.
    Used,
    /// Its time is over; it can be sent again.
    Expired,
}

/// An invitation that was written. Its link is known to whoever got it only.
#[derive(Debug, Clone)]
pub struct Invite(pub LinkRow);

/// An invitation that was written. Its link is known to whoever got it only.
#[Object]
impl Invite {
    /// Global id.
    pub async fn id(&self) -> ID {
        InviteId(self.0.id).global()
    }

    /// Who is invited.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// How the person is called, if that was said.
    async fn name(&self) -> Option<&str> {
        Some(self.0.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The role that the account gets.
    async fn role(&self, ctx: &Context<'_>) -> ApiResult<Role> {
        let Some(id) = self.0.role_id else {
            return Ok(Role(RoleValue::into(self.0.role)));
        };
        let loader = ctx.data::<DataLoader<RoleLoader>>()?;
        let role = loaded(ctx, loader.load_one(RoleId(id)).await)?;
        Ok(Role(api(ctx, role.ok_or(Error::NotFound("role")))?))
    }

    /// Who wrote it, or sent it again.
    async fn invited_by(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        let Some(id) = self.0.created_by else {
            return Ok(None);
        };
        let loader = ctx.data::<DataLoader<UserLoader>>()?;
        loaded(ctx, loader.load_one(UserId(id)).await)
    }

    /// Whether it can still be used.
    async fn status(&self, ctx: &Context<'_>) -> ApiResult<InviteStatus> {
        Ok(if self.0.used_at.is_some() {
            InviteStatus::Used
        } else if self.0.expires_at <= ctx.data::<Identity>()?.kernel.now() {
            InviteStatus::Expired
        } else {
            InviteStatus::Open
        })
    }

    /// When it was written.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When its link stops working.
    async fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }
}

/// Narrows a list of invitations; all given conditions hold.
#[derive(Debug, Default, InputObject)]
pub struct InviteFilter {
    /// Part of the name or of the e-mail address.
    pub text: Option<String>,
    /// In this state.
    pub status: Option<InviteStatus>,
}

/// Which invitation.
#[derive(Debug, InputObject)]
pub struct RevokeInviteInput {
    /// Global id of the invitation.
    pub id: ID,
}

/// Result of revokeInvite.
#[derive(SimpleObject)]
pub struct RevokeInvitePayload {
    /// Id of the invitation that is gone.
    deleted_id: Option<ID>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Which invitation, in which language.
#[derive(Debug, InputObject)]
pub struct ResendInviteInput {
    /// Global id of the invitation.
    pub id: ID,
    /// Language of the mail: en or es.
    #[graphql(default_with = "\"en\".to_owned()")]
    pub locale: String,
}

/// Result of resendInvite.
#[derive(SimpleObject)]
pub struct ResendInvitePayload {
    /// The invitation with its new link.
    invitation: Option<Invitation>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Queries of invitations.
#[derive(Debug, Default)]
pub struct InvitesQuery;

#[Object]
impl InvitesQuery {
    /// Invitations, newest first, also those that were used or are too old: for thirty days. Needs MANAGE_USERS.
    async fn invites(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the list.")] filter: Option<InviteFilter>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<Invite>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let args = args.counting(ctx.look_ahead().field("totalCount").exists());
        let filter = filter.unwrap_or_default();
        let filter = Filter {
            text: filter.text,
            state: filter.status.map(Into::into),
        };
        let found = ctx.data::<Identity>()?.invites(op(ctx)?, &filter, &args).await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, cursor, Invite))
    }
}

/// Mutations of invitations.
#[derive(Debug, Default)]
pub struct InvitesMutation;

#[Object]
impl InvitesMutation {
    /// Takes an invitation back. Needs MANAGE_USERS.
    async fn revoke_invite(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which invitation.")] input: RevokeInviteInput,
    ) -> ApiResult<RevokeInvitePayload> {
        let result = match InviteId::parse(&input.id) {
            Ok(id) => ctx.data::<Identity>()?.revoke_invite(op(ctx)?, id).await,
            Err(e) => Err(e),
        };
        let (deleted, user_errors) = payload(ctx, result)?;
        Ok(RevokeInvitePayload {
            deleted_id: deleted.map(InviteId::global),
            user_errors,
        })
    }

    /// Sends an invitation again, with a new link instead of the old one. Needs MANAGE_USERS.
    async fn resend_invite(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which invitation.")] input: ResendInviteInput,
    ) -> ApiResult<ResendInvitePayload> {
        let result = match (InviteId::parse(&input.id), locale(&input.locale)) {
            (Ok(id), Ok(locale)) => {
                let identity = ctx.data::<Identity>()?;
                identity.resend_invite(op(ctx)?, id, locale).await
            }
            (Err(e), _) | (_, Err(e)) => Err(e),
        };
        let (made, user_errors) = payload(ctx, result)?;
        Ok(ResendInvitePayload {
            invitation: made.map(Into::into),
            user_errors,
        })
    }
}
