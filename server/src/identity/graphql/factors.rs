//! The second factor in the API.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::kernel::api::{ApiResult, UserError, op, payload};
use crate::kernel::ids::UserId;

use super::super::service::Identity;
use super::User;

/// Result of beginTotp.
#[derive(SimpleObject)]
pub struct BeginTotpPayload {
    /// For typing into an authenticator app, this once.
    secret: Option<String>,
    /// The same as an address, for a QR code.
    url: Option<String>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// A first code, and the password.
#[derive(InputObject)]
pub struct ConfirmTotpInput {
    /// The present code of the app: six digits.
    pub code: String,
    /// The account's password, to prove who asks.
    pub password: String,
}

/// Result of confirmTotp.
#[derive(SimpleObject)]
pub struct ConfirmTotpPayload {
    /// For when the app is lost: each works once, and they are shown this once.
    recovery_codes: Option<Vec<String>>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// A code, and the password.
#[derive(InputObject)]
pub struct DisableTotpInput {
    /// The present code of the app, or a recovery code.
    pub code: String,
    /// The account's password, to prove who asks.
    pub password: String,
}

/// Result of disableTotp.
#[derive(SimpleObject)]
pub struct DisableTotpPayload {
    /// Whether there is no second factor now.
    disabled: bool,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Whose second factor is lost.
#[derive(Debug, InputObject)]
pub struct ResetUserTotpInput {
    /// Global id of the person.
    pub id: ID,
}

/// Result of resetUserTotp.
#[derive(SimpleObject)]
pub struct ResetUserTotpPayload {
    /// The person, who signs in with the password alone now.
    user: Option<User>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of the second factor.
#[derive(Debug, Default)]
pub struct FactorsMutation;

#[Object]
impl FactorsMutation {
    /// Draws a secret for an authenticator app (TOTP: SHA-1, six digits, 30 s). It is in force after confirmTotp.
    async fn begin_totp(&self, ctx: &Context<'_>) -> ApiResult<BeginTotpPayload> {
        let result = ctx.data::<Identity>()?.begin_totp(op(ctx)?).await;
        let (begun, user_errors) = payload(ctx, result)?;
        let (secret, url) = begun.map(|begun| (begun.secret, begun.url)).unzip();
        Ok(BeginTotpPayload {
            secret,
            url,
            user_errors,
        })
    }

    /// Puts the second factor in force: from now on signing in needs a code.
    async fn confirm_totp(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A first code, and the password.")] input: ConfirmTotpInput,
    ) -> ApiResult<ConfirmTotpPayload> {
        let identity = ctx.data::<Identity>()?;
        let result = identity.confirm_totp(op(ctx)?, input.password, &input.code).await;
        let (recovery_codes, user_errors) = payload(ctx, result)?;
        Ok(ConfirmTotpPayload {
            recovery_codes,
            user_errors,
        })
    }

    /// Removes the second factor.
    async fn disable_totp(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "A code, and the password.")] input: DisableTotpInput,
    ) -> ApiResult<DisableTotpPayload> {
        let identity = ctx.data::<Identity>()?;
        let result = identity.disable_totp(op(ctx)?, input.password, &input.code).await;
        let (disabled, user_errors) = payload(ctx, result)?;
        Ok(DisableTotpPayload {
            disabled: disabled.is_some(),
            user_errors,
        })
    }

    /// Removes the second factor of another person, who lost it. Needs MANAGE_USERS.
    async fn reset_user_totp(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose.")] input: ResetUserTotpInput,
    ) -> ApiResult<ResetUserTotpPayload> {
        let result = match UserId::parse(&input.id) {
            Ok(id) => ctx.data::<Identity>()?.reset_totp(op(ctx)?, id).await,
            Err(e) => Err(e),
        };
        let (user, user_errors) = payload(ctx, result)?;
        Ok(ResetUserTotpPayload {
            user: user.map(User),
            user_errors,
        })
    }
}
