//! Servers that people own: who may sign in where and how, which host key is pinned, and how each of them is. Orchestrators
//! reach them; nothing here speaks SSH.

mod checks;
mod credentials;
mod errands;
mod graphql;
mod health;
mod input;
mod key;
mod live;
mod loader;
mod model;
mod reference;
mod runs;
mod save;
mod service;
mod store;
mod trial;
mod vault;

pub use errands::Errands;
pub use graphql::{Server, ServersMutation, ServersQuery};
pub use health::LOOK;
pub use live::ServersSubscription;
pub use loader::{BehindLoader, CheckLoader, ServerLoader};
pub use model::Trouble;
pub use reference::ServerReference;
pub use runs::Order;
pub use service::Servers;
pub use store::ServerRow;
pub use vault::Vault;
