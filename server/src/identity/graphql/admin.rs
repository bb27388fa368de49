//! People and roles in the API, for those who manage them.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::access::Action;
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, UserError, api, loaded, op, payload};
use crate::kernel::error::{Error, UserErrorCode};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::paging::{ConnectionOf, PageArgs};

use super::super::loader::RoleMembersLoader;
use super::super::model;
use super::super::people::UserChange;
use super::super::roles::{Role as RoleValue, RoleContent};
use super::super::service::Identity;
use super::super::store::{Filter, cursor};
use super::{User, UserRole, UserStatus};

/// What people with it may do: built-in, or made of permissions.
#[derive(Debug, Clone)]
pub struct Role(pub RoleValue);

/// What people with it may do: built-in, or made of permissions.
#[Object]
impl Role {
    /// Global id.
    pub async fn id(&self) -> ID {
        self.0.id.global()
    }

    /// 1 to 100 characters; a built-in one has the name that it has in the API.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it is for.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// A built-in role can't be changed.
    async fn built_in(&self) -> bool {
        self.0.built_in.is_some()
    }

    /// What it allows.
    async fn permissions(&self) -> Vec<Action> {
        self.0.permissions.iter().collect()
    }

    /// How many people have it; null for those who may not manage roles or users.
    async fn user_count(&self, ctx: &Context<'_>) -> ApiResult<Option<i32>> {
        let op = op(ctx)?;
        let may = |action| crate::access::decide(op, action).is_ok();
        if !may(Action::ManageUsers) && !may(Action::ManageRoles) {
            return Ok(None);
        }
        let loader = ctx.data::<DataLoader<RoleMembersLoader>>()?;
        let count = loaded(ctx, loader.load_one(self.0.id).await)?.unwrap_or_default();
        Ok(Some(i32::try_from(count).unwrap_or(i32::MAX)))
    }

    /// When it was last changed; null for a built-in one.
    async fn updated_at(&self) -> Option<Timestamp> {
        self.0.updated_at
    }

    /// Give it to `saveRole`; null for a built-in one.
    async fn version(&self) -> Option<i32> {
        self.0.version
    }
}

/// Narrows a list of people; all given conditions hold.
#[derive(Debug, Default, InputObject)]
pub struct UserFilter {
    /// Part of the name or of the e-mail address.
    pub text: Option<String>,
    /// With this role, built-in or custom.
    pub role_id: Option<ID>,
    /// With this built-in role.
    pub role: Option<UserRole>,
    /// In this state.
    pub status: Option<UserStatus>,
}

impl UserFilter {
    fn parts(self) -> Filter {
        // An id that is none matches nobody.
        let id = self
            .role_id
            .map(|id| RoleId::parse(&id).unwrap_or(RoleId(uuid::Uuid::nil())));
        let built_in = id.and_then(model::built_in);
        Filter {
            text: self.text,
            role: built_in.or(self.role.map(Into::into)),
            custom: id.filter(|_| built_in.is_none()),
            status: self.status.map(Into::into),
        }
    }
}

/// Which account, and what changes. Fields that are absent stay as they are.
#[derive(Debug, InputObject)]
pub struct UpdateUserInput {
    /// Global id of the person.
    pub id: ID,
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// A built-in role; not together with `roleId`.
    pub role: Option<UserRole>,
    /// Global id of a role, built-in or custom.
    pub role_id: Option<ID>,
    /// ACTIVE or DISABLED. Disabling ends the person's sessions and API tokens for good.
    pub status: Option<UserStatus>,
}

impl UpdateUserInput {
    fn parts(self) -> Result<(UserId, UserChange), Error> {
        let id = UserId::parse(&self.id)?;
        if self.role.is_some() && self.role_id.is_some() {
            let message = "Give `role` or `roleId`, not both.";
            return Err(Error::field(UserErrorCode::Invalid, "roleId", message));
        }
        if self.status == Some(UserStatus::Pending) {
            let message = "An account becomes active or disabled, not pending.";
            return Err(Error::field(UserErrorCode::Invalid, "status", message));
        }
        let by_id = self
            .role_id
            .map(|id| RoleId::parse(&id).unwrap_or(RoleId(uuid::Uuid::nil())));
        let change = UserChange {
            name: self.name,
            role: by_id.or(self.role.map(|role| model::id_of(role.into()))),
            status: self.status.map(Into::into),
        };
        Ok((id, change))
    }
}

/// Result of updateUser.
#[derive(SimpleObject)]
pub struct UpdateUserPayload {
    /// The changed account.
    user: Option<User>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// A custom role as it is to be.
#[derive(Debug, InputObject)]
pub struct SaveRoleInput {
    /// Global id of the role to change; absent: a new one.
    pub id: Option<ID>,
    /// Refused when the role changed since this version.
    pub expected_version: Option<i32>,
    /// 1 to 100 characters, unlike any other role's.
    pub name: String,
    /// What it is for: at most 500 characters.
    #[graphql(default)]
    pub description: String,
    /// What it allows: nothing that you may not do yourself.
    pub permissions: Vec<Action>,
}

/// Result of saveRole.
#[derive(SimpleObject)]
pub struct SaveRolePayload {
    /// The role.
    role: Option<Role>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Which role.
#[derive(Debug, InputObject)]
pub struct DeleteRoleInput {
    /// Global id of the role.
    pub id: ID,
}

/// Result of deleteRole.
#[derive(SimpleObject)]
pub struct DeleteRolePayload {
    /// Id of the role that is gone.
    deleted_id: Option<ID>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Queries about other people.
#[derive(Debug, Default)]
pub struct PeopleQuery;

#[Object]
impl PeopleQuery {
    /// People with an account, newest first. Needs MANAGE_USERS.
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the list.")] filter: Option<UserFilter>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<User>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let counted = ctx.look_ahead().field("totalCount").exists();
        let filter = filter.unwrap_or_default().parts();
        let found = ctx
            .data::<Identity>()?
            .people(op(ctx)?, &filter, &args, counted)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, cursor, User))
    }

    /// All roles, the built-in ones first. Needs MANAGE_USERS or MANAGE_ROLES.
    async fn roles(&self, ctx: &Context<'_>) -> ApiResult<Vec<Role>> {
        let roles = api(ctx, ctx.data::<Identity>()?.roles(op(ctx)?).await)?;
        Ok(roles.into_iter().map(Role).collect())
    }
}

/// Mutations of other people and of roles.
#[derive(Debug, Default)]
pub struct PeopleMutation;

#[Object]
impl PeopleMutation {
    /// Changes a person's name, role or state. Needs MANAGE_USERS.
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who, and what changes.")] input: UpdateUserInput,
    ) -> ApiResult<UpdateUserPayload> {
        let by_name = input.role.is_some();
        let result = match input.parts() {
            Ok((id, change)) => ctx.data::<Identity>()?.update_user(op(ctx)?, id, change).await,
            Err(e) => Err(e),
        };
        let result = result.map_err(|e| {
            if by_name {
                e.at_instead("roleId", "role")
            } else {
                e
            }
        });
        let (user, user_errors) = payload(ctx, result)?;
        Ok(UpdateUserPayload {
            user: user.map(User),
            user_errors,
        })
    }

    /// Makes a custom role, or changes one. Needs MANAGE_ROLES.
    async fn save_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The role as it is to be.")] input: SaveRoleInput,
    ) -> ApiResult<SaveRolePayload> {
        let content = RoleContent {
            name: input.name,
            description: input.description,
            permissions: input.permissions.into_iter().collect(),
        };
        let result = match input.id.as_ref().map(RoleId::parse).transpose() {
            Ok(id) => {
                let identity = ctx.data::<Identity>()?;
                identity
                    .save_role(op(ctx)?, id, input.expected_version, content)
                    .await
            }
            Err(e) => Err(e),
        };
        let (role, user_errors) = payload(ctx, result)?;
        Ok(SaveRolePayload {
            role: role.map(Role),
            user_errors,
        })
    }

    /// Removes a custom role that nobody has. Needs MANAGE_ROLES.
    async fn delete_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which role.")] input: DeleteRoleInput,
    ) -> ApiResult<DeleteRolePayload> {
        let result = match RoleId::parse(&input.id) {
            Ok(id) => ctx.data::<Identity>()?.delete_role(op(ctx)?, id).await,
            Err(e) => Err(e),
        };
        let (deleted, user_errors) = payload(ctx, result)?;
        Ok(DeleteRolePayload {
            deleted_id: deleted.map(RoleId::global),
            user_errors,
        })
    }
}
