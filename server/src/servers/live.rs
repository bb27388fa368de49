//! Watching servers. Signals are hints: each one makes the watcher read the rows, and a slow look stands behind.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_graphql::{Context, ID, Subscription};
use futures::Stream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::kernel::api::{ApiResult, api, op, to_graphql};
use crate::kernel::ids::ServerId;
use crate::kernel::signals::ServerSignal;
use crate::kernel::{Error, Op, Result};

use super::graphql::Server;
use super::service::Servers;
use super::store::{Face, ServerRow};

/// Changes are gathered for so long.
const GATHER: Duration = Duration::from_millis(200);
/// A look behind the signals.
const LOOK: Duration = Duration::from_secs(10);

/// Subscriptions about servers.
#[derive(Debug, Default)]
pub struct ServersSubscription;

/// One who watches: all that may be seen, or one.
struct Watch {
    servers: Servers,
    op: Op,
    only: Option<ServerId>,
    signals: Receiver<ServerSignal>,
    /// How each was when it was last told of, or when the watch began.
    told: BTreeMap<Uuid, Face>,
}

/// What was heard.
#[derive(Default)]
struct Heard {
    servers: BTreeSet<ServerId>,
    /// Any may have changed.
    all: bool,
    closed: bool,
}

impl Heard {
    fn add(&mut self, signal: std::result::Result<ServerSignal, RecvError>) {
        match signal {
            Ok(ServerSignal::Changed(server)) => {
                self.servers.insert(server);
            }
            Ok(ServerSignal::Missed) | Err(RecvError::Lagged(_)) => self.all = true,
            Err(RecvError::Closed) => self.closed = true,
        }
    }
}

impl Watch {
    /// Waits for signals, and gathers those that come together.
    async fn listen(&mut self) -> Heard {
        let mut heard = Heard::default();
        let look_at = Instant::now() + LOOK;
        match timeout_at(look_at, self.signals.recv()).await {
            Ok(signal) => heard.add(signal),
            Err(_) => heard.all = true,
        }
        let until = Instant::now() + GATHER;
        while !heard.closed {
            match timeout_at(until, self.signals.recv()).await {
                Ok(signal) => heard.add(signal),
                Err(_) => break,
            }
        }
        heard
    }

    /// Servers that are other than they were told; None: the one that is watched is gone.
    async fn changed(&mut self, heard: Heard) -> Result<Option<Vec<ServerRow>>> {
        let ids: Vec<ServerId> = match self.only {
            Some(id) if heard.all || heard.servers.contains(&id) => vec![id],
            Some(_) => Vec::new(),
            None if heard.all => {
                let faces = self.servers.faces(&self.op).await?;
                let news = faces
                    .iter()
                    .filter(|(id, face)| self.told.get(*id) != Some(*face));
                news.map(|(id, _)| ServerId(*id)).collect()
            }
            None => heard.servers.into_iter().collect(),
        };
        if ids.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut rows = self.servers.seen(&self.op, &ids).await?;
        if self.only.is_some() && rows.is_empty() {
            return Ok(None);
        }
        // What is gone is not remembered.
        self.told
            .retain(|id, _| !ids.contains(&ServerId(*id)) || rows.iter().any(|row| row.id == *id));
        rows.retain(|row| self.told.insert(row.id, Face::from(row)) != Some(Face::from(row)));
        Ok(Some(rows))
    }
}

#[Subscription]
impl ServersSubscription {
    /// Servers that are made, change or are checked, among those that the viewer may see; with an id that one, as it is and
    /// then at each change, until it is removed. Needs READ_SERVERS.
    async fn server_updated(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of the only server to watch.")] id: Option<ID>,
    ) -> async_graphql::Result<impl Stream<Item = ApiResult<Server>> + use<>> {
        let (servers, op) = (ctx.data::<Servers>()?.clone(), op(ctx)?.clone());
        let only = api(ctx, id.as_ref().map(ServerId::parse).transpose())?;
        // First, so that little can happen between this and what is read.
        let signals = servers.signals();
        let mut first = None;
        let told = match only {
            Some(id) => {
                let row = api(ctx, servers.get(&op, id).await)?;
                let told = BTreeMap::from([(row.id, Face::from(&row))]);
                first = Some(row);
                told
            }
            None => api(ctx, servers.faces(&op).await)?,
        };
        let mut watch = Watch {
            servers,
            op,
            only,
            signals,
            told,
        };
        Ok(async_stream::stream! {
            if let Some(row) = first {
                yield Ok(Server(row));
            }
            loop {
                let heard = watch.listen().await;
                if heard.closed {
                    return;
                }
                match watch.changed(heard).await {
                    Ok(Some(rows)) => for row in rows {
                        yield Ok(Server(row));
                    },
                    Ok(None) => return,
                    Err(Error::Unavailable(_)) => {}
                    Err(e) => {
                        yield Err(to_graphql(Some(&watch.op), e));
                        return;
                    }
                }
            }
        })
    }
}
