//! How work goes and how the installation is: counts, durations, queue. Only reads.

mod graphql;
mod live;
mod model;
mod service;
mod store;

pub use graphql::InsightQuery;
pub use live::InsightSubscription;
pub use service::Insight;
