//! The built-in roles: what each allows is code, so that no row can widen it.

use cronium_entity::enums::UserRole;

use super::{Action, Permissions};

const VIEWER: &[Action] = &[
    Action::ReadEvents,
    Action::ReadJobs,
    Action::ReadSystem,
    Action::ChangeOwnProfile,
];
const OPERATOR: &[Action] = &[
    Action::ReadEvents,
    Action::ReadJobs,
    Action::ReadSystem,
    Action::ChangeOwnProfile,
    Action::RunEvent,
    Action::CancelJob,
];
const EDITOR: &[Action] = &[
    Action::ReadEvents,
    Action::ReadJobs,
    Action::ReadSystem,
    Action::ChangeOwnProfile,
    Action::RunEvent,
    Action::CancelJob,
    Action::CreateEvent,
    Action::ChangeEvent,
];

/// Built-in roles, the most powerful first.
pub const BUILT_IN: [UserRole; 4] = [
    UserRole::Admin,
    UserRole::Editor,
    UserRole::Operator,
    UserRole::Viewer,
];

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
