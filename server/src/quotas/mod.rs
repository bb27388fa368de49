//! How much a person may have and do: limits of the person, of the role, of the installation. Knows what is
//! counted, not what it is for.

mod graphql;
mod loader;
mod model;
mod service;
mod store;

pub use graphql::{Quota, QuotaLimit, QuotasMutation, QuotasQuery};
pub use loader::{LimitsLoader, UsageLoader};
pub use model::{Kind, Limits};
pub use service::{Quotas, Subject};
