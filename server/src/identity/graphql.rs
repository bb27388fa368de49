//! Viewer, sign-in and profile.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use cronium_entity::enums::UserRole as RoleValue;

use crate::access::{Action, Permission, can};
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, ResponseCookies, UserError, api, op, payload};
use crate::kernel::ids::UserId;

use super::service::Identity;
use super::store::Row;

/// What a person may do in general.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "RoleValue")]
pub enum UserRole {
    /// Everything.
    Admin,
    /// Runs and stops what others wrote.
    Operator,
    /// Writes and runs their own events.
    Editor,
    /// Looks.
    Viewer,
}

/// A person with an account.
#[derive(Debug, Clone)]
pub struct User(pub Row);

/// A person with an account.
#[Object]
impl User {
    /// Global id.
    pub async fn id(&self) -> ID {
        UserId(self.0.id).global()
    }

    /// Address used to sign in.
    async fn email(&self) -> &str {
        &self.0.email
    }

    /// Name shown to others.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What the person may do in general.
    async fn role(&self) -> UserRole {
        self.0.role.into()
    }

    /// Language of the dashboard: en or es.
    async fn locale(&self) -> &str {
        &self.0.locale
    }

    /// When the account was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// What the viewer may do with this account.
    async fn viewer_can(&self, ctx: &Context<'_>) -> ApiResult<Vec<Permission>> {
        let mine = can(op(ctx)?, Action::ChangeOwnProfile, UserId(self.0.id), false);
        Ok(if mine {
            vec![Permission::Read, Permission::Change]
        } else {
            vec![Permission::Read]
        })
    }
}

/// Ways to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum SignInMethod {
    /// E-mail address and password.
    Password,
}

/// E-mail address and password.
#[derive(Debug, InputObject)]
pub struct SignInInput {
    /// Address of the account; case does not matter.
    pub email: String,
    /// The account's password.
    pub password: String,
    /// Also return the session's token, for `Authorization: Bearer`.
    #[graphql(default)]
    pub return_token: bool,
}

/// Result of signIn.
#[derive(SimpleObject)]
pub struct SignInPayload {
    /// Who is signed in now.
    viewer: Option<User>,
    /// The session's token, when it was asked for.
    access_token: Option<String>,
    /// When the session ends.
    expires_at: Option<Timestamp>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of signOut.
#[derive(SimpleObject)]
pub struct SignOutPayload {
    /// Whether there was a session to end.
    signed_out: bool,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Fields that are absent stay as they are.
#[derive(Debug, InputObject)]
pub struct UpdateProfileInput {
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// en or es.
    pub locale: Option<String>,
}

/// Result of updateProfile.
#[derive(SimpleObject)]
pub struct UpdateProfilePayload {
    /// The changed account.
    viewer: Option<User>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Current and new password.
#[derive(Debug, InputObject)]
pub struct ChangePasswordInput {
    /// To prove who asks.
    pub current_password: String,
    /// 12 to 256 characters.
    pub new_password: String,
}

/// Result of changePassword.
#[derive(SimpleObject)]
pub struct ChangePasswordPayload {
    /// The account.
    viewer: Option<User>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Queries about people.
#[derive(Debug, Default)]
pub struct IdentityQuery;

#[Object]
impl IdentityQuery {
    /// Who is signed in; null for nobody.
    async fn viewer(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        Ok(api(ctx, ctx.data::<Identity>()?.viewer(op(ctx)?).await)?.map(User))
    }
}

/// Mutations about people.
#[derive(Debug, Default)]
pub struct IdentityMutation;

#[Object]
impl IdentityMutation {
    /// Signs in: sets the session cookie, and returns a token when asked.
    async fn sign_in(&self, ctx: &Context<'_>, input: SignInInput) -> ApiResult<SignInPayload> {
        let result = ctx
            .data::<Identity>()?
            .sign_in(op(ctx)?, &input.email, input.password)
            .await;
        let (signed_in, user_errors) = payload(ctx, result)?;
        let Some(signed_in) = signed_in else {
            return Ok(SignInPayload {
                viewer: None,
                access_token: None,
                expires_at: None,
                user_errors,
            });
        };
        if let Some(cookies) = ctx.data_opt::<ResponseCookies>() {
            cookies.session(Some(&signed_in.token), signed_in.expires_at);
        }
        Ok(SignInPayload {
            viewer: Some(User(signed_in.user)),
            access_token: input.return_token.then_some(signed_in.token),
            expires_at: Some(signed_in.expires_at),
            user_errors,
        })
    }

    /// Ends the session that this request came with.
    async fn sign_out(&self, ctx: &Context<'_>) -> ApiResult<SignOutPayload> {
        let signed_out = api(ctx, ctx.data::<Identity>()?.sign_out(op(ctx)?).await)?;
        if let Some(cookies) = ctx.data_opt::<ResponseCookies>() {
            cookies.session(None, Timestamp::default());
        }
        Ok(SignOutPayload {
            signed_out,
            user_errors: Vec::new(),
        })
    }

    /// Changes the viewer's name or language.
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        input: UpdateProfileInput,
    ) -> ApiResult<UpdateProfilePayload> {
        let result = ctx
            .data::<Identity>()?
            .update_profile(op(ctx)?, input.name, input.locale)
            .await;
        let (viewer, user_errors) = payload(ctx, result)?;
        Ok(UpdateProfilePayload {
            viewer: viewer.map(User),
            user_errors,
        })
    }

    /// Changes the viewer's password and ends their other sessions.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        input: ChangePasswordInput,
    ) -> ApiResult<ChangePasswordPayload> {
        let identity = ctx.data::<Identity>()?;
        let result = identity
            .change_password(op(ctx)?, input.current_password, input.new_password)
            .await;
        let (viewer, user_errors) = payload(ctx, result)?;
        Ok(ChangePasswordPayload {
            viewer: viewer.map(User),
            user_errors,
        })
    }
}
