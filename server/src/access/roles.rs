//! The built-in roles: what each allows is code, so that no row can widen it.

use cronium_entity::enums::UserRole;
use uuid::Uuid;

use super::{Action, Permissions};
use crate::kernel::ids::RoleId;

const VIEWER: &[Action] = &[
    Action::ReadEvents,
    Action::ReadJobs,
    Action::ReadSystem,
    Action::ChangeOwnProfile,
    Action::ReadVariables,
    Action::ReadServers,
];
const OPERATOR: &[Action] = &[
    Action::ReadEvents,
    Action::ReadJobs,
    Action::ReadSystem,
    Action::ChangeOwnProfile,
    Action::ReadVariables,
    Action::ReadServers,
    Action::RunEvent,
    Action::CancelJob,
    Action::OpenTerminals,
];
const EDITOR: &[Action] = &[
    Action::ReadEvents,
    Action::ReadJobs,
    Action::ReadSystem,
    Action::ChangeOwnProfile,
    Action::ReadVariables,
    Action::ReadServers,
    Action::RunEvent,
    Action::CancelJob,
    Action::CreateEvent,
    Action::ChangeEvent,
    Action::ManageVariables,
    Action::ManageServers,
    Action::OpenTerminals,
];

/// Built-in roles, the most powerful first.
pub const BUILT_IN: [UserRole; 4] = [
    UserRole::Admin,
    UserRole::Editor,
    UserRole::Operator,
    UserRole::Viewer,
];

/// How a built-in role is called.
pub fn name_of(role: UserRole) -> &'static str {
    match role {
        UserRole::Admin => "ADMIN",
        UserRole::Editor => "EDITOR",
        UserRole::Operator => "OPERATOR",
        UserRole::Viewer => "VIEWER",
    }
}

/// The id of a built-in role: fixed, and the same everywhere.
pub fn id_of(role: UserRole) -> RoleId {
    RoleId(Uuid::from_u128(match role {
        UserRole::Admin => 1,
        UserRole::Operator => 2,
        UserRole::Editor => 3,
        UserRole::Viewer => 4,
    }))
}

/// The built-in role with this id.
pub fn built_in(id: RoleId) -> Option<UserRole> {
    BUILT_IN.into_iter().find(|role| id_of(*role) == id)
}

/// What a built-in role allows.
pub fn permissions(role: UserRole) -> Permissions {
    match role {
        UserRole::Admin => Permissions::of(&Action::ALL),
        UserRole::Editor => Permissions::of(EDITOR),
        UserRole::Operator => Permissions::of(OPERATOR),
        UserRole::Viewer => Permissions::of(VIEWER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_built_in_role_allows_what_the_smaller_one_does() {
        for pair in BUILT_IN.windows(2) {
            assert!(permissions(pair[1]).within(permissions(pair[0])), "{pair:?}");
            assert_ne!(permissions(pair[1]), permissions(pair[0]));
        }
    }
}
