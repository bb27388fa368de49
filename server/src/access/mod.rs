//! The one policy: who may do what, and to which rows. Every service asks it first, and a store asks for
//! the grant as proof. Permissions are data that came with the actor; nothing here looks anything up.

use crate::kernel::ids::{ApiTokenId, UserId};
use crate::kernel::{Actor, Error, Op, Result};

pub mod fields;
pub mod roles;

pub use crate::kernel::permission::{Action, Permissions, ResourceKind};

/// Which rows a grant covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    All,
    /// Rows that the user owns.
    Own(UserId),
    /// Rows that the user owns, and those that are shared with everybody.
    OwnAndShared(UserId),
}

/// Proof that the policy was asked. Only this module makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grant {
    reach: Reach,
    user: UserId,
    token: Option<ApiTokenId>,
}

impl Grant {
    pub fn reach(&self) -> Reach {
        self.reach
    }

    pub fn user(&self) -> UserId {
        self.user
    }

    /// The API token that the user came with.
    pub fn token(&self) -> Option<ApiTokenId> {
        self.token
    }

    /// Whether the grant covers a row with this owner.
    pub fn covers(&self, owner: UserId, shared: bool) -> bool {
        match self.reach {
            Reach::All => true,
            Reach::Own(user) => owner == user,
            Reach::OwnAndShared(user) => owner == user || shared,
        }
    }
}

/// The rule itself, without a trace of having been asked.
pub fn decide(op: &Op, action: Action) -> Result<Grant> {
    let Actor::User { id, permissions, .. } = op.actor else {
        return Err(Error::Unauthenticated);
    };
    if !permissions.contains(action) {
        return Err(Error::Forbidden);
    }
    let reach = match action {
        Action::ChangeOwnProfile => Reach::Own(id),
        _ if permissions.contains(Action::AllResources) => Reach::All,
        Action::ManageUsers | Action::ManageRoles | Action::ReadAudit | Action::ManageSettings => Reach::All,
        Action::ReadEvents | Action::RunEvent | Action::ReadVariables | Action::ReadServers => {
            Reach::OwnAndShared(id)
        }
        _ => Reach::Own(id),
    };
    Ok(Grant {
        reach,
        user: id,
        token: op.token(),
    })
}

/// Asks the policy. Anonymous: `Unauthenticated`; without the permission: `Forbidden`. A refusal goes into the
/// audit log.
pub fn allow(op: &Op, action: Action) -> Result<Grant> {
    let decided = decide(op, action);
    match &decided {
        Err(Error::Unauthenticated) => op.denied(action.name(), "UNAUTHENTICATED"),
        Err(_) => op.denied(action.name(), "FORBIDDEN"),
        Ok(_) => {}
    }
    decided
}

/// For `viewerCan`: whether the actor may do this to a row.
pub fn can(op: &Op, action: Action, owner: UserId, shared: bool) -> bool {
    decide(op, action).is_ok_and(|grant| grant.covers(owner, shared))
}

/// What a viewer may do with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum Permission {
    /// See it.
    Read,
    /// Change it.
    Change,
    /// Start it.
    Run,
    /// Stop it.
    Cancel,
    /// Start it again.
    Retry,
    /// Remove it.
    Delete,
}

#[cfg(test)]
mod tests {
    use cronium_entity::enums::UserRole;
    use uuid::Uuid;

    use super::*;
    use crate::kernel::Credential;

    fn op(role: UserRole) -> Op {
        Op {
            actor: Actor::User {
                id: UserId(Uuid::from_u128(1)),
                permissions: roles::permissions(role),
                credential: Credential::Process,
            },
            ..Op::default()
        }
    }

    #[test]
    fn viewers_read_and_editors_change_only_what_is_theirs() {
        let (me, other) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(9)));
        assert!(matches!(
            allow(&op(UserRole::Viewer), Action::RunEvent),
            Err(Error::Forbidden)
        ));
        assert!(can(&op(UserRole::Editor), Action::ChangeEvent, me, false));
        assert!(!can(&op(UserRole::Editor), Action::ChangeEvent, other, true));
        assert!(can(&op(UserRole::Operator), Action::RunEvent, other, true));
        assert!(!can(&op(UserRole::Operator), Action::RunEvent, other, false));
        assert!(can(&op(UserRole::Admin), Action::ChangeEvent, other, false));
    }

    #[test]
    fn nobody_is_asked_to_sign_in() {
        assert!(matches!(
            allow(&Op::default(), Action::ReadEvents),
            Err(Error::Unauthenticated)
        ));
    }

    #[test]
    fn a_refusal_is_noted_and_a_look_at_what_one_can_do_is_not() {
        let op = op(UserRole::Viewer);
        assert!(!can(&op, Action::RunEvent, UserId(Uuid::nil()), true));
        assert!(op.denials.take().0.is_empty());
        assert!(allow(&op, Action::RunEvent).is_err() && allow(&op, Action::RunEvent).is_err());
        let noted = op
            .denials
            .take()
            .0
            .into_iter()
            .next()
            .map(|(denial, n)| (denial.what, denial.why, n));
        assert_eq!(noted, Some(("RUN_EVENTS".into(), "FORBIDDEN", 2)));
    }

    #[test]
    fn a_narrow_credential_of_an_administrator_reaches_what_the_administrator_owns() {
        let mut op = op(UserRole::Admin);
        if let Actor::User { permissions, .. } = &mut op.actor {
            *permissions = Permissions::of(&[Action::ReadEvents]);
        }
        let other = UserId(Uuid::from_u128(9));
        assert!(!can(&op, Action::ReadEvents, other, false) && can(&op, Action::ReadEvents, other, true));
        assert!(matches!(decide(&op, Action::ReadJobs), Err(Error::Forbidden)));
    }
}
