//! The provider in the API: its settings for administrators, and the second half of signing in by it.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::identity::{Role, SignInPayload};
use crate::kernel::api::{ApiResult, UserError, api, op, payload};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::RoleId;
use crate::kernel::{Error, Result};
use crate::settings::RegistrationMode;

use super::model::Provider;
use super::service::{Oidc, START};

/// The way to sign in by an OpenID Connect provider, for everybody to see.
#[derive(Debug, SimpleObject)]
pub struct OidcSignIn {
    /// What the button says after "Continue with".
    label: String,
    /// Where the button leads: a path on this host. It takes `returnTo`, a path of the dashboard, and `locale`, en or es.
    start_url: String,
}

impl From<Provider> for OidcSignIn {
    fn from(provider: Provider) -> Self {
        Self {
            label: provider.label,
            start_url: START.into(),
        }
    }
}

/// An OpenID Connect provider that vouches for people. Its secret goes in and never comes out.
#[derive(Debug)]
pub struct OidcProvider(Provider);

/// An OpenID Connect provider that vouches for people. Its secret goes in and never comes out.
#[Object]
impl OidcProvider {
    /// Where its discovery document is found, without `/.well-known/openid-configuration`.
    async fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The id that the provider gave to this installation.
    async fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// Whether a secret is stored; without one this is a public client.
    async fn has_client_secret(&self) -> bool {
        self.0.client_secret.is_some()
    }

    /// Asked for besides `openid`.
    async fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// What the button of the sign-in page says after "Continue with".
    async fn label(&self) -> &str {
        &self.0.label
    }

    /// Only addresses of these domains get in; empty: of any.
    async fn allowed_domains(&self) -> &[String] {
        &self.0.domains
    }

    /// Who gets an account by coming from the provider.
    async fn registration(&self) -> RegistrationMode {
        self.0.registration.into()
    }

    /// The role of those who were not invited; null when it was removed.
    async fn role(&self, ctx: &Context<'_>) -> ApiResult<Option<Role>> {
        let role = ctx.data::<Oidc>()?.identity.role(RoleId(self.0.role)).await;
        Ok(api(ctx, role)?.map(Role))
    }

    /// Whether a second factor of ours is not asked for.
    async fn trusts_second_factor(&self) -> bool {
        self.0.trusts_factor
    }

    /// Give it to `saveOidcProvider`.
    async fn version(&self) -> i32 {
        self.0.version
    }
}

/// The provider, and what it needs to know of us.
#[derive(Debug, SimpleObject)]
pub struct OidcSettings {
    /// The provider; null: nobody signs in by one.
    provider: Option<OidcProvider>,
    /// The redirect URI that is to be registered with the provider.
    callback_url: String,
}

/// A provider as it is to be.
#[derive(InputObject)]
pub struct SaveOidcProviderInput {
    /// Refused when the provider changed since this version; 0: there is none yet.
    expected_version: Option<i32>,
    /// Where its discovery document is found; https, or http on this machine.
    issuer: String,
    /// The id that the provider gave to this installation.
    client_id: String,
    /// Absent: the stored one, for the same client of the same provider.
    client_secret: Option<String>,
    /// Asked for besides `openid`.
    #[graphql(default_with = "vec![\"email\".to_owned(), \"profile\".to_owned()]")]
    scopes: Vec<String>,
    /// What the button says after "Continue with", at most 40 characters.
    label: String,
    /// Only addresses of these domains get in; empty: of any.
    #[graphql(default)]
    allowed_domains: Vec<String>,
    /// Who gets an account by coming from the provider.
    #[graphql(default_with = "RegistrationMode::InviteOnly")]
    registration: RegistrationMode,
    /// The role of those who were not invited; absent: VIEWER.
    role_id: Option<ID>,
    /// Whether a second factor of ours is not asked for.
    #[graphql(default)]
    trusts_second_factor: bool,
}

impl SaveOidcProviderInput {
    fn provider(self) -> Result<Provider> {
        let plain = |list: Vec<String>| -> Vec<String> {
            let tidied = list.iter().map(|text| text.trim().to_owned());
            tidied.filter(|text| !text.is_empty()).collect()
        };
        let viewer = cronium_entity::enums::UserRole::Viewer;
        let role = match &self.role_id {
            Some(id) => RoleId::parse(id)
                .map_err(|_| Error::field(UserErrorCode::NotFound, "roleId", "There is no such role."))?,
            None => crate::access::roles::id_of(viewer),
        };
        // One that is empty stays: left out, it would open what was to be closed.
        let domains = self
            .allowed_domains
            .iter()
            .map(|domain| domain.trim().to_lowercase());
        Ok(Provider {
            issuer: self.issuer.trim().to_owned(),
            client_id: self.client_id.trim().to_owned(),
            client_secret: self.client_secret.filter(|secret| !secret.is_empty()),
            scopes: plain(self.scopes),
            label: self.label.trim().to_owned(),
            domains: domains.collect(),
            registration: self.registration.into(),
            role: role.0,
            trusts_factor: self.trusts_second_factor,
            version: 0,
        })
    }
}

/// Result of saveOidcProvider.
#[derive(SimpleObject)]
pub struct SaveOidcProviderPayload {
    /// The provider as it is now.
    provider: Option<OidcProvider>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Which state of the provider.
#[derive(Debug, InputObject)]
pub struct RemoveOidcProviderInput {
    /// Refused when the provider changed since this version.
    expected_version: Option<i32>,
}

/// Result of removeOidcProvider.
#[derive(SimpleObject)]
pub struct RemoveOidcProviderPayload {
    /// Whether there was one.
    removed: bool,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of testOidcProvider.
#[derive(SimpleObject)]
pub struct TestOidcProviderPayload {
    /// Whether the provider's document and keys can be used.
    usable: bool,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// A code of the second factor, after the provider vouched.
#[derive(InputObject)]
pub struct FinishOidcSignInInput {
    /// What stands behind `#proof=` in the address of the sign-in page. It works for five minutes.
    proof: String,
    /// The code of an authenticator app, or a recovery code.
    code: String,
    /// As in signIn.
    #[graphql(default)]
    return_token: bool,
    /// As in signIn.
    #[graphql(default)]
    refreshable: bool,
}

/// Queries of the provider.
#[derive(Debug, Default)]
pub struct OidcQuery;

#[Object]
impl OidcQuery {
    /// The OpenID Connect provider that people may sign in by. Needs MANAGE_SETTINGS.
    async fn oidc_settings(&self, ctx: &Context<'_>) -> ApiResult<OidcSettings> {
        let oidc = ctx.data::<Oidc>()?;
        let provider = api(ctx, oidc.read(op(ctx)?).await)?;
        Ok(OidcSettings {
            provider: provider.map(OidcProvider),
            callback_url: oidc.callback().to_owned(),
        })
    }
}

/// Mutations of the provider.
#[derive(Debug, Default)]
pub struct OidcMutation;

#[Object]
impl OidcMutation {
    /// Sets the OpenID Connect provider that people may sign in by. Needs MANAGE_SETTINGS.
    async fn save_oidc_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The provider as it is to be.")] input: SaveOidcProviderInput,
    ) -> ApiResult<SaveOidcProviderPayload> {
        let expected = input.expected_version;
        let saved = match input.provider() {
            Ok(provider) => ctx.data::<Oidc>()?.save(op(ctx)?, expected, provider).await,
            Err(error) => Err(error),
        };
        let (provider, user_errors) = payload(ctx, saved)?;
        Ok(SaveOidcProviderPayload {
            provider: provider.map(OidcProvider),
            user_errors,
        })
    }

    /// Forgets the provider: nobody signs in by it any more. Sessions and links stay. Needs MANAGE_SETTINGS.
    async fn remove_oidc_provider(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which state of it.")] input: RemoveOidcProviderInput,
    ) -> ApiResult<RemoveOidcProviderPayload> {
        let removed = ctx.data::<Oidc>()?.remove(op(ctx)?, input.expected_version).await;
        let (removed, user_errors) = payload(ctx, removed)?;
        Ok(RemoveOidcProviderPayload {
            removed: removed.unwrap_or_default(),
            user_errors,
        })
    }

    /// Reads the provider's discovery document and keys, to see whether the settings are right. Needs MANAGE_SETTINGS.
    async fn test_oidc_provider(&self, ctx: &Context<'_>) -> ApiResult<TestOidcProviderPayload> {
        let tested = ctx.data::<Oidc>()?.test(op(ctx)?).await;
        let (usable, user_errors) = payload(ctx, tested)?;
        Ok(TestOidcProviderPayload {
            usable: usable.is_some(),
            user_errors,
        })
    }

    /// Signs in whoever the provider vouched for and who has a second factor: sets the session cookie, and returns a
    /// token when asked.
    async fn finish_oidc_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The proof and the code.")] input: FinishOidcSignInInput,
    ) -> ApiResult<SignInPayload> {
        let oidc = ctx.data::<Oidc>()?;
        let signed_in = oidc.pay(op(ctx)?, &input.proof, &input.code).await;
        let (signed_in, user_errors) = payload(ctx, signed_in)?;
        match signed_in {
            Some(signed_in) if input.refreshable => SignInPayload::with_tokens(ctx, signed_in).await,
            Some(signed_in) => Ok(SignInPayload::with_cookie(ctx, signed_in, input.return_token)),
            None => Ok(SignInPayload::refused(user_errors)),
        }
    }
}
