//! Mail: written in the transaction of what it tells of, sent afterwards by a worker that tries again. Knows no
//! accounts.

mod graphql;
mod service;
mod store;
mod text;

pub use graphql::MailMutation;
pub use service::Mail;
pub use text::{Letter, Subject};
