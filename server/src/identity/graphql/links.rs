//! Forgotten passwords, invitations and signing up in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use crate::kernel::api::{ApiResult, UserError, op, payload};
use crate::kernel::error::{Error, UserErrorCode};
use crate::kernel::ids::RoleId;
use crate::kernel::{Result, Timestamp};

use super::super::links::{Invitation as Made, SignUp};
use super::super::model;
use super::super::service::Identity;
use super::UserRole;

/// Whose password is forgotten.
#[derive(Debug, InputObject)]
pub struct RequestPasswordResetInput {
    /// Address of the account.
    pub email: String,
}

/// Result of requestPasswordReset.
#[derive(SimpleObject)]
pub struct RequestPasswordResetPayload {
    /// The request was taken. If there is such an account, a mail is on its way.
    accepted: bool,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// A new password, with the secret of a link.
#[derive(InputObject)]
pub struct ResetPasswordInput {
    /// `token` of the link in the mail.
    pub token: String,
    /// 12 to 256 characters.
    pub new_password: String,
}

/// Result of resetPassword.
#[derive(SimpleObject)]
pub struct ResetPasswordPayload {
    /// Whether the password is set. Sign in with it now.
    changed: bool,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Who is invited, as what.
#[derive(Debug, InputObject)]
pub struct InviteUserInput {
    /// Where the mail goes.
    pub email: String,
    /// How the person is called, if that is known.
    pub name: Option<String>,
    /// A built-in role; VIEWER when neither this nor `roleId` is given.
    pub role: Option<UserRole>,
    /// Global id of a role, built-in or custom; not together with `role`.
    pub role_id: Option<ID>,
    /// Language of the mail: en or es.
    #[graphql(default_with = "\"en\".to_owned()")]
    pub locale: String,
}

/// An invitation that was made.
#[derive(Debug, SimpleObject)]
pub struct Invitation {
    /// Who is invited.
    email: String,
    /// The link, this once: it makes the account, so it is as good as a password.
    url: String,
    /// When the link stops working.
    expires_at: Timestamp,
}

impl From<Made> for Invitation {
    fn from(made: Made) -> Self {
        Self {
            email: made.email,
            url: made.url,
            expires_at: made.expires_at,
        }
    }
}

/// Result of inviteUser.
#[derive(SimpleObject)]
pub struct InviteUserPayload {
    /// The invitation.
    invitation: Option<Invitation>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// First with `email` and `name`, which sends a mail where everybody may sign up; then, as after an invitation,
/// with `token` and `password`.
#[derive(InputObject)]
pub struct SignUpInput {
    /// Address to send a link to.
    pub email: Option<String>,
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// `token` of the link in the mail.
    pub token: Option<String>,
    /// 12 to 256 characters.
    pub password: Option<String>,
    /// en or es.
    #[graphql(default_with = "\"en\".to_owned()")]
    pub locale: String,
}

/// How far a sign-up got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "SignUp")]
pub enum SignUpStatus {
    /// If the address may sign up, a mail with a link is on its way.
    MailSent,
    /// The account can be used: sign in.
    Active,
    /// An administrator has to approve.
    Pending,
}

/// Result of signUp.
#[derive(SimpleObject)]
pub struct SignUpPayload {
    /// How far it got.
    status: Option<SignUpStatus>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations with links from mails.
#[derive(Debug, Default)]
pub struct LinksMutation;

#[Object]
impl LinksMutation {
    /// Asks for a mail to set a new password with. The answer is the same whether there is an account or not.
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose password.")] input: RequestPasswordResetInput,
    ) -> ApiResult<RequestPasswordResetPayload> {
        let result = ctx.data::<Identity>()?.request_reset(op(ctx)?, &input.email);
        let (accepted, user_errors) = payload(ctx, result)?;
        Ok(RequestPasswordResetPayload {
            accepted: accepted.is_some(),
            user_errors,
        })
    }

    /// Sets a new password with the link of a mail, once. All of the account's sessions end.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The link's secret, and the password.")] input: ResetPasswordInput,
    ) -> ApiResult<ResetPasswordPayload> {
        let identity = ctx.data::<Identity>()?;
        let result = identity
            .reset_password(op(ctx)?, &input.token, input.new_password)
            .await;
        let (changed, user_errors) = payload(ctx, result)?;
        Ok(ResetPasswordPayload {
            changed: changed.is_some(),
            user_errors,
        })
    }

    /// Invites somebody. Needs MANAGE_USERS.
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, as what.")] input: InviteUserInput,
    ) -> ApiResult<InviteUserPayload> {
        let by_name = input.role.is_some();
        let role = match (input.role, input.role_id) {
            (Some(_), Some(_)) => {
                let message = "Give `role` or `roleId`, not both.";
                Err(Error::field(UserErrorCode::Invalid, "roleId", message))
            }
            (role, None) => Ok(model::id_of(role.unwrap_or(UserRole::Viewer).into())),
            (None, Some(id)) => Ok(RoleId::parse(&id).unwrap_or(RoleId(uuid::Uuid::nil()))),
        };
        let result = match (role, locale(&input.locale)) {
            (Ok(role), Ok(locale)) => {
                let identity = ctx.data::<Identity>()?;
                identity
                    .invite(op(ctx)?, &input.email, input.name, role, locale)
                    .await
            }
            (Err(e), _) | (_, Err(e)) => Err(e),
        };
        let result = result.map_err(|e| {
            if by_name {
                e.at_instead("roleId", "role")
            } else {
                e
            }
        });
        let (made, user_errors) = payload(ctx, result)?;
        Ok(InviteUserPayload {
            invitation: made.map(Into::into),
            user_errors,
        })
    }

    /// Signs up: asks for a mail, or makes the account with the link of one.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An address and a name, or a link's secret and a password.")] input: SignUpInput,
    ) -> ApiResult<SignUpPayload> {
        let (identity, op) = (ctx.data::<Identity>()?, op(ctx)?);
        let result = match (locale(&input.locale), input.token, input.email) {
            (Err(e), ..) => Err(e),
            (Ok(locale), Some(token), None) => {
                let password = input.password.unwrap_or_default();
                identity
                    .finish_sign_up(op, &token, input.name, password, locale)
                    .await
            }
            (Ok(locale), None, email) => {
                let (email, name) = (email.unwrap_or_default(), input.name.unwrap_or_default());
                identity.begin_sign_up(op, &email, &name, locale).await
            }
            (Ok(_), Some(_), Some(_)) => {
                let message = "Give `token` or `email`, not both.";
                Err(Error::field(UserErrorCode::Invalid, "email", message))
            }
        };
        let (status, user_errors) = payload(ctx, result)?;
        Ok(SignUpPayload {
            status: status.map(Into::into),
            user_errors,
        })
    }
}

pub(super) fn locale(asked: &str) -> Result<&'static str> {
    match asked {
        "en" => Ok("en"),
        "es" => Ok("es"),
        _ => Err(Error::field(
            UserErrorCode::Unsupported,
            "locale",
            "The languages are en and es.",
        )),
    }
}
