//! How the outside reaches the services: GraphQL, agents, files, health.

pub mod agent;
pub mod files;
pub mod graphql;
pub mod health;
pub mod node;
pub mod schema;
