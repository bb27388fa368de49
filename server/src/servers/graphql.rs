//! Servers in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object, SimpleObject};

use crate::access::Permission;
use crate::events::{Event, RunsOn, RunsOnLoader, person};
use crate::identity::User;
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, UserError, api, loaded, op, payload, visible};
use crate::kernel::error::{FieldError, UserErrorCode};
use crate::kernel::ids::ServerId;
use crate::kernel::paging::{ConnectionOf, PageArgs};

use super::checks::ServerCheck;
use super::input::{
    CheckServerInput, CreateServerInput, DeleteServerInput, ProbeServerInput, ServerFilter, ServerSignIn,
    ServerStatus, ServerTrouble, UpdateServerInput, jump,
};
use super::loader::{BehindLoader, CheckLoader};
use super::reference;
use super::service::{Removal, Servers};
use super::store::{ServerRow, check_cursor, cursor};

/// A host that somebody owns, reached over SSH.
#[derive(Debug, Clone)]
pub struct Server(pub ServerRow);

/// A host that somebody owns, reached over SSH.
#[Object]
impl Server {
    /// Global id.
    pub async fn id(&self) -> ID {
        ServerId(self.0.id).global()
    }

    /// 1 to 100 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Name or IP address alone; IPv6 without brackets.
    async fn address(&self) -> &str {
        &self.0.host
    }

    /// Where SSH listens.
    async fn port(&self) -> i32 {
        self.0.port
    }

    /// Who signs in.
    async fn username(&self) -> &str {
        &self.0.login
    }

    /// Words to find it by.
    async fn tags(&self) -> &[String] {
        &self.0.tags
    }

    /// Whether others may see it, run their scripts on it and reach their servers through it.
    async fn shared(&self) -> bool {
        self.0.shared
    }

    /// Whose it is.
    async fn owner(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        person(ctx, self.0.owner_id).await
    }

    /// How to sign in; what with is never shown.
    async fn sign_in(&self) -> ServerSignIn {
        self.0.sign_in.into()
    }

    /// The public half of its private key, as a line for `authorized_keys`; null for a password.
    async fn public_key(&self) -> Option<&str> {
        self.0.public_key.as_deref()
    }

    /// The host key that was confirmed, as `SHA256:…`; null: none was yet.
    async fn host_key_fingerprint(&self) -> Option<&str> {
        self.0.host_key_fingerprint.as_deref()
    }

    /// Kind of the pinned host key, such as `ssh-ed25519`; null: it was not seen yet.
    async fn host_key_algorithm(&self) -> Option<&str> {
        let key = self.0.host_key.as_deref()?;
        key.split_once(' ').map(|(algorithm, _)| algorithm)
    }

    /// The server on the way; null when there is none, or when the viewer may not see it.
    async fn jump_server(&self, ctx: &Context<'_>) -> ApiResult<Option<Server>> {
        match self.0.jump_server_id {
            Some(id) => reference::visible(ctx, id).await,
            None => Ok(None),
        }
    }

    /// Global id of the server on the way, also when the viewer may not see that one; null when there is none.
    async fn jump_server_id(&self) -> Option<ID> {
        self.0.jump_server_id.map(|id| ServerId(id).global())
    }

    /// Servers that are reached through this one, as far as the viewer may see them, by name; at most 100.
    async fn jump_for(&self, ctx: &Context<'_>) -> ApiResult<Vec<Server>> {
        let Some(key) = ctx.data::<Servers>()?.behind(op(ctx)?, &self.0) else {
            return Ok(Vec::new());
        };
        let rows = ctx.data::<DataLoader<BehindLoader>>()?.load_one(key).await;
        let rows = loaded(ctx, rows)?.unwrap_or_default();
        Ok(rows.into_iter().map(Server).collect())
    }

    /// Events that run here as they are now, by name; of those that the viewer may see, at most 100.
    async fn used_by(&self, ctx: &Context<'_>) -> ApiResult<Vec<Event>> {
        let Some(key) = RunsOn::seen_by(op(ctx)?, ServerId(self.0.id)) else {
            return Ok(Vec::new());
        };
        let rows = ctx.data::<DataLoader<RunsOnLoader>>()?.load_one(key).await;
        let rows = loaded(ctx, rows)?.unwrap_or_default();
        Ok(rows.into_iter().map(Event).collect())
    }

    /// How it is, as far as it is known.
    async fn status(&self) -> ServerStatus {
        self.0.status.into()
    }

    /// Why it is so, and what to do; null when it is ONLINE.
    async fn status_reason(&self) -> Option<&str> {
        self.0.status_reason.as_deref()
    }

    /// The newest check; null: there was none.
    async fn last_check(&self, ctx: &Context<'_>) -> ApiResult<Option<ServerCheck>> {
        let Some(id) = self.0.last_check_id else {
            return Ok(None);
        };
        let row = loaded(ctx, ctx.data::<DataLoader<CheckLoader>>()?.load_one(id).await)?;
        Ok(row.map(ServerCheck))
    }

    /// Checks of the last seven days, newest first.
    async fn checks(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<ServerCheck>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let args = args.counting(ctx.look_ahead().field("totalCount").exists());
        let found = ctx
            .data::<Servers>()?
            .checks(op(ctx)?, ServerId(self.0.id), &args)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, check_cursor, ServerCheck))
    }

    /// Seconds between checks; 0: it is never checked by itself.
    async fn check_interval_seconds(&self) -> i32 {
        self.0.check_interval_secs
    }

    /// Another one after each change by somebody; checks are none.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When it was registered.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When somebody last changed it.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }

    /// What the viewer may do with it. Who may change it may check it too.
    async fn viewer_can(&self, ctx: &Context<'_>) -> ApiResult<Vec<Permission>> {
        let mut may = vec![Permission::Read];
        if ctx.data::<Servers>()?.may_change(op(ctx)?, &self.0) {
            may.extend([Permission::Change, Permission::Delete]);
        }
        Ok(may)
    }
}

/// A key by which a host can be known again.
#[derive(Debug, SimpleObject)]
pub struct ServerHostKey {
    /// Its kind, such as `ssh-ed25519`.
    algorithm: String,
    /// `SHA256:` and 43 characters, as `ssh-keygen -l` shows it.
    fingerprint: String,
}

/// Queries of servers.
#[derive(Debug, Default)]
pub struct ServersQuery;

#[Object]
impl ServersQuery {
    /// One server; null when it does not exist or may not be seen. Needs READ_SERVERS.
    async fn server(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of the server.")] id: ID,
    ) -> ApiResult<Option<Server>> {
        let Ok(id) = ServerId::parse(&id) else {
            return Ok(None);
        };
        Ok(visible(ctx, ctx.data::<Servers>()?.get(op(ctx)?, id).await)?.map(Server))
    }

    /// Servers that the viewer may see, by name: own and shared ones. Needs READ_SERVERS.
    async fn servers(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the list.")] filter: Option<ServerFilter>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<Server>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let counted = ctx.look_ahead().field("totalCount").exists();
        let filter = filter.unwrap_or_default().filter();
        let found = ctx
            .data::<Servers>()?
            .list(op(ctx)?, filter.as_ref(), &args, counted)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, cursor, Server))
    }
}

/// Result of probeServer.
#[derive(Debug, SimpleObject)]
pub struct ProbeServerPayload {
    /// Whether something there speaks SSH and shows a key.
    reachable: bool,
    /// From asking to the last of the keys, in milliseconds.
    latency_ms: Option<f64>,
    /// The keys that it shows, the strongest first.
    host_keys: Vec<ServerHostKey>,
    /// Why it could not be reached.
    trouble: Option<ServerTrouble>,
    /// The same in words, with what to do.
    message: Option<String>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of createServer.
#[derive(Debug, SimpleObject)]
pub struct CreateServerPayload {
    /// The new server.
    server: Option<Server>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of updateServer.
#[derive(Debug, SimpleObject)]
pub struct UpdateServerPayload {
    /// The server as it is now.
    server: Option<Server>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of checkServer.
#[derive(Debug, SimpleObject)]
pub struct CheckServerPayload {
    /// The server as it is now.
    server: Option<Server>,
    /// What was found; null: it has not ended within 45 seconds, and is found among the server's checks when it has.
    check: Option<ServerCheck>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of deleteServer.
#[derive(Debug, SimpleObject)]
pub struct DeleteServerPayload {
    /// Id of the server that is gone.
    deleted_id: Option<ID>,
    /// Servers that are reached through it, which is why it stays; as far as the viewer may see them, at most 100.
    jump_for: Vec<Server>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of servers.
#[derive(Debug, Default)]
pub struct ServersMutation;

#[Object]
impl ServersMutation {
    /// Looks which host keys an address shows, without signing in: compare one of them with the host's own, and give its
    /// fingerprint to createServer. Waits up to 45 seconds. Needs MANAGE_SERVERS.
    async fn probe_server(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to look.")] input: ProbeServerInput,
    ) -> ApiResult<ProbeServerPayload> {
        let result = match jump(input.jump_server_id.as_ref()) {
            Ok(way) => {
                let servers = ctx.data::<Servers>()?;
                servers.probe(op(ctx)?, &input.address, input.port, way).await
            }
            Err(absent) => Err(absent),
        };
        let (found, user_errors) = payload(ctx, result)?;
        let (shown, trouble) = match found {
            Some(Ok(shown)) => (Some(shown), None),
            Some(Err(trouble)) => (None, Some(trouble)),
            None => (None, None),
        };
        let micros = shown.as_ref().map(|shown| shown.latency_us);
        let keys = shown.map(|shown| shown.keys).unwrap_or_default();
        Ok(ProbeServerPayload {
            reachable: !keys.is_empty(),
            latency_ms: micros.map(|us| us as f64 / 1000.0),
            host_keys: keys
                .iter()
                .map(|key| ServerHostKey {
                    algorithm: key.algorithm().to_owned(),
                    fingerprint: key.fingerprint(),
                })
                .collect(),
            message: trouble.as_ref().map(super::model::Trouble::message),
            trouble: trouble.map(|trouble| trouble.kind.into()),
            user_errors,
        })
    }

    /// Registers a server: looks at its host key, which has to be the confirmed one, and signs in; what is wrong is at its
    /// field, and nothing is saved. Waits up to a minute. Needs MANAGE_SERVERS.
    async fn create_server(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new server.")] input: CreateServerInput,
    ) -> ApiResult<CreateServerPayload> {
        let result = match input.new_server() {
            Ok(new) => ctx.data::<Servers>()?.create(op(ctx)?, new).await,
            Err(absent) => Err(absent),
        };
        let (row, user_errors) = payload(ctx, result)?;
        Ok(CreateServerPayload {
            server: row.map(Server),
            user_errors,
        })
    }

    /// Changes a server. When that changes how it is reached, it is looked at as a new one is. Waits up to a minute. Needs
    /// MANAGE_SERVERS.
    async fn update_server(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateServerInput,
    ) -> ApiResult<UpdateServerPayload> {
        let (id, expected) = (ServerId::parse(&input.id), input.expected_version);
        let result = match id.and_then(|id| Ok((id, input.change()?))) {
            Ok((id, change)) => {
                let servers = ctx.data::<Servers>()?;
                servers.update(op(ctx)?, id, expected, change).await
            }
            Err(absent) => Err(absent),
        };
        let (row, user_errors) = payload(ctx, result)?;
        Ok(UpdateServerPayload {
            server: row.map(Server),
            user_errors,
        })
    }

    /// Checks a server now, and waits up to 45 seconds for what is found. Needs MANAGE_SERVERS.
    async fn check_server(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which server.")] input: CheckServerInput,
    ) -> ApiResult<CheckServerPayload> {
        let result = match ServerId::parse(&input.id) {
            Ok(id) => ctx.data::<Servers>()?.check(op(ctx)?, id).await,
            Err(absent) => Err(absent),
        };
        let (found, user_errors) = payload(ctx, result)?;
        let (row, check) = found.map_or((None, None), |(row, check)| (Some(row), check));
        Ok(CheckServerPayload {
            server: row.map(Server),
            check: check.map(ServerCheck),
            user_errors,
        })
    }

    /// Removes a server with its checks; refused with IN_USE while others are reached through it, or while something
    /// runs on it. Needs MANAGE_SERVERS.
    async fn delete_server(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which server.")] input: DeleteServerInput,
    ) -> ApiResult<DeleteServerPayload> {
        let result = match ServerId::parse(&input.id) {
            Ok(id) => {
                let servers = ctx.data::<Servers>()?;
                servers.delete(op(ctx)?, id, input.expected_version).await
            }
            Err(absent) => Err(absent),
        };
        let (removal, mut user_errors) = payload(ctx, result)?;
        let (deleted, behind) = match removal {
            Some(Removal::Gone(id)) => (Some(id), Vec::new()),
            Some(Removal::InUse(count, seen)) => {
                let message = format!(
                    "It is the way to {count} other server{}: give {} another way first.",
                    if count == 1 { "" } else { "s" },
                    if count == 1 { "that one" } else { "those" },
                );
                user_errors.push(FieldError::new(UserErrorCode::InUse, "id", message).into());
                (None, seen)
            }
            None => (None, Vec::new()),
        };
        Ok(DeleteServerPayload {
            deleted_id: deleted.map(ServerId::global),
            jump_for: behind.into_iter().map(Server).collect(),
            user_errors,
        })
    }
}
