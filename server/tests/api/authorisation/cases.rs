//! One case for each root field. A field that is new has none, and the test says so.

use super::world::Who::{self, Admin, Bare, Owner, OwnerOnce, Stranger, StrangerOnce, Viewer};

/// What an answer must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// A top-level error with this code, and no data.
    Refused(&'static str),
    /// The payload's first user error has this code.
    UserError(&'static str),
    /// The field is null.
    Null,
    /// The field is a list of nulls.
    Nulls,
    /// It was done.
    Done,
    /// It was done, and the value of this variable is somewhere in the answer; or is not.
    With(&'static str),
    Without(&'static str),
}

use Expect::{Done, Null, Nulls, Refused, UserError, With, Without};

pub struct Case {
    /// `Query.event` and so on.
    pub field: &'static str,
    pub document: &'static str,
    pub anonymous: Expect,
    pub foreign: (Who, Expect),
    /// What the foreign one asks, where it is not the same.
    pub foreign_document: Option<&'static str>,
    pub permitted: (Who, Expect),
}

const UNKNOWN: Expect = Refused("UNAUTHENTICATED");

const fn case(
    field: &'static str,
    document: &'static str,
    anonymous: Expect,
    foreign: (Who, Expect),
    permitted: (Who, Expect),
) -> Case {
    Case {
        field,
        document,
        anonymous,
        foreign,
        foreign_document: None,
        permitted,
    }
}

pub const CASES: &[Case] = &[
    case(
        "Query.auditLog",
        "{ auditLog(first: 1) { nodes { seq } } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Query.auditVerification",
        "{ auditVerification { whole } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Query.authorizationExplain",
        "query ($user: ID!) { authorizationExplain(input: { userId: $user, scope: RUN_EVENTS }) { rule } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Query.encryptionKeys",
        "{ encryptionKeys { id } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Query.event",
        "query ($event: ID!) { event(id: $event) { id } }",
        UNKNOWN,
        (Stranger, Null),
        (Owner, With("event")),
    ),
    case(
        "Query.events",
        "{ events(first: 100, orderBy: { field: CREATED_AT, direction: DESC }) { nodes { id } } }",
        UNKNOWN,
        (Stranger, Without("event")),
        (Owner, With("event")),
    ),
    case(
        "Query.execution",
        "query ($execution: ID!) { execution(id: $execution) { id } }",
        UNKNOWN,
        (Stranger, Null),
        (Owner, With("execution")),
    ),
    case(
        "Query.invites",
        "{ invites(first: 100) { nodes { id } } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, With("invite")),
    ),
    case(
        "Query.job",
        "query ($job: ID!) { job(id: $job) { id } }",
        UNKNOWN,
        (Stranger, Null),
        (Owner, With("job")),
    ),
    case(
        "Query.jobs",
        "{ jobs(first: 100) { nodes { id } } }",
        UNKNOWN,
        (Stranger, Without("job")),
        (Owner, With("job")),
    ),
    case(
        "Query.node",
        "query ($job: ID!) { node(id: $job) { id } }",
        UNKNOWN,
        (Stranger, Null),
        (Owner, With("job")),
    ),
    case(
        "Query.nodes",
        "query ($event: ID!, $job: ID!, $execution: ID!, $user: ID!, $token: ID!, $session: ID!, $role: ID!, $invite: ID!) {
         nodes(ids: [$event, $job, $execution, $user, $token, $session, $role, $invite]) { id } }",
        UNKNOWN,
        (Stranger, Nulls),
        (Admin, With("session")),
    ),
    case(
        "Query.oidcSettings",
        "{ oidcSettings { callbackUrl provider { issuer } } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Query.orchestrators",
        "{ orchestrators { id } }",
        UNKNOWN,
        (Bare, Refused("FORBIDDEN")),
        (Viewer, Done),
    ),
    case(
        "Query.overview",
        "{ overview { range } }",
        UNKNOWN,
        (Bare, Refused("FORBIDDEN")),
        (Viewer, Done),
    ),
    case(
        "Query.quotaLimits",
        "query ($user: ID!) { quotaLimits(subject: { user: $user }) { kind } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, Done),
    ),
    // Without a rate limit, as here, there is none to show.
    case(
        "Query.rateLimit",
        "{ rateLimit { remaining } }",
        Null,
        (Stranger, Null),
        (Owner, Null),
    ),
    case(
        "Query.roles",
        "{ roles { id } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, With("role")),
    ),
    case("Query.serverInfo", "{ serverInfo { version } }", Done, (Bare, Done), (Viewer, Done)),
    case(
        "Query.settings",
        "{ settings { version } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Query.systemStatus",
        "{ systemStatus { __typename } }",
        UNKNOWN,
        (Bare, Refused("FORBIDDEN")),
        (Viewer, Done),
    ),
    case(
        "Query.users",
        "{ users(first: 100) { nodes { id } } }",
        UNKNOWN,
        (Stranger, Refused("FORBIDDEN")),
        (Admin, With("user")),
    ),
    case("Query.viewer", "{ viewer { id } }", Null, (Stranger, Without("user")), (Owner, With("user"))),
    case(
        "Mutation.beginTotp",
        "mutation { beginTotp { secret userErrors { code } } }",
        UNKNOWN,
        (Bare, UserError("FORBIDDEN")),
        (Owner, Done),
    ),
    case(
        "Mutation.cancelJob",
        "mutation ($job: ID!) { cancelJob(input: { id: $job }) { job { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("job")),
    ),
    case(
        "Mutation.changePassword",
        "mutation ($password: String!) { changePassword(input: { currentPassword: $password, newPassword: $password }) {
         userErrors { code } } }",
        UNKNOWN,
        (Bare, UserError("FORBIDDEN")),
        (Owner, Done),
    ),
    case(
        "Mutation.confirmTotp",
        "mutation ($password: String!) { confirmTotp(input: { code: \"000000\", password: $password }) { userErrors { code } } }",
        UNKNOWN,
        (Bare, UserError("FORBIDDEN")),
        // The code is a guess.
        (Viewer, UserError("CONFLICT")),
    ),
    case(
        "Mutation.createApiToken",
        "mutation { createApiToken(input: { name: \"CI\", scopes: [] }) { secret userErrors { code } } }",
        UNKNOWN,
        (Bare, UserError("FORBIDDEN")),
        (Owner, Done),
    ),
    case(
        "Mutation.createEvent",
        "mutation { createEvent(input: { name: \"x\", type: BASH, source: \"true\" }) { event { id } userErrors { code } } }",
        UNKNOWN,
        (Viewer, UserError("FORBIDDEN")),
        (Owner, Done),
    ),
    case(
        "Mutation.deleteEvent",
        "mutation ($event: ID!) { deleteEvent(input: { id: $event }) { userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, Done),
    ),
    case(
        "Mutation.deleteRole",
        "mutation ($role: ID!) { deleteRole(input: { id: $role }) { deletedId userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, With("role")),
    ),
    case(
        "Mutation.disableTotp",
        "mutation ($password: String!) { disableTotp(input: { code: \"000000\", password: $password }) { disabled userErrors { code } } }",
        UNKNOWN,
        (Bare, UserError("FORBIDDEN")),
        (Viewer, Done),
    ),
    case(
        "Mutation.finishOidcSignIn",
        "mutation { finishOidcSignIn(input: { proof: \"AAAA\", code: \"123456\" }) { viewer { id } userErrors { code } } }",
        // Anybody may ask, and nobody gets in without a proof of the provider's.
        UserError("INVALID"),
        (Stranger, UserError("INVALID")),
        (Admin, UserError("INVALID")),
    ),
    case(
        "Mutation.inviteUser",
        "mutation ($role: ID!) { inviteUser(input: { email: \"guest@example.test\", roleId: $role }) {
         invitation { email } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Mutation.refreshToken",
        "mutation { refreshToken(input: { refreshToken: \"guess\" }) { accessToken userErrors { code } } }",
        UserError("INVALID"),
        (Stranger, UserError("INVALID")),
        (Owner, UserError("INVALID")),
    ),
    case(
        "Mutation.removeOidcLink",
        "mutation ($link: ID!) { removeOidcLink(input: { id: $link }) { link { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("link")),
    ),
    case(
        "Mutation.removeOidcProvider",
        "mutation { removeOidcProvider(input: {}) { removed userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Mutation.requestPasswordReset",
        "mutation ($email: String!) { requestPasswordReset(input: { email: $email }) { accepted userErrors { code } } }",
        Done,
        (Stranger, Done),
        (Owner, Done),
    ),
    case(
        "Mutation.resendInvite",
        "mutation ($invite: ID!) { resendInvite(input: { id: $invite }) { invitation { email } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Mutation.resetUserTotp",
        "mutation ($bare: ID!) { resetUserTotp(input: { id: $bare }) { user { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, With("bare")),
    ),
    case(
        "Mutation.resetPassword",
        "mutation ($password: String!) { resetPassword(input: { token: \"guess\", newPassword: $password }) {
         userErrors { code } } }",
        UserError("INVALID"),
        (Stranger, UserError("INVALID")),
        (Owner, UserError("INVALID")),
    ),
    case(
        "Mutation.restoreEventVersion",
        "mutation ($event: ID!, $version: ID!) {
         restoreEventVersion(input: { id: $event, versionId: $version, expectedVersion: 1 }) { event { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("event")),
    ),
    case(
        "Mutation.retryJob",
        "mutation ($done: ID!) { retryJob(input: { id: $done }) { job { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, Done),
    ),
    case(
        "Mutation.revokeApiToken",
        "mutation ($token: ID!) { revokeApiToken(input: { id: $token }) { apiToken { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("token")),
    ),
    case(
        "Mutation.revokeInvite",
        "mutation ($invite: ID!) { revokeInvite(input: { id: $invite }) { deletedId userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, With("invite")),
    ),
    case(
        "Mutation.revokeOtherSessions",
        "mutation { revokeOtherSessions { revokedCount userErrors { code } } }",
        UNKNOWN,
        (Bare, UserError("FORBIDDEN")),
        (Owner, Done),
    ),
    case(
        "Mutation.revokeSession",
        "mutation ($session: ID!) { revokeSession(input: { id: $session }) { session { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("session")),
    ),
    case(
        "Mutation.rotateEncryptionKey",
        "mutation { rotateEncryptionKey(input: {}) { keyId userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        // The key of these tests is not in a file.
        (Admin, UserError("UNSUPPORTED")),
    ),
    case(
        "Mutation.runEvent",
        "mutation ($event: ID!) { runEvent(input: { eventId: $event }) { job { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, Done),
    ),
    case(
        "Mutation.saveOidcProvider",
        "mutation ($unique: String!) { saveOidcProvider(input: { issuer: \"http://127.0.0.1:9\", clientId: \"cronium\", \
         label: $unique }) { provider { label } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, With("unique")),
    ),
    case(
        "Mutation.saveRole",
        "mutation ($unique: String!) { saveRole(input: { name: $unique, permissions: [] }) { role { name } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, With("unique")),
    ),
    case(
        "Mutation.sendTestEmail",
        "mutation ($email: String!) { sendTestEmail(input: { to: $email }) { userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        // There is no mail server here.
        (Admin, UserError("UNSUPPORTED")),
    ),
    case(
        "Mutation.setEventStatus",
        "mutation ($event: ID!) { setEventStatus(input: { id: $event, status: PAUSED }) { event { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("event")),
    ),
    case(
        "Mutation.setQuota",
        "mutation ($user: ID!) { setQuota(input: { subject: { user: $user }, limits: [{ kind: EVENTS, limit: 1000 }] }) {
         limits { kind } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, Done),
    ),
    Case {
        field: "Mutation.signIn",
        document: "mutation ($email: String!, $password: String!) {
         signIn(input: { email: $email, password: $password }) { viewer { id } userErrors { code } } }",
        anonymous: With("user"),
        foreign: (Stranger, UserError("INVALID")),
        foreign_document: Some(
            "mutation ($email: String!) {
             signIn(input: { email: $email, password: \"a wrong password\" }) { viewer { id } userErrors { code } } }",
        ),
        permitted: (Owner, With("user")),
    },
    case(
        "Mutation.signOut",
        "mutation { signOut { signedOut } }",
        Done,
        (StrangerOnce, Done),
        (OwnerOnce, Done),
    ),
    case(
        "Mutation.signUp",
        "mutation ($email: String!) { signUp(input: { email: $email, name: \"New\" }) { status userErrors { code } } }",
        UserError("UNSUPPORTED"),
        (Stranger, UserError("UNSUPPORTED")),
        (Owner, UserError("UNSUPPORTED")),
    ),
    case(
        "Mutation.testEvent",
        "mutation { testEvent(input: { type: BASH, source: \"true\" }) { job { id } userErrors { code } } }",
        UNKNOWN,
        (Viewer, UserError("FORBIDDEN")),
        (Owner, Done),
    ),
    case(
        "Mutation.testOidcProvider",
        "mutation { testOidcProvider { usable userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        // Nothing listens where the provider of the case above should be.
        (Admin, UserError("UNREACHABLE")),
    ),
    case(
        "Mutation.updateEvent",
        "mutation ($event: ID!) { updateEvent(input: { id: $event, expectedVersion: 1, name: \"New\" }) {
         event { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("event")),
    ),
    case(
        "Mutation.updateProfile",
        "mutation { updateProfile(input: { name: \"New\" }) { viewer { id } userErrors { code } } }",
        UNKNOWN,
        (Bare, UserError("FORBIDDEN")),
        (Owner, With("user")),
    ),
    case(
        "Mutation.updateSettings",
        "mutation { updateSettings(input: { registration: INVITE_ONLY }) { settings { version } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Mutation.updateUser",
        "mutation ($bare: ID!) { updateUser(input: { id: $bare, name: \"New\" }) { user { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, With("bare")),
    ),
    case(
        "Subscription.executionLog",
        "subscription ($execution: ID!) { executionLog(executionId: $execution) { final } }",
        UNKNOWN,
        (Stranger, Refused("NOT_FOUND")),
        (Owner, Done),
    ),
    case(
        "Subscription.jobLog",
        "subscription ($done: ID!) { jobLog(jobId: $done) { final } }",
        UNKNOWN,
        (Stranger, Refused("NOT_FOUND")),
        (Owner, Done),
    ),
    case(
        "Subscription.jobUpdated",
        "subscription ($job: ID!) { jobUpdated(id: $job) { id } }",
        UNKNOWN,
        (Stranger, Refused("NOT_FOUND")),
        (Owner, With("job")),
    ),
    case(
        "Subscription.jobsChanged",
        "subscription { jobsChanged { job { title } } }",
        UNKNOWN,
        (Stranger, Without("title")),
        (Owner, With("title")),
    ),
    case(
        "Subscription.systemStatus",
        "subscription { systemStatus { __typename } }",
        UNKNOWN,
        (Bare, Refused("FORBIDDEN")),
        (Viewer, Done),
    ),
];
