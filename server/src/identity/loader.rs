//! Batched loading of what nested fields need.

use std::collections::HashMap;

use async_graphql::dataloader::Loader;

use crate::kernel::ids::{ApiTokenId, RoleId, UserId};

use super::graphql::User;
use super::roles::Role;
use super::service::Identity;
use super::store::oidc::OidcLinkRow;
use super::store::tokens::TokenRow;

/// Loads custom roles by id.
#[derive(Debug)]
pub struct RoleLoader(pub Identity);

impl Loader<RoleId> for RoleLoader {
    type Value = Role;
    type Error = String;

    async fn load(&self, keys: &[RoleId]) -> Result<HashMap<RoleId, Role>, String> {
        let roles = self.0.roles_by_ids(keys).await.map_err(|e| e.private_text())?;
        Ok(roles.into_iter().map(|role| (role.id, role)).collect())
    }
}

/// Counts the people of roles.
#[derive(Debug)]
pub struct RoleMembersLoader(pub Identity);

impl Loader<RoleId> for RoleMembersLoader {
    type Value = i64;
    type Error = String;

    async fn load(&self, _: &[RoleId]) -> Result<HashMap<RoleId, i64>, String> {
        self.0.role_members().await.map_err(|e| e.private_text())
    }
}

/// Loads people by id: who may see a node may see the names on it.
#[derive(Debug)]
pub struct UserLoader(pub Identity);

impl Loader<UserId> for UserLoader {
    type Value = User;
    type Error = String;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, User>, String> {
        let rows = self.0.users(keys).await.map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (UserId(row.id), User(row))).collect())
    }
}

/// Loads who has a second factor in force.
#[derive(Debug)]
pub struct TotpLoader(pub Identity);

impl Loader<UserId> for TotpLoader {
    type Value = ();
    type Error = String;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, ()>, String> {
        let ids = self.0.with_totp(keys).await.map_err(|e| e.private_text())?;
        Ok(ids.into_iter().map(|id| (id, ())).collect())
    }
}

/// Loads API tokens by id.
#[derive(Debug)]
pub struct ApiTokenLoader(pub Identity);

impl Loader<ApiTokenId> for ApiTokenLoader {
    type Value = TokenRow;
    type Error = String;

    async fn load(&self, keys: &[ApiTokenId]) -> Result<HashMap<ApiTokenId, TokenRow>, String> {
        let rows = self.0.tokens_by_ids(keys).await.map_err(|e| e.private_text())?;
        Ok(rows.into_iter().map(|row| (ApiTokenId(row.id), row)).collect())
    }
}

/// Loads the links of people with a provider.
#[derive(Debug)]
pub struct OidcLinksLoader(pub Identity);

impl Loader<UserId> for OidcLinksLoader {
    type Value = Vec<OidcLinkRow>;
    type Error = String;

    async fn load(&self, keys: &[UserId]) -> Result<HashMap<UserId, Vec<OidcLinkRow>>, String> {
        let rows = self.0.oidc_links_of(keys).await.map_err(|e| e.private_text())?;
        let mut links: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows {
            links.entry(UserId(row.user_id)).or_default().push(row);
        }
        Ok(links)
    }
}
