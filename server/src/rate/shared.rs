//! Buckets that all servers share, in Valkey. Each server remembers what it saw, so while Valkey is away limits
//! go on where they were, and nothing waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Script};
use tokio::time::Instant;

use crate::kernel::{Clock, Error, Result};

use super::bucket::balance;
use super::{Balance, Buckets, LocalBuckets, Principal, Quota, WINDOW};

/// How long one answer may take: an operation waits for it.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long Valkey is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Where Valkey is, and whether it answers.
#[derive(Debug)]
pub struct Valkey {
    client: Client,
    link: Mutex<Link>,
}

#[derive(Debug)]
enum Link {
    Up(MultiplexedConnection),
    /// Not tried again before; None: not tried yet.
    Down(Option<Instant>),
}

impl Valkey {
    /// From a URL: `redis://` or `valkey://` with host, port, user, password and database, or a socket's path
    /// behind `redis+unix://`. Nothing is connected yet.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self {
            client: Client::open(url).map_err(|e| Error::internal(e.to_string()))?,
            link: Mutex::new(Link::Down(None)),
        })
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// None while it is away. Of those who come when it is to be tried again, one tries; the others do not wait.
    async fn connection(&self) -> Option<MultiplexedConnection> {
        let first = {
            let mut link = self.link();
            match &*link {
                Link::Up(connection) => return Some(connection.clone()),
                Link::Down(Some(again)) if Instant::now() < *again => return None,
                Link::Down(before) => {
                    let first = before.is_none();
                    *link = Link::Down(Some(Instant::now() + PAUSE));
                    first
                }
            }
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connected = self.client.get_multiplexed_async_connection_with_config(&config);
        match connected.await {
            Ok(connection) => {
                metrics::gauge!("cronium_valkey_up").set(1.0);
                tracing::info!("rate limits are shared through Valkey");
                *self.link() = Link::Up(connection.clone());
                Some(connection)
            }
            Err(problem) => {
                if first {
                    went_away(&problem);
                }
                None
            }
        }
    }

    /// The connection is not used again.
    fn failed(&self, problem: &redis::RedisError) {
        let mut link = self.link();
        if matches!(*link, Link::Up(_)) {
            went_away(problem);
        }
        *link = Link::Down(Some(Instant::now() + PAUSE));
    }
}

fn went_away(problem: &redis::RedisError) {
    metrics::gauge!("cronium_valkey_up").set(0.0);
    tracing::warn!(
        %problem,
        "Valkey does not answer: rate limits are counted by each server until it does"
    );
}

/// Buckets in Valkey.
#[derive(Debug)]
pub struct SharedBuckets {
    valkey: Valkey,
    clock: Arc<dyn Clock>,
    /// What this server knows of the buckets.
    seen: LocalBuckets,
    take: Script,
}

impl SharedBuckets {
    pub fn new(valkey: Valkey, clock: Arc<dyn Clock>) -> Self {
        Self {
            valkey,
            seen: LocalBuckets::new(Arc::clone(&clock)),
            clock,
            take: Script::new(include_str!("take.lua")),
        }
    }

    /// None when Valkey did not answer. It may have taken the cost all the same: then it counts twice, never not
    /// at all.
    async fn shared(&self, principal: Principal, quota: Quota, cost: u64) -> Option<Balance> {
        let mut connection = self.valkey.connection().await?;
        // From before the question, so that it is never more than Valkey itself knows while that is there.
        let (known, asked_at) = self.seen.missing(principal, quota);
        let mut call = self.take.prepare_invoke();
        call.key(key(principal))
            .arg(quota.0.max(1))
            .arg(u64::try_from(WINDOW.as_micros()).unwrap_or(u64::MAX))
            .arg(cost)
            .arg(u64::try_from(known).unwrap_or(u64::MAX));
        let answer: RedisResult<(u64, u64)> = call.invoke_async(&mut connection).await;
        match answer {
            Ok((missing, over)) => {
                let (missing, over) = (u128::from(missing), u128::from(over));
                self.seen.learn(principal, quota, missing, asked_at);
                let now_us = self.clock.now().timestamp_micros();
                Some(balance(quota, cost, missing, over, now_us))
            }
            Err(problem) => {
                self.valkey.failed(&problem);
                None
            }
        }
    }
}

impl Buckets for SharedBuckets {
    fn take(&self, principal: Principal, quota: Quota, cost: u64) -> BoxFuture<'_, Balance> {
        Box::pin(async move {
            match self.shared(principal, quota, cost).await {
                Some(balance) => balance,
                None => self.seen.take_now(principal, quota, cost),
            }
        })
    }
}

fn key(principal: Principal) -> String {
    match principal {
        Principal::User(id) => format!("cronium:rate:user:{id}"),
        Principal::Address(address) => format!("cronium:rate:address:{address}"),
        Principal::Execution(id) => format!("cronium:rate:execution:{id}"),
        Principal::Nowhere => "cronium:rate:nowhere".into(),
    }
}
