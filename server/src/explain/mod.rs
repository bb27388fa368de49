//! Why somebody may do something, or may not: the policy asked on another's behalf. Decides nothing itself.

mod graphql;
mod service;

pub use graphql::ExplainQuery;
pub use service::Explain;
