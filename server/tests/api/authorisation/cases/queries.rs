//! Cases of queries.

use super::Expect::{Done, Null, Nulls, Refused, With, Without};
use super::{Case, UNKNOWN, case};
use crate::authorisation::world::Who::{Admin, Bare, Owner, Stranger, Viewer};

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
];
