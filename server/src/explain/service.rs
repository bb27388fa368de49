//! Asks the policy as the other person would, and says which of its rules answered.

use cronium_entity::enums::{UserStatus, VariableScope};
use uuid::Uuid;

use crate::access::fields::{Need, need};
use crate::access::{self, Action, Permissions, Reach};
use crate::events::Events;
use crate::identity::{Identity, UserRow};
use crate::jobs::Jobs;
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{self, EventId, EventVersionId, ExecutionId, JobId, NodeKind, ServerId, UserId};
use crate::kernel::{Error, Op, Result};
use crate::servers::Servers;
use crate::terminals::Terminals;
use crate::variables::Variables;

/// Looks things up as the one who asks, and decides as the one who is asked about.
#[derive(Clone, Debug)]
pub struct Explain {
    pub identity: Identity,
    pub events: Events,
    pub jobs: Jobs,
    pub variables: Variables,
    pub servers: Servers,
    pub terminals: Terminals,
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// None: oneself.
    pub user: Option<UserId>,
    pub asked: Asked,
    pub node: Option<String>,
}

/// A permission, or a root field of the API.
#[derive(Debug, Clone)]
pub enum Asked {
    Scope(Action),
    Field(String),
}

/// The rule that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "AuthorizationRule")]
pub enum Rule {
    /// Anybody may ask for this.
    Public,
    /// The account is not active.
    InactiveAccount,
    /// The role does not allow it.
    MissingPermission,
    /// The role allows it, and no single thing was asked about.
    Permission,
    /// It is the person's own.
    Owner,
    /// It is shared with everybody.
    Shared,
    /// The role covers what everybody owns.
    AllResources,
    /// It is neither the person's own nor shared for this.
    NotOwner,
}

/// The answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub allowed: bool,
    pub rule: Rule,
    /// What was needed.
    pub needs: Vec<Action>,
    /// What of it the role does not allow.
    pub missing: Vec<Action>,
}

/// Who has a say in a node.
struct Holders {
    owners: Vec<Uuid>,
    shared: bool,
    /// Changing it needs this too.
    guarded: Option<Action>,
}

impl Explain {
    pub async fn explain(&self, op: &Op, question: Question) -> Result<(UserRow, Answer)> {
        let user = question.user.or(op.user()).ok_or(Error::Unauthenticated)?;
        let (row, permissions) = self.identity.subject(op, user).await?;
        let needs = match question.asked {
            Asked::Scope(scope) => Need::All(&Action::ALL[scope as usize..=scope as usize]),
            Asked::Field(field) => need(&field).ok_or_else(|| {
                let message =
                    "There is no such root field, or more than one: write it as `Mutation.runEvent`.";
                Error::field(UserErrorCode::NotFound, "field", message)
            })?,
        };
        let holders = match question.node {
            Some(id) => Some(self.holders(op, &id).await?),
            None => None,
        };
        let answer = answer(user, row.status, permissions, needs, holders.as_ref());
        Ok((row, answer))
    }

    /// Found with the permissions of the one who asks: what they may not see is not explained.
    async fn holders(&self, op: &Op, id: &str) -> Result<Holders> {
        let unknown = || Error::NotFound("node");
        let (kind, uuid) = ids::parse(id).ok_or_else(unknown)?;
        let owner = |owner: Option<Uuid>| {
            let owners = owner.map(|owner| vec![owner]).ok_or_else(unknown)?;
            let shared = false;
            Ok(Holders {
                owners,
                shared,
                guarded: None,
            })
        };
        let found = match kind {
            NodeKind::Event => self.events.get(op, EventId(uuid)).await.map(|event| Holders {
                owners: vec![event.owner_id],
                shared: event.shared,
                guarded: None,
            }),
            NodeKind::EventVersion => self
                .events
                .versions_seen(op, &[EventVersionId(uuid)])
                .await
                .and_then(|rows| {
                    let version = rows.first().ok_or_else(unknown)?;
                    Ok(Holders {
                        owners: version.created_by.into_iter().collect(),
                        shared: false,
                        guarded: None,
                    })
                }),
            NodeKind::Job => self.job(op, JobId(uuid)).await,
            NodeKind::Execution => match self.jobs.execution(op, ExecutionId(uuid)).await {
                Ok(execution) => self.job(op, JobId(execution.job_id)).await,
                Err(e) => Err(e),
            },
            NodeKind::User => self
                .identity
                .seen(op, &[UserId(uuid)])
                .await
                .and_then(|rows| owner(rows.first().map(|user| user.id))),
            NodeKind::Session => self
                .identity
                .sessions_seen(op, &[uuid.into()])
                .await
                .and_then(|rows| owner(rows.first().map(|row| row.user_id))),
            NodeKind::ApiToken => self
                .identity
                .tokens_seen(op, &[uuid.into()])
                .await
                .and_then(|rows| owner(rows.first().map(|row| row.user_id))),
            NodeKind::Variable => self.variables.seen(op, &[uuid.into()]).await.and_then(|rows| {
                let variable = rows.first().ok_or_else(unknown)?;
                Ok(Holders {
                    owners: variable.owner_id.into_iter().collect(),
                    shared: variable.scope != VariableScope::Own,
                    guarded: variable.owner_id.is_none().then_some(Action::ManageSettings),
                })
            }),
            NodeKind::Server => self.servers.get(op, ServerId(uuid)).await.map(|server| Holders {
                owners: vec![server.owner_id],
                shared: server.shared,
                guarded: None,
            }),
            NodeKind::Terminal => self
                .terminals
                .seen(op, &[uuid.into()])
                .await
                .and_then(|rows| owner(rows.first().map(|row| row.owner_id))),
            // Nobody owns these.
            _ => Ok(Holders {
                owners: Vec::new(),
                shared: true,
                guarded: None,
            }),
        };
        found.map_err(|e| match e {
            Error::NotFound(_) => unknown(),
            other => other,
        })
    }

    async fn job(&self, op: &Op, id: JobId) -> Result<Holders> {
        let job = self.jobs.get(op, id).await?;
        let owners = [Some(job.owner_id), job.actor_id].into_iter().flatten();
        Ok(Holders {
            owners: owners.collect(),
            shared: false,
            guarded: None,
        })
    }
}

fn answer(
    user: UserId,
    status: UserStatus,
    permissions: Permissions,
    need: Need,
    node: Option<&Holders>,
) -> Answer {
    let (needs, all) = match need {
        Need::Nothing => (&[][..], true),
        Need::All(needs) => (needs, true),
        Need::Any(needs) => (needs, false),
    };
    let guarded = node.and_then(|node| node.guarded);
    let guarded = guarded.filter(|_| needs.contains(&Action::ManageVariables));
    let missing: Vec<_> = needs
        .iter()
        .copied()
        .chain(guarded)
        .filter(|action| !permissions.contains(*action))
        .collect();
    let told = |allowed, rule| Answer {
        allowed,
        rule,
        needs: needs.iter().copied().chain(guarded).collect(),
        missing: missing.clone(),
    };
    if needs.is_empty() {
        return told(true, Rule::Public);
    }
    if status != UserStatus::Active {
        return told(false, Rule::InactiveAccount);
    }
    if (all && !missing.is_empty()) || missing.len() >= needs.len() {
        return told(false, Rule::MissingPermission);
    }
    let Some(node) = node else {
        return told(true, Rule::Permission);
    };
    let op = Op::process(user, permissions);
    let granted = |action: &Action| access::decide(&op, *action);
    // What is made from a node is another one: it is nobody's yet.
    let about = |action: &&Action| **action != Action::CreateEvent || needs.len() == 1;
    let grants = needs.iter().filter(about);
    let mut grants = grants.filter_map(|action| granted(action).ok()).peekable();
    if node.owners.contains(&user.0) {
        return told(true, Rule::Owner);
    }
    if node.owners.is_empty() {
        return told(true, Rule::Permission);
    }
    if grants.clone().all(|grant| grant.reach() == Reach::All) && grants.peek().is_some() {
        return told(true, Rule::AllResources);
    }
    let covered = |owner: &Uuid| {
        grants
            .clone()
            .all(|grant| grant.covers(UserId(*owner), node.shared))
    };
    if node.owners.iter().any(covered) {
        return told(true, Rule::Shared);
    }
    told(false, Rule::NotOwner)
}

#[cfg(test)]
mod tests {
    use cronium_entity::enums::UserRole;

    use super::*;
    use crate::access::roles::permissions;

    #[test]
    fn each_rule_has_its_case() {
        use UserRole::{Admin, Editor, Viewer};
        use UserStatus::{Active, Disabled};
        let me = UserId(Uuid::from_u128(1));
        let node = |owner: u128, shared| {
            Some(Holders {
                owners: vec![Uuid::from_u128(owner)],
                shared,
                guarded: None,
            })
        };
        let run = Need::All(&[Action::RunEvent]);
        let change = Need::All(&[Action::ChangeEvent]);
        let fork = Need::All(&[Action::ReadEvents, Action::CreateEvent]);
        let variable = Need::All(&[Action::ManageVariables]);
        let global = || {
            Some(Holders {
                owners: Vec::new(),
                shared: true,
                guarded: Some(Action::ManageSettings),
            })
        };
        for (role, status, need, node, allowed, rule) in [
            (Viewer, Disabled, Need::Nothing, None, true, Rule::Public),
            (Admin, Disabled, run, None, false, Rule::InactiveAccount),
            (
                Viewer,
                Active,
                run,
                node(1, false),
                false,
                Rule::MissingPermission,
            ),
            (Editor, Active, run, None, true, Rule::Permission),
            (Editor, Active, run, node(1, false), true, Rule::Owner),
            (Editor, Active, run, node(2, true), true, Rule::Shared),
            (Editor, Active, run, node(2, false), false, Rule::NotOwner),
            (Editor, Active, change, node(2, true), false, Rule::NotOwner),
            (Editor, Active, fork, node(2, true), true, Rule::Shared),
            (Editor, Active, fork, node(2, false), false, Rule::NotOwner),
            (Admin, Active, change, node(2, false), true, Rule::AllResources),
            (Admin, Active, variable, global(), true, Rule::Permission),
            (Editor, Active, variable, global(), false, Rule::MissingPermission),
            (
                Viewer,
                Active,
                Need::Any(&[Action::RunEvent, Action::ReadJobs]),
                None,
                true,
                Rule::Permission,
            ),
        ] {
            let found = answer(me, status, permissions(role), need, node.as_ref());
            assert_eq!((found.allowed, found.rule), (allowed, rule), "{role:?} {need:?}");
        }
    }
}
