//! What people do to servers through the API: ask a host for its keys, make, change, check, remove. Knows no page.

use cynic::MutationBuilder as _;

use super::data::{Check, Detail, Hop};
use super::status::ServerTrouble;
use crate::api::{self, schema};
use crate::pages::runs::data::{Refusal, UserError, settled};

#[derive(cynic::InputObject, Clone, Debug)]
pub struct ProbeServerInput {
    pub address: String,
    pub port: i32,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub jump_server_id: Option<cynic::Id>,
}

#[derive(cynic::QueryVariables)]
struct ProbeVariables {
    input: ProbeServerInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ProbeVariables")]
struct ProbeServer {
    #[arguments(input: $input)]
    probe_server: Probed,
}

crate::api::listed!(Mutation ProbeServer, ProbeVariables);

/// What a host shows to whoever asks.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ProbeServerPayload")]
pub struct Probed {
    pub reachable: bool,
    pub host_keys: Vec<HostKey>,
    pub trouble: Option<ServerTrouble>,
    pub message: Option<String>,
    pub user_errors: Vec<UserError>,
}

/// One of a host's keys.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ServerHostKey")]
pub struct HostKey {
    pub algorithm: String,
    pub fingerprint: String,
}

/// Asks a host for its keys, without signing in.
pub async fn probe(input: ProbeServerInput) -> Result<Probed, Refusal> {
    let answer = api::run(ProbeServer::build(ProbeVariables { input }))
        .await?
        .probe_server;
    if answer.user_errors.is_empty() {
        Ok(answer)
    } else {
        Err(Refusal::Refused(answer.user_errors))
    }
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct CreateServerInput {
    pub name: String,
    pub address: String,
    pub port: i32,
    pub username: String,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub host_key_fingerprint: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub jump_server_id: Option<cynic::Id>,
    pub tags: Vec<String>,
    pub shared: bool,
    pub check_interval_seconds: i32,
    pub allow_unreachable: bool,
}

#[derive(cynic::QueryVariables)]
struct CreateServerVariables {
    input: CreateServerInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "CreateServerVariables")]
struct CreateServer {
    #[arguments(input: $input)]
    create_server: CreateServerPayload,
}

crate::api::listed!(Mutation CreateServer, CreateServerVariables);

#[derive(cynic::QueryFragment)]
struct CreateServerPayload {
    server: Option<Detail>,
    user_errors: Vec<UserError>,
}

/// Connects, signs in, and keeps the server.
pub async fn create(input: CreateServerInput) -> Result<Detail, Refusal> {
    let answer = api::run(CreateServer::build(CreateServerVariables { input }))
        .await?
        .create_server;
    settled(answer.server, answer.user_errors)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct UpdateServerInput {
    pub id: cynic::Id,
    pub expected_version: i32,
    pub name: String,
    pub address: String,
    pub port: i32,
    pub username: String,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub host_key_fingerprint: Option<String>,
    /// None takes the way away: it is sent as null.
    pub jump_server_id: Option<cynic::Id>,
    pub tags: Vec<String>,
    pub shared: bool,
    pub check_interval_seconds: i32,
    pub allow_unreachable: bool,
}

#[derive(cynic::QueryVariables)]
struct UpdateServerVariables {
    input: UpdateServerInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "UpdateServerVariables")]
struct UpdateServer {
    #[arguments(input: $input)]
    update_server: UpdateServerPayload,
}

crate::api::listed!(Mutation UpdateServer, UpdateServerVariables);

#[derive(cynic::QueryFragment)]
struct UpdateServerPayload {
    server: Option<Detail>,
    user_errors: Vec<UserError>,
}

pub async fn update(input: UpdateServerInput) -> Result<Detail, Refusal> {
    let answer = api::run(UpdateServer::build(UpdateServerVariables { input }))
        .await?
        .update_server;
    settled(answer.server, answer.user_errors)
}

/// The part of a change that only pins a key: whatever is not in it stays as it is.
#[derive(cynic::InputObject, Clone, Debug)]
#[cynic(graphql_type = "UpdateServerInput")]
struct PinInput {
    id: cynic::Id,
    expected_version: i32,
    host_key_fingerprint: String,
    allow_unreachable: bool,
}

#[derive(cynic::QueryVariables)]
struct PinVariables {
    input: PinInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "PinVariables")]
struct PinHostKey {
    #[arguments(input: $input)]
    update_server: UpdateServerPayload,
}

crate::api::listed!(Mutation PinHostKey, PinVariables);

/// Pins the key that somebody has compared. Who signs in is another question: the key is kept even if that fails.
pub async fn pin(id: cynic::Id, version: i32, fingerprint: String) -> Result<Detail, Refusal> {
    let input = PinInput {
        id,
        expected_version: version,
        host_key_fingerprint: fingerprint,
        allow_unreachable: true,
    };
    let answer = api::run(PinHostKey::build(PinVariables { input }))
        .await?
        .update_server;
    settled(answer.server, answer.user_errors)
}

#[derive(cynic::InputObject)]
struct CheckServerInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables)]
struct CheckVariables {
    input: CheckServerInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "CheckVariables")]
struct CheckServer {
    #[arguments(input: $input)]
    check_server: CheckServerPayload,
}

crate::api::listed!(Mutation CheckServer, CheckVariables);

#[derive(cynic::QueryFragment)]
struct CheckServerPayload {
    server: Option<Detail>,
    check: Option<Check>,
    user_errors: Vec<UserError>,
}

/// Looks at a server now, and waits for what comes of it.
pub async fn check(id: cynic::Id) -> Result<(Detail, Option<Check>), Refusal> {
    let input = CheckServerInput { id };
    let answer = api::run(CheckServer::build(CheckVariables { input }))
        .await?
        .check_server;
    let server = settled(answer.server, answer.user_errors)?;
    Ok((server, answer.check))
}

#[derive(cynic::InputObject)]
struct DeleteServerInput {
    id: cynic::Id,
    expected_version: i32,
}

#[derive(cynic::QueryVariables)]
struct DeleteServerVariables {
    input: DeleteServerInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "DeleteServerVariables")]
struct DeleteServer {
    #[arguments(input: $input)]
    delete_server: DeleteServerPayload,
}

crate::api::listed!(Mutation DeleteServer, DeleteServerVariables);

#[derive(cynic::QueryFragment)]
struct DeleteServerPayload {
    deleted_id: Option<cynic::Id>,
    jump_for: Vec<Hop>,
    user_errors: Vec<UserError>,
}

/// Removes a server; with a refusal come those that are reached through it.
pub async fn delete(id: cynic::Id, version: i32) -> Result<(), (Refusal, Vec<Hop>)> {
    let input = DeleteServerInput {
        id,
        expected_version: version,
    };
    let answer = api::run(DeleteServer::build(DeleteServerVariables { input })).await;
    let answer = answer
        .map_err(|error| (Refusal::from(error), Vec::new()))?
        .delete_server;
    match settled(answer.deleted_id, answer.user_errors) {
        Ok(_) => Ok(()),
        Err(refusal) => Err((refusal, answer.jump_for)),
    }
}
