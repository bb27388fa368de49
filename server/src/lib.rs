//! Cronium's server: owns the domain, serves the GraphQL API and the dashboard, and hands work to
//! orchestrators. See docs/architecture.md for the map.

pub mod access;
pub mod app;
pub mod audit;
pub mod commands;
pub mod config;
pub mod definitions;
pub mod events;
pub mod explain;
pub mod fanout;
pub mod happenings;
pub mod identity;
pub mod insight;
pub mod jobs;
pub mod kernel;
pub mod keys;
pub mod logs;
pub mod mail;
pub mod oidc;
pub mod orchestrators;
pub mod postgres;
pub mod quotas;
pub mod rate;
pub mod runtime;
pub mod servers;
pub mod settings;
pub mod supervise;
pub mod terminals;
pub mod transport;
pub mod variables;
