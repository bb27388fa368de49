//! What each root field of the API asks the policy for: said once more, so that it can be explained, and so
//! that a test can hold every field to it with real requests.

use super::Action::{
    self, CancelJob, ChangeEvent, ChangeOwnProfile, CreateEvent, ManageRoles, ManageServers, ManageSettings,
    ManageUsers, ManageVariables, OpenTerminals, ReadAudit, ReadEvents, ReadJobs, ReadServers, ReadSystem,
    ReadVariables, RunEvent,
};

/// What a field needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: anybody may ask.
    Nothing,
    /// All of these.
    All(&'static [Action]),
    /// One of these.
    Any(&'static [Action]),
}

/// Fields by type and name.
pub const FIELDS: &[(&str, &str, Need)] = &[
    ("Query", "auditLog", Need::All(&[ReadAudit])),
    ("Query", "auditVerification", Need::All(&[ReadAudit])),
    ("Query", "authorizationExplain", Need::All(&[ManageUsers])),
    ("Query", "encryptionKeys", Need::All(&[ManageSettings])),
    ("Query", "event", Need::All(&[ReadEvents])),
    ("Query", "events", Need::All(&[ReadEvents])),
    ("Query", "execution", Need::All(&[ReadJobs])),
    ("Query", "invites", Need::All(&[ManageUsers])),
    ("Query", "job", Need::All(&[ReadJobs])),
    ("Query", "jobs", Need::All(&[ReadJobs])),
    // What kind of node it is decides what is needed.
    ("Query", "node", Need::Nothing),
    ("Query", "nodes", Need::Nothing),
    ("Query", "oidcSettings", Need::All(&[ManageSettings])),
    ("Query", "orchestrators", Need::All(&[ReadSystem])),
    ("Query", "overview", Need::All(&[ReadJobs, ReadEvents])),
    ("Query", "quotaLimits", Need::All(&[ManageUsers])),
    ("Query", "rateLimit", Need::Nothing),
    ("Query", "roles", Need::Any(&[ManageUsers, ManageRoles])),
    ("Query", "server", Need::All(&[ReadServers])),
    ("Query", "serverInfo", Need::Nothing),
    ("Query", "servers", Need::All(&[ReadServers])),
    ("Query", "settings", Need::All(&[ManageSettings])),
    ("Query", "systemStatus", Need::All(&[ReadSystem])),
    // What is on servers needs READ_SERVERS too.
    ("Query", "terminalSession", Need::All(&[OpenTerminals])),
    ("Query", "terminalSessions", Need::All(&[OpenTerminals])),
    ("Query", "users", Need::All(&[ManageUsers])),
    ("Query", "variables", Need::All(&[ReadVariables])),
    ("Query", "viewer", Need::Nothing),
    ("Mutation", "beginTotp", Need::All(&[ChangeOwnProfile])),
    ("Mutation", "cancelJob", Need::All(&[CancelJob])),
    ("Mutation", "cancelJobs", Need::All(&[CancelJob])),
    ("Mutation", "changePassword", Need::All(&[ChangeOwnProfile])),
    ("Mutation", "checkServer", Need::All(&[ManageServers])),
    ("Mutation", "closeTerminal", Need::All(&[OpenTerminals])),
    ("Mutation", "confirmTotp", Need::All(&[ChangeOwnProfile])),
    ("Mutation", "createApiToken", Need::All(&[ChangeOwnProfile])),
    // Choosing servers needs READ_SERVERS too: here, and for importDefinitions, testEvent and updateEvent.
    ("Mutation", "createEvent", Need::All(&[CreateEvent])),
    ("Mutation", "createServer", Need::All(&[ManageServers])),
    ("Mutation", "deleteEvent", Need::All(&[ChangeEvent])),
    ("Mutation", "deleteRole", Need::All(&[ManageRoles])),
    ("Mutation", "deleteServer", Need::All(&[ManageServers])),
    ("Mutation", "deleteVariable", Need::All(&[ManageVariables])),
    ("Mutation", "disableTotp", Need::All(&[ChangeOwnProfile])),
    ("Mutation", "exportDefinitions", Need::All(&[ReadEvents])),
    // Secrets need more.
    ("Mutation", "exportVariables", Need::All(&[ReadVariables])),
    ("Mutation", "finishOidcSignIn", Need::Nothing),
    ("Mutation", "forkEvent", Need::All(&[ReadEvents, CreateEvent])),
    // Changing what is there needs more.
    (
        "Mutation",
        "importDefinitions",
        Need::All(&[ReadEvents, CreateEvent]),
    ),
    ("Mutation", "importVariables", Need::All(&[ManageVariables])),
    ("Mutation", "inviteUser", Need::All(&[ManageUsers])),
    // On a server READ_SERVERS too, in a container CANCEL_JOBS.
    ("Mutation", "openTerminal", Need::All(&[OpenTerminals])),
    ("Mutation", "probeServer", Need::All(&[ManageServers])),
    ("Mutation", "readTerminal", Need::All(&[OpenTerminals])),
    ("Mutation", "refreshToken", Need::Nothing),
    (
        "Mutation",
        "removeOidcLink",
        Need::Any(&[ChangeOwnProfile, ManageUsers]),
    ),
    ("Mutation", "removeOidcProvider", Need::All(&[ManageSettings])),
    ("Mutation", "requestPasswordReset", Need::Nothing),
    ("Mutation", "resendInvite", Need::All(&[ManageUsers])),
    ("Mutation", "resetEventCounter", Need::All(&[ChangeEvent])),
    ("Mutation", "resetPassword", Need::Nothing),
    ("Mutation", "resetUserTotp", Need::All(&[ManageUsers])),
    ("Mutation", "resizeTerminal", Need::All(&[OpenTerminals])),
    ("Mutation", "restoreEventVersion", Need::All(&[ChangeEvent])),
    ("Mutation", "retryJob", Need::All(&[RunEvent, ReadJobs])),
    (
        "Mutation",
        "revokeApiToken",
        Need::Any(&[ChangeOwnProfile, ManageUsers]),
    ),
    ("Mutation", "revokeInvite", Need::All(&[ManageUsers])),
    ("Mutation", "revokeOtherSessions", Need::All(&[ChangeOwnProfile])),
    (
        "Mutation",
        "revokeSession",
        Need::Any(&[ChangeOwnProfile, ManageUsers]),
    ),
    ("Mutation", "rotateEncryptionKey", Need::All(&[ManageSettings])),
    ("Mutation", "runEvent", Need::All(&[RunEvent])),
    ("Mutation", "saveOidcProvider", Need::All(&[ManageSettings])),
    ("Mutation", "saveRole", Need::All(&[ManageRoles])),
    ("Mutation", "sendTerminalInput", Need::All(&[OpenTerminals])),
    ("Mutation", "sendTestEmail", Need::All(&[ManageSettings])),
    ("Mutation", "setEventStatus", Need::All(&[ChangeEvent])),
    (
        "Mutation",
        "setOrchestratorDraining",
        Need::All(&[ManageSettings]),
    ),
    ("Mutation", "setQuota", Need::All(&[ManageUsers])),
    ("Mutation", "setVariable", Need::All(&[ManageVariables])),
    ("Mutation", "signIn", Need::Nothing),
    ("Mutation", "signOut", Need::Nothing),
    ("Mutation", "signUp", Need::Nothing),
    ("Mutation", "testEvent", Need::All(&[RunEvent, CreateEvent])),
    ("Mutation", "testOidcProvider", Need::All(&[ManageSettings])),
    ("Mutation", "updateEvent", Need::All(&[ChangeEvent])),
    ("Mutation", "updateProfile", Need::All(&[ChangeOwnProfile])),
    ("Mutation", "updateServer", Need::All(&[ManageServers])),
    ("Mutation", "updateSettings", Need::All(&[ManageSettings])),
    ("Mutation", "updateUser", Need::All(&[ManageUsers])),
    ("Subscription", "executionLog", Need::All(&[ReadJobs])),
    ("Subscription", "jobLog", Need::All(&[ReadJobs])),
    ("Subscription", "jobUpdated", Need::All(&[ReadJobs])),
    ("Subscription", "jobsChanged", Need::All(&[ReadJobs])),
    ("Subscription", "serverUpdated", Need::All(&[ReadServers])),
    ("Subscription", "systemStatus", Need::All(&[ReadSystem])),
    ("Subscription", "terminalOutput", Need::All(&[OpenTerminals])),
];

/// What a field needs: `Mutation.runEvent`, or `runEvent` where only one type has such a field.
pub fn need(field: &str) -> Option<Need> {
    let (kind, name) = field.split_once('.').unwrap_or(("", field));
    let mut found = FIELDS
        .iter()
        .filter(|(of, known, _)| *known == name && (kind.is_empty() || *of == kind));
    let first = found.next()?.2;
    found.all(|(.., need)| *need == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_name_alone_where_that_is_clear() {
        assert_eq!(need("runEvent"), Some(Need::All(&[RunEvent])));
        assert_eq!(need("Mutation.runEvent"), need("runEvent"));
        assert_eq!(need("systemStatus"), Some(Need::All(&[ReadSystem])));
        assert_eq!(need("Query.runEvent"), None);
    }
}
