//! The closed words of the log. Their names are stored and hashed: one that was used never changes.

use async_graphql::Enum;

use crate::kernel::ids::NodeKind;

/// What was done, or tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum AuditAction {
    /// An account was made.
    CreateUser,
    /// An account's profile, role or state was changed.
    UpdateUser,
    /// Somebody signed in.
    SignIn,
    /// Somebody signed out.
    SignOut,
    /// Somebody changed their password.
    ChangePassword,
    /// A password was set without knowing the old one.
    ResetPassword,
    /// A session was ended from elsewhere.
    RevokeSession,
    /// An API token was made.
    CreateApiToken,
    /// An API token was revoked.
    RevokeApiToken,
    /// A role was made.
    CreateRole,
    /// A role was changed.
    UpdateRole,
    /// A role was removed.
    DeleteRole,
    /// An event was written.
    CreateEvent,
    /// An event was changed, or an old version restored.
    UpdateEvent,
    /// An event was removed.
    DeleteEvent,
    /// A job was stopped by somebody.
    CancelJob,
    /// A second factor came in force.
    EnableTotp,
    /// A second factor was removed.
    DisableTotp,
    /// A recovery code was used instead of the second factor.
    UseRecoveryCode,
    /// Somebody was invited.
    InviteUser,
    /// An invitation was sent again, with a new link.
    ResendInvite,
    /// An invitation was taken back.
    RevokeInvite,
    /// Settings were changed.
    UpdateSettings,
    /// The OpenID Connect provider's settings were changed or removed.
    UpdateOidcProvider,
    /// An account is open to whoever the OpenID Connect provider vouches for.
    LinkOidc,
    /// An account is no longer open to whoever the OpenID Connect provider vouches for.
    UnlinkOidc,
    /// Sealed values were put under another master key.
    RotateEncryptionKey,
    /// The limits of a person, a role or the installation were set.
    SetQuota,
    /// An orchestrator was told to take no new work, or to take some again.
    DrainOrchestrator,
    /// A variable was made.
    CreateVariable,
    /// A variable was changed.
    UpdateVariable,
    /// A variable was removed.
    DeleteVariable,
    /// Variables were exported with the values of secrets.
    ExportSecrets,
    /// A server was registered.
    CreateServer,
    /// A server was changed.
    UpdateServer,
    /// A server was removed.
    DeleteServer,
    /// A server's host key was confirmed: from then on no other is accepted.
    ConfirmHostKey,
    /// A terminal was opened.
    OpenTerminal,
    /// A terminal has ended.
    CloseTerminal,
    /// Somebody watched a terminal that another has opened, or its recording.
    WatchTerminal,
    /// Something was refused.
    Deny,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// It was refused.
    Denied,
}

/// What kind of thing an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Enum)]
pub enum TargetKind {
    /// A person.
    User,
    /// A session.
    Session,
    /// An API token.
    ApiToken,
    /// A role.
    Role,
    /// An event.
    Event,
    /// A job.
    Job,
    /// An invitation.
    Invitation,
    /// The settings.
    Settings,
    /// An orchestrator.
    Orchestrator,
    /// A variable.
    Variable,
    /// A server.
    Server,
    /// A terminal.
    Terminal,
}

/// The stored name of a value of an API enum, which is its name in the API.
pub fn stored<T: async_graphql::resolver_utils::EnumType>(value: T) -> &'static str {
    let item = T::items().iter().find(|item| item.value == value);
    item.map_or("", |item| item.name)
}

/// The value of a stored name; None when this version does not know it.
pub fn known<T: async_graphql::resolver_utils::EnumType>(name: &str) -> Option<T> {
    T::items()
        .iter()
        .find(|item| item.name == name)
        .map(|item| item.value)
}

impl TargetKind {
    /// The kind of the node; None where there is none to load.
    pub fn node(self) -> Option<NodeKind> {
        Some(match self {
            Self::User => NodeKind::User,
            Self::Session => NodeKind::Session,
            Self::ApiToken => NodeKind::ApiToken,
            Self::Role => NodeKind::Role,
            Self::Event => NodeKind::Event,
            Self::Job => NodeKind::Job,
            Self::Invitation => NodeKind::Invite,
            Self::Orchestrator => NodeKind::Orchestrator,
            Self::Variable => NodeKind::Variable,
            Self::Server => NodeKind::Server,
            Self::Terminal => NodeKind::Terminal,
            Self::Settings => return None,
        })
    }
}
