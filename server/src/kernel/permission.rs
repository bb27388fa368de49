//! The closed vocabulary of what somebody may ask for, and sets of it. Says nothing of who may: that is the
//! policy's.

use async_graphql::Enum;

/// One thing that a role or an API token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Enum)]
#[graphql(name = "Scope")]
#[repr(u8)]
pub enum Action {
    /// See events and their versions: own and shared ones.
    #[graphql(name = "READ_EVENTS")]
    ReadEvents,
    /// Write new events, and run source that is not saved.
    #[graphql(name = "CREATE_EVENTS")]
    CreateEvent,
    /// Change, archive and delete events.
    #[graphql(name = "CHANGE_EVENTS")]
    ChangeEvent,
    /// Start events: own and shared ones.
    #[graphql(name = "RUN_EVENTS")]
    RunEvent,
    /// See jobs, their executions and logs.
    #[graphql(name = "READ_JOBS")]
    ReadJobs,
    /// Stop jobs.
    #[graphql(name = "CANCEL_JOBS")]
    CancelJob,
    /// See how the installation is: queue, orchestrators, figures.
    #[graphql(name = "READ_SYSTEM")]
    ReadSystem,
    /// Change one's own account: profile, password, sessions and API tokens.
    #[graphql(name = "MANAGE_ACCOUNT")]
    ChangeOwnProfile,
    /// See and change everybody's accounts, sessions and API tokens.
    #[graphql(name = "MANAGE_USERS")]
    ManageUsers,
    /// Make, change and delete roles.
    #[graphql(name = "MANAGE_ROLES")]
    ManageRoles,
    /// Read, check and export the audit log.
    #[graphql(name = "READ_AUDIT_LOG")]
    ReadAudit,
    /// See and change the installation's settings.
    #[graphql(name = "MANAGE_SETTINGS")]
    ManageSettings,
    /// See variables: own, shared and global ones. Secrets are never shown.
    #[graphql(name = "READ_VARIABLES")]
    ReadVariables,
    /// Make, change and delete variables: own ones, and those that one shares; global ones need MANAGE_SETTINGS too.
    #[graphql(name = "MANAGE_VARIABLES")]
    ManageVariables,
    /// See servers and their checks: own and shared ones. Keys and passwords are never shown.
    #[graphql(name = "READ_SERVERS")]
    ReadServers,
    /// Probe hosts, and make, change, check and delete one's own servers.
    #[graphql(name = "MANAGE_SERVERS")]
    ManageServers,
    /// Open terminals on one's own and shared servers and in the containers of one's own runs, and watch those that
    /// others have opened on such a server.
    #[graphql(name = "OPEN_TERMINALS")]
    OpenTerminals,
    /// The other scopes cover what everybody owns, not only own and shared things.
    #[graphql(name = "ALL_RESOURCES")]
    AllResources,
}

/// Kinds of resources, which an API token can be limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Enum)]
pub enum ResourceKind {
    /// Events and their versions.
    Event,
    /// Jobs, executions and logs.
    Job,
    /// The installation.
    System,
    /// The holder's own account.
    Account,
    /// Other people and roles.
    User,
    /// The audit log.
    Audit,
    /// Variables and secrets.
    Variable,
    /// Servers, their checks, and terminals.
    Server,
}

impl Action {
    pub const ALL: [Self; 18] = [
        Self::ReadEvents,
        Self::CreateEvent,
        Self::ChangeEvent,
        Self::RunEvent,
        Self::ReadJobs,
        Self::CancelJob,
        Self::ReadSystem,
        Self::ChangeOwnProfile,
        Self::ManageUsers,
        Self::ManageRoles,
        Self::ReadAudit,
        Self::ManageSettings,
        Self::ReadVariables,
        Self::ManageVariables,
        Self::ReadServers,
        Self::ManageServers,
        Self::OpenTerminals,
        Self::AllResources,
    ];

    /// The name in the API and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadEvents => "READ_EVENTS",
            Self::CreateEvent => "CREATE_EVENTS",
            Self::ChangeEvent => "CHANGE_EVENTS",
            Self::RunEvent => "RUN_EVENTS",
            Self::ReadJobs => "READ_JOBS",
            Self::CancelJob => "CANCEL_JOBS",
            Self::ReadSystem => "READ_SYSTEM",
            Self::ChangeOwnProfile => "MANAGE_ACCOUNT",
            Self::ManageUsers => "MANAGE_USERS",
            Self::ManageRoles => "MANAGE_ROLES",
            Self::ReadAudit => "READ_AUDIT_LOG",
            Self::ManageSettings => "MANAGE_SETTINGS",
            Self::ReadVariables => "READ_VARIABLES",
            Self::ManageVariables => "MANAGE_VARIABLES",
            Self::ReadServers => "READ_SERVERS",
            Self::ManageServers => "MANAGE_SERVERS",
            Self::OpenTerminals => "OPEN_TERMINALS",
            Self::AllResources => "ALL_RESOURCES",
        }
    }

    /// What it is about; None when it is about no kind by itself.
    pub fn kind(self) -> Option<ResourceKind> {
        Some(match self {
            Self::ReadEvents | Self::CreateEvent | Self::ChangeEvent | Self::RunEvent => ResourceKind::Event,
            Self::ReadJobs | Self::CancelJob => ResourceKind::Job,
            Self::ReadSystem | Self::ManageSettings => ResourceKind::System,
            Self::ChangeOwnProfile => ResourceKind::Account,
            Self::ManageUsers | Self::ManageRoles => ResourceKind::User,
            Self::ReadAudit => ResourceKind::Audit,
            Self::ReadVariables | Self::ManageVariables => ResourceKind::Variable,
            Self::ReadServers | Self::ManageServers | Self::OpenTerminals => ResourceKind::Server,
            Self::AllResources => return None,
        })
    }
}

impl ResourceKind {
    pub const ALL: [Self; 8] = [
        Self::Event,
        Self::Job,
        Self::System,
        Self::Account,
        Self::User,
        Self::Audit,
        Self::Variable,
        Self::Server,
    ];

    /// The name in the API and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Event => "EVENT",
            Self::Job => "JOB",
            Self::System => "SYSTEM",
            Self::Account => "ACCOUNT",
            Self::User => "USER",
            Self::Audit => "AUDIT",
            Self::Variable => "VARIABLE",
            Self::Server => "SERVER",
        }
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(u64);

impl std::fmt::Debug for Permissions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Action::name)).finish()
    }
}

impl Permissions {
    pub const NONE: Self = Self(0);

    pub const fn of(actions: &[Action]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < actions.len() {
            bits |= 1 << actions[i] as u64;
            i += 1;
        }
        Self(bits)
    }

    /// From stored names. One that this version does not know allows nothing.
    pub fn named<S: AsRef<str>>(names: &[S]) -> Self {
        let known = Action::ALL
            .iter()
            .filter(|a| names.iter().any(|n| n.as_ref() == a.name()));
        known.copied().collect()
    }

    pub fn contains(self, action: Action) -> bool {
        self.0 & (1 << action as u64) != 0
    }

    /// Whether everything in here is in the other set too.
    pub fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Only what is about these kinds.
    pub fn about(self, kinds: &[ResourceKind]) -> Self {
        let kept = self
            .iter()
            .filter(|a| a.kind().is_none_or(|kind| kinds.contains(&kind)));
        kept.collect()
    }

    pub fn iter(self) -> impl Iterator<Item = Action> {
        Action::ALL
            .into_iter()
            .filter(move |action| self.contains(*action))
    }

    pub fn names(self) -> Vec<String> {
        self.iter().map(|action| action.name().to_owned()).collect()
    }
}

impl FromIterator<Action> for Permissions {
    fn from_iter<I: IntoIterator<Item = Action>>(actions: I) -> Self {
        Self(
            actions
                .into_iter()
                .fold(0, |bits, action| bits | 1 << action as u64),
        )
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType as _;

    use super::*;

    #[test]
    fn names_are_the_same_in_the_api_and_in_the_database() {
        let items: Vec<_> = Action::items()
            .iter()
            .map(|item| (item.value, item.name))
            .collect();
        let ours: Vec<_> = Action::ALL
            .iter()
            .map(|action| (*action, action.name()))
            .collect();
        assert_eq!(items, ours);
        let items: Vec<_> = ResourceKind::items()
            .iter()
            .map(|item| (item.value, item.name))
            .collect();
        let ours: Vec<_> = ResourceKind::ALL
            .iter()
            .map(|kind| (*kind, kind.name()))
            .collect();
        assert_eq!(items, ours);
    }

    #[test]
    fn a_set_is_what_its_names_say() {
        let set = Permissions::of(&[Action::ReadEvents, Action::AllResources]);
        assert_eq!(Permissions::named(&set.names()), set);
        assert_eq!(
            Permissions::named(&["READ_EVENTS", "FROM_A_LATER_VERSION"]).names(),
            ["READ_EVENTS"]
        );
        assert!(set.within(Action::ALL.into_iter().collect()) && !set.within(Permissions::NONE));
    }

    #[test]
    fn a_limit_to_kinds_leaves_out_all_others() {
        let all: Permissions = Action::ALL.into_iter().collect();
        let jobs = all.about(&[ResourceKind::Job]);
        let expected = Permissions::of(&[Action::ReadJobs, Action::CancelJob, Action::AllResources]);
        assert_eq!(jobs, expected);
    }
}
