//! Cases of mutations.

use super::Expect::{Done, UserError, With};
use super::{Case, UNKNOWN, case};
use crate::authorisation::world::Who::{Admin, Bare, Owner, OwnerOnce, Stranger, StrangerOnce, Viewer};

pub const CASES: &[Case] = &[
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
        "Mutation.cancelJobs",
        "mutation ($event: ID!) { cancelJobs(input: { filter: { eventId: $event } }) {
         cancelledCount remaining userErrors { code } } }",
        UNKNOWN,
        (Viewer, UserError("FORBIDDEN")),
        (Owner, Done),
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
        "Mutation.checkServer",
        "mutation ($server: ID!) { checkServer(input: { id: $server }) { check { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        // Nobody has confirmed its host key.
        (Owner, UserError("CONFLICT")),
    ),
    case(
        "Mutation.closeTerminal",
        "mutation ($terminal: ID!) { closeTerminal(input: { id: $terminal }) { terminal { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("terminal")),
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
        "Mutation.createServer",
        "mutation ($unique: String!) { createServer(input: { name: $unique, address: \"db.example.test\", username: \"deploy\",
         password: \"x\", allowUnreachable: true }) { server { name } userErrors { code } } }",
        UNKNOWN,
        (Viewer, UserError("FORBIDDEN")),
        (Owner, With("unique")),
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
        "Mutation.deleteServer",
        "mutation ($server: ID!) { deleteServer(input: { id: $server }) { deletedId userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("server")),
    ),
    case(
        "Mutation.deleteVariable",
        "mutation ($variable: ID!) { deleteVariable(input: { id: $variable }) { deletedId userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("variable")),
    ),
    case(
        "Mutation.disableTotp",
        "mutation ($password: String!) { disableTotp(input: { code: \"000000\", password: $password }) { disabled userErrors { code } } }",
        UNKNOWN,
        (Bare, UserError("FORBIDDEN")),
        (Viewer, Done),
    ),
    case(
        "Mutation.exportDefinitions",
        "mutation ($event: ID!) { exportDefinitions(input: { eventIds: [$event] }) { content userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, Done),
    ),
    case(
        "Mutation.exportVariables",
        "mutation { exportVariables(input: { format: JSON, scope: GLOBAL }) { content userErrors { code } } }",
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
        "Mutation.forkEvent",
        "mutation ($event: ID!) { forkEvent(input: { id: $event }) { event { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, Done),
    ),
    case(
        "Mutation.importDefinitions",
        "mutation { importDefinitions(input: { content: \"{cronium: 1, events: [{name: x, type: BASH, source: id}]}\",
         format: YAML, onConflict: RENAME }) { created userErrors { code } } }",
        UNKNOWN,
        (Viewer, UserError("FORBIDDEN")),
        (Owner, Done),
    ),
    case(
        "Mutation.importVariables",
        "mutation { importVariables(input: { format: DOTENV, scope: OWN, content: \"A=1\" }) { created userErrors { code } } }",
        UNKNOWN,
        (Viewer, UserError("FORBIDDEN")),
        (Owner, Done),
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
        "Mutation.openTerminal",
        "mutation ($server: ID!) { openTerminal(input: { serverId: $server }) { terminal { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        // Nobody has confirmed its host key.
        (Owner, UserError("CONFLICT")),
    ),
    case(
        "Mutation.probeServer",
        "mutation { probeServer(input: { address: \"db.example.test\" }) { reachable trouble userErrors { code } } }",
        UNKNOWN,
        (Viewer, UserError("FORBIDDEN")),
        // No orchestrator here reaches servers, and the answer says so.
        (Owner, Done),
    ),
    case(
        "Mutation.readTerminal",
        "mutation ($terminal: ID!) { readTerminal(input: { id: $terminal, seq: 1 }) { userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, Done),
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
        "Mutation.resetEventCounter",
        "mutation ($event: ID!) { resetEventCounter(input: { id: $event }) { event { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("event")),
    ),
    case(
        "Mutation.resizeTerminal",
        "mutation ($terminal: ID!) { resizeTerminal(input: { id: $terminal, columns: 100, rows: 30 }) {
         terminal { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("terminal")),
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
        "Mutation.sendTerminalInput",
        "mutation ($terminal: ID!) { sendTerminalInput(input: { id: $terminal, seq: 1, data: \"x\" }) {
         nextSeq userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, Done),
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
        "Mutation.setOrchestratorDraining",
        "mutation ($orchestrator: ID!) { setOrchestratorDraining(input: { id: $orchestrator, draining: true }) {
         orchestrator { id draining } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, With("orchestrator")),
    ),
    case(
        "Mutation.setQuota",
        "mutation ($bare: ID!) { setQuota(input: { subject: { user: $bare }, limits: [{ kind: EVENTS, limit: 1000 }] }) {
         limits { kind } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("FORBIDDEN")),
        (Admin, Done),
    ),
    case(
        "Mutation.setVariable",
        "mutation ($variable: ID!, $variableKey: String!) {
         setVariable(input: { id: $variable, key: $variableKey, value: \"new\" }) { variable { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("variable")),
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
        "Mutation.updateServer",
        "mutation ($server: ID!, $unique: String!) { updateServer(input: { id: $server, name: $unique }) {
         server { id } userErrors { code } } }",
        UNKNOWN,
        (Stranger, UserError("NOT_FOUND")),
        (Owner, With("server")),
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
];
