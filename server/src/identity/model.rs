//! What a role is, what credentials amount to, and what may be given to whom. Pure.

use cronium_entity::enums::{UserRole, UserStatus};

pub use crate::access::roles::{built_in, id_of, name_of};
use crate::access::{Permissions, ResourceKind, roles};

/// What a user's role allows: the custom one stands instead of the built-in one.
pub fn of_role(role: UserRole, custom: Option<&[String]>) -> Permissions {
    custom.map_or_else(|| roles::permissions(role), Permissions::named)
}

/// Of what the role allows, what a token's limits leave.
pub fn limited(role: Permissions, scopes: Option<&[String]>, kinds: Option<&[String]>) -> Permissions {
    let scoped = scopes.map_or(role, |names| role.and(Permissions::named(names)));
    let Some(kinds) = kinds else { return scoped };
    let kinds: Vec<_> = ResourceKind::ALL
        .into_iter()
        .filter(|kind| kinds.iter().any(|name| name == kind.name()))
        .collect();
    scoped.about(&kinds)
}

/// Why an account may not be changed like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The account may do more than whoever changes it.
    Stronger,
    /// The new role would allow more than whoever gives it may do.
    GivesMore,
    /// Nobody would be left to administer.
    LastAdmin,
}

/// Whether somebody with these permissions may turn an account from one state into another.
pub fn may_change(
    actor: Permissions,
    before: (UserRole, UserStatus, Permissions),
    after: (UserRole, UserStatus, Permissions),
    other_admins: usize,
) -> Result<(), Refusal> {
    if !before.2.within(actor) {
        return Err(Refusal::Stronger);
    }
    if !after.2.within(actor) {
        return Err(Refusal::GivesMore);
    }
    let admin = |(role, status, _): (UserRole, UserStatus, Permissions)| {
        role == UserRole::Admin && status == UserStatus::Active
    };
    if admin(before) && !admin(after) && other_admins == 0 {
        return Err(Refusal::LastAdmin);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::access::Action;
    use crate::kernel::ids::RoleId;

    #[test]
    fn a_token_never_has_more_than_its_user_or_its_limits() {
        let viewer = of_role(UserRole::Viewer, None);
        let names = |actions: &[Action]| Permissions::of(actions).names();
        let asked = names(&[Action::ReadJobs, Action::RunEvent]);
        assert_eq!(
            limited(viewer, Some(&asked), None),
            Permissions::of(&[Action::ReadJobs])
        );
        assert_eq!(limited(viewer, None, None), viewer);
        assert_eq!(limited(viewer, Some(&[]), None), Permissions::NONE);
        let jobs = limited(viewer, None, Some(&["JOB".to_owned()]));
        assert_eq!(jobs, Permissions::of(&[Action::ReadJobs]));
        assert_eq!(
            limited(viewer, None, Some(&["FUTURE".to_owned()])),
            Permissions::NONE
        );
    }

    #[test]
    fn a_custom_role_stands_instead_of_the_built_in_one() {
        assert_eq!(of_role(UserRole::Viewer, Some(&[])), Permissions::NONE);
        assert_eq!(built_in(id_of(UserRole::Editor)), Some(UserRole::Editor));
        assert_eq!(built_in(RoleId(Uuid::nil())), None);
    }

    #[test]
    fn nobody_gives_or_takes_what_is_above_them_and_the_last_administrator_stays() {
        use UserStatus::{Active, Disabled};
        let all = of_role(UserRole::Admin, None);
        let manager = Permissions::of(&[Action::ManageUsers, Action::ReadEvents]);
        let admin = (UserRole::Admin, Active, all);
        let viewer = (UserRole::Viewer, Active, Permissions::of(&[Action::ReadEvents]));
        assert_eq!(may_change(manager, viewer, admin, 1), Err(Refusal::GivesMore));
        assert_eq!(may_change(manager, admin, viewer, 1), Err(Refusal::Stronger));
        assert_eq!(may_change(all, admin, viewer, 0), Err(Refusal::LastAdmin));
        assert_eq!(
            may_change(all, admin, (UserRole::Admin, Disabled, all), 0),
            Err(Refusal::LastAdmin)
        );
        assert_eq!(may_change(all, admin, viewer, 1), Ok(()));
        assert_eq!(may_change(all, admin, admin, 0), Ok(()));
    }
}
