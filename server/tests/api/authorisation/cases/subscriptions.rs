//! Cases of subscriptions.

use super::Expect::{Done, Refused, With, Without};
use super::{Case, UNKNOWN, case};
use crate::authorisation::world::Who::{Bare, Owner, Stranger, Viewer};

pub const CASES: &[Case] = &[
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
        "Subscription.serverUpdated",
        "subscription ($server: ID!) { serverUpdated(id: $server) { id } }",
        UNKNOWN,
        (Stranger, Refused("NOT_FOUND")),
        (Owner, With("server")),
    ),
    case(
        "Subscription.systemStatus",
        "subscription { systemStatus { __typename } }",
        UNKNOWN,
        (Bare, Refused("FORBIDDEN")),
        (Viewer, Done),
    ),
    case(
        "Subscription.terminalOutput",
        "subscription ($terminal: ID!) { terminalOutput(sessionId: $terminal) { seq } }",
        UNKNOWN,
        (Stranger, Refused("NOT_FOUND")),
        (Owner, Done),
    ),
];
