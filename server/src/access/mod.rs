//! The one policy: who may do what, and to which rows. Every service asks it first, and a store asks for
//! the grant as proof.

use cronium_entity::enums::UserRole;

use crate::kernel::ids::UserId;
use crate::kernel::{Actor, Error, Op, Result};

/// Everything that somebody may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    ReadEvents,
    CreateEvent,
    ChangeEvent,
    RunEvent,
    ReadJobs,
    CancelJob,
    ReadSystem,
    ChangeOwnProfile,
}

/// Which rows a grant covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    All,
    /// Rows that the user owns.
    Own(UserId),
    /// Rows that the user owns, and those that are shared with everybody.
    OwnAndShared(UserId),
}

/// Proof that the policy was asked. Only this module makes one.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    reach: Reach,
    user: UserId,
}

impl Grant {
    pub fn reach(&self) -> Reach {
        self.reach
    }

    pub fn user(&self) -> UserId {
        self.user
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

fn role_allows(role: UserRole, action: Action) -> bool {
    use Action::{
        CancelJob, ChangeEvent, ChangeOwnProfile, CreateEvent, ReadEvents, ReadJobs, ReadSystem, RunEvent,
    };
    match action {
        ReadEvents | ReadJobs | ReadSystem | ChangeOwnProfile => true,
        RunEvent | CancelJob => role != UserRole::Viewer,
        CreateEvent | ChangeEvent => matches!(role, UserRole::Admin | UserRole::Editor),
    }
}

/// Asks the policy. Anonymous: `Unauthenticated`; a role without the permission: `Forbidden`.
pub fn allow(op: &Op, action: Action) -> Result<Grant> {
    let Actor::User { id, role, .. } = op.actor else {
        return Err(Error::Unauthenticated);
    };
    if !role_allows(role, action) {
        return Err(Error::Forbidden);
    }
    let reach = match (role, action) {
        (UserRole::Admin, _) => Reach::All,
        (_, Action::ReadEvents | Action::RunEvent) => Reach::OwnAndShared(id),
        _ => Reach::Own(id),
    };
    Ok(Grant { reach, user: id })
}

/// For `viewerCan`: whether the actor may do this to a row.
pub fn can(op: &Op, action: Action, owner: UserId, shared: bool) -> bool {
    allow(op, action).is_ok_and(|grant| grant.covers(owner, shared))
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
    use super::*;
    use uuid::Uuid;

    fn op(role: UserRole) -> Op {
        let id = UserId(Uuid::from_u128(1));
        let actor = Actor::User {
            id,
            role,
            session: Uuid::from_u128(2),
        };
        Op {
            actor,
            request_id: Uuid::nil(),
            client: None,
            bearer: false,
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
        let nobody = Op {
            actor: Actor::Anonymous,
            ..op(UserRole::Admin)
        };
        assert!(matches!(
            allow(&nobody, Action::ReadEvents),
            Err(Error::Unauthenticated)
        ));
    }
}
