//! The GraphQL client: one request over fetch, live results over one WebSocket. Knows the contract
//! and the transport; knows no page.

pub(crate) mod documents;
mod error;
mod http;
mod insist;
mod live;
mod protocol;
mod scalars;

pub(crate) use documents::listed;
pub use error::{ApiError, ApiErrorKind};
pub use http::run;
pub use insist::insist;
pub use live::{Feed, Subscription, is_lost, keep, losses, restart, retry_now, subscribe};
pub use scalars::{IsoDuration, Json, Timestamp};

/// Marker types of the contract, for the query macros.
#[cynic::schema("cronium")]
pub mod schema {}

cynic::impl_scalar!(Timestamp, schema::DateTime);
cynic::impl_scalar!(Json, schema::JSON);
cynic::impl_scalar!(IsoDuration, schema::Duration);
