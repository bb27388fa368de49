//! Viewer, sign-in and profile.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use cronium_entity::enums::{UserRole as RoleValue, UserStatus as StatusValue};

use crate::access::{Action, Permission, can, decide};
use crate::kernel::api::{ApiResult, ResponseCookies, UserError, api, loaded, op, payload};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::paging::{ConnectionOf, PageArgs};
use crate::kernel::{Error, Timestamp};
use crate::quotas::Quota;

use super::loader::{OidcLinksLoader, RoleLoader, TotpLoader};
use super::refresh::Tokens;
use super::service::{Identity, SignedIn};
use super::store::{self, Row};
use admin::Role;
use credentials::{ApiToken, Session};
use oidc::OidcLink;

pub mod admin;
pub mod credentials;
pub mod factors;
pub mod invites;
pub mod links;
pub mod oidc;

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

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "StatusValue")]
pub enum UserStatus {
    /// In use.
    Active,
    /// Locked out by an administrator.
    Disabled,
    /// Waits for an administrator.
    Pending,
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

    /// The built-in role; VIEWER for a person with a custom one, see `assignedRole`.
    async fn role(&self) -> UserRole {
        self.0.role.into()
    }

    /// The role, built-in or custom.
    async fn assigned_role(&self, ctx: &Context<'_>) -> ApiResult<Role> {
        role_of(ctx, &self.0).await
    }

    /// What the role allows. A token of the person may allow less: see `ApiToken.scopes`.
    async fn permissions(&self, ctx: &Context<'_>) -> ApiResult<Vec<Action>> {
        let role = role_of(ctx, &self.0).await?;
        Ok(role.0.permissions.iter().collect())
    }

    /// Whether the account can be used.
    async fn status(&self) -> UserStatus {
        self.0.status.into()
    }

    /// Whether signing in needs a second factor; null for those who may not know.
    async fn totp_enabled(&self, ctx: &Context<'_>) -> ApiResult<Option<bool>> {
        let (op, id) = (op(ctx)?, UserId(self.0.id));
        if op.user() != Some(id) && decide(op, Action::ManageUsers).is_err() {
            return Ok(None);
        }
        let loader = ctx.data::<DataLoader<TotpLoader>>()?;
        Ok(Some(loaded(ctx, loader.load_one(id).await)?.is_some()))
    }

    /// Whether the account has a password: one made by an OpenID Connect provider has none until it is reset. Null for
    /// those who may not know.
    async fn has_password(&self, ctx: &Context<'_>) -> ApiResult<Option<bool>> {
        let op = op(ctx)?;
        let known = op.user() == Some(UserId(self.0.id)) || decide(op, Action::ManageUsers).is_ok();
        Ok(known.then_some(!self.0.password_hash.is_empty()))
    }

    /// Accounts at OpenID Connect providers that open this one; null for those who may not know.
    async fn oidc_links(&self, ctx: &Context<'_>) -> ApiResult<Option<Vec<OidcLink>>> {
        let (op, id) = (op(ctx)?, UserId(self.0.id));
        if op.user() != Some(id) && decide(op, Action::ManageUsers).is_err() {
            return Ok(None);
        }
        let loader = ctx.data::<DataLoader<OidcLinksLoader>>()?;
        let links = loaded(ctx, loader.load_one(id).await)?.unwrap_or_default();
        Ok(Some(links.into_iter().map(OidcLink).collect()))
    }

    /// The last sign-in; null for those who may not know.
    async fn last_sign_in_at(&self, ctx: &Context<'_>) -> ApiResult<Option<Timestamp>> {
        let op = op(ctx)?;
        let known = op.user() == Some(UserId(self.0.id)) || decide(op, Action::ManageUsers).is_ok();
        Ok(self.0.last_sign_in_at.filter(|_| known))
    }

    /// Sign-ins that are not over, newest first: of oneself, or for those who manage users.
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<Session>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let args = args.counting(ctx.look_ahead().field("totalCount").exists());
        let found = ctx
            .data::<Identity>()?
            .sessions(op(ctx)?, UserId(self.0.id), &args)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, store::sessions::cursor, Session))
    }

    /// Limits and what is used of them: of oneself, or for those who manage users; null for others.
    async fn quotas(&self, ctx: &Context<'_>) -> ApiResult<Option<Vec<Quota>>> {
        let (op, id) = (op(ctx)?, UserId(self.0.id));
        if op.user() != Some(id) && decide(op, Action::ManageUsers).is_err() {
            return Ok(None);
        }
        Quota::of(ctx, id).await.map(Some)
    }

    /// API tokens, also those that work no more, newest first: of oneself, or for those who manage users.
    async fn api_tokens(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<ApiToken>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let args = args.counting(ctx.look_ahead().field("totalCount").exists());
        let found = ctx
            .data::<Identity>()?
            .tokens(op(ctx)?, UserId(self.0.id), &args)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, store::tokens::cursor, ApiToken))
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
        let op = op(ctx)?;
        let mine = can(op, Action::ChangeOwnProfile, UserId(self.0.id), false);
        let manages = decide(op, Action::ManageUsers).is_ok();
        // Nobody changes an account that may do more than they.
        let below = manages
            && role_of(ctx, &self.0)
                .await?
                .0
                .permissions
                .within(op.permissions());
        Ok(if mine || below {
            vec![Permission::Read, Permission::Change]
        } else {
            vec![Permission::Read]
        })
    }
}

async fn role_of(ctx: &Context<'_>, row: &Row) -> ApiResult<Role> {
    let Some(id) = row.role_id else {
        return Ok(Role(row.role.into()));
    };
    let loader = ctx.data::<DataLoader<RoleLoader>>()?;
    let role = loaded(ctx, loader.load_one(RoleId(id)).await)?;
    Ok(Role(api(ctx, role.ok_or(Error::NotFound("role")))?))
}

/// Ways to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum SignInMethod {
    /// E-mail address and password.
    Password,
    /// An OpenID Connect provider: see `serverInfo.oidc`.
    Oidc,
}

/// E-mail address and password.
#[derive(Debug, InputObject)]
pub struct SignInInput {
    /// Address of the account; case does not matter.
    pub email: String,
    /// The account's password.
    pub password: String,
    /// The code of an authenticator app, or a recovery code, where the account has a second factor.
    pub code: Option<String>,
    /// Also return the session's token, for `Authorization: Bearer`.
    #[graphql(default)]
    pub return_token: bool,
    /// For frontends elsewhere: return an access token that lasts ten minutes (a JWT) and a refresh token, and set no
    /// cookie.
    #[graphql(default)]
    pub refreshable: bool,
}

/// Result of signIn and refreshToken.
#[derive(Default, SimpleObject)]
pub struct SignInPayload {
    /// Who is signed in now.
    viewer: Option<User>,
    /// For `Authorization: Bearer`, when it was asked for: the session's token, or a JWT.
    access_token: Option<String>,
    /// When the access token stops working.
    access_token_expires_at: Option<Timestamp>,
    /// For `refreshToken`, once.
    refresh_token: Option<String>,
    /// When the session ends.
    expires_at: Option<Timestamp>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

impl SignInPayload {
    /// Nobody is signed in.
    pub fn refused(user_errors: Vec<UserError>) -> Self {
        Self {
            user_errors,
            ..Self::default()
        }
    }

    /// A session of a browser.
    pub fn with_cookie(ctx: &Context<'_>, signed_in: SignedIn, return_token: bool) -> Self {
        if let Some(cookies) = ctx.data_opt::<ResponseCookies>() {
            cookies.session(Some(&signed_in.token), signed_in.expires_at);
        }
        Self {
            viewer: Some(User(signed_in.user)),
            access_token_expires_at: return_token.then_some(signed_in.expires_at),
            access_token: return_token.then_some(signed_in.token),
            refresh_token: None,
            expires_at: Some(signed_in.expires_at),
            user_errors: Vec::new(),
        }
    }

    /// A session of a frontend elsewhere.
    pub async fn with_tokens(ctx: &Context<'_>, signed_in: SignedIn) -> ApiResult<Self> {
        let id = UserId(signed_in.user.id);
        let tokens = ctx.data::<Identity>()?.tokens_for(id, signed_in.session).await;
        let tokens = api(ctx, tokens)?;
        Ok(Self::refreshable(signed_in.user, tokens, signed_in.expires_at))
    }

    fn refreshable(user: Row, tokens: Tokens, expires_at: Timestamp) -> Self {
        Self {
            viewer: Some(User(user)),
            access_token: Some(tokens.access),
            access_token_expires_at: Some(tokens.access_until),
            refresh_token: Some(tokens.refresh),
            expires_at: Some(expires_at),
            user_errors: Vec::new(),
        }
    }
}

/// A refresh token.
#[derive(InputObject)]
pub struct RefreshTokenInput {
    /// As it came from signIn or the last refreshToken.
    pub refresh_token: String,
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
            .sign_in(op(ctx)?, &input.email, input.password, input.code.as_deref())
            .await;
        let (signed_in, user_errors) = payload(ctx, result)?;
        match signed_in {
            Some(signed_in) if input.refreshable => SignInPayload::with_tokens(ctx, signed_in).await,
            Some(signed_in) => Ok(SignInPayload::with_cookie(ctx, signed_in, input.return_token)),
            None => Ok(SignInPayload::refused(user_errors)),
        }
    }

    /// Gives a new access token and a new refresh token for one that was not used yet. One that was used before
    /// ends its session.
    async fn refresh_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token.")] input: RefreshTokenInput,
    ) -> ApiResult<SignInPayload> {
        let result = ctx
            .data::<Identity>()?
            .refresh(op(ctx)?, &input.refresh_token)
            .await;
        let (fresh, user_errors) = payload(ctx, result)?;
        Ok(match fresh {
            Some((user, tokens, expires_at)) => SignInPayload::refreshable(user, tokens, expires_at),
            None => SignInPayload::refused(user_errors),
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
