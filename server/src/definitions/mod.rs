//! Definitions as text, in YAML and JSON: what people keep beside their code and bring from one installation to
//! another. Reads and writes documents; what is in them goes through the services that own it.

mod document;
mod graphql;
mod json;
mod model;
mod service;
mod shape;
mod target;
mod written;
mod yaml;

pub use graphql::DefinitionsMutation;
pub use service::Definitions;
