//! The figures in the navigation. Asked for when a page opens; what runs is told live by the status.

use cynic::QueryBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::status::STATUS;

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct CountsQuery {
    #[arguments(first: 1)]
    events: Total,
}

crate::api::listed!(Query CountsQuery, ());

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "EventConnection")]
struct Total {
    total_count: i32,
}

static EVENTS: GlobalSignal<i32> = Signal::global(|| 0);

/// What the navigation counts.
pub(super) struct Counts {
    pub(super) events: i32,
    pub(super) active: i32,
}

/// Asks how many events there are. A failure leaves the last figure: pages tell of it themselves.
pub(super) async fn load() {
    if let Ok(answer) = api::run(CountsQuery::build(())).await {
        let count = answer.events.total_count;
        if *EVENTS.peek() != count {
            *EVENTS.write() = count;
        }
    }
}

/// The figures now. A component that reads them follows their changes.
pub(super) fn read() -> Counts {
    let active = STATUS
        .read()
        .as_ref()
        .map_or(0, |status| status.running + status.queue_depth);
    Counts {
        events: *EVENTS.read(),
        active,
    }
}
