//! Which logs are read on which other servers. Each server repeats what it reads; one that falls silent is
//! forgotten. Lines go to nobody else.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::kernel::ids::ExecutionId;

use super::wire::ServerId;

/// A server repeats itself three times within this.
const FORGOTTEN: Duration = Duration::from_secs(15);
/// Logs that are remembered; readers of more are served from the store.
const MOST: usize = 10_000;
/// Servers that are remembered for one log.
const SERVERS: usize = 64;

type Readers = HashMap<ExecutionId, Vec<(ServerId, Instant)>>;

/// What others read.
#[derive(Debug, Default)]
pub struct Interest(Mutex<Readers>);

impl Interest {
    fn lock(&self) -> MutexGuard<'_, Readers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn reads(&self, server: ServerId, execution: ExecutionId, now: Instant) {
        let mut all = self.lock();
        if all.len() >= MOST && !all.contains_key(&execution) {
            return;
        }
        let readers = all.entry(execution).or_default();
        if let Some((_, at)) = readers.iter_mut().find(|(known, _)| *known == server) {
            *at = now;
        } else if readers.len() < SERVERS {
            readers.push((server, now));
        }
    }

    pub fn unread(&self, server: ServerId, execution: ExecutionId) {
        let mut all = self.lock();
        if let Some(readers) = all.get_mut(&execution) {
            readers.retain(|(known, _)| *known != server);
            if readers.is_empty() {
                all.remove(&execution);
            }
        }
    }

    /// Forgets who was not heard of for long.
    pub fn tidy(&self, now: Instant) {
        self.lock().retain(|_, readers| {
            readers.retain(|(_, at)| now - *at < FORGOTTEN);
            !readers.is_empty()
        });
    }

    pub fn is_read(&self, execution: ExecutionId) -> bool {
        self.lock().contains_key(&execution)
    }

    pub fn readers(&self, execution: ExecutionId) -> Vec<ServerId> {
        let all = self.lock();
        let readers = all.get(&execution).into_iter().flatten();
        readers.map(|(server, _)| *server).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_server_that_falls_silent_is_forgotten() {
        let interest = Interest::default();
        let log = ExecutionId(Uuid::from_u128(1));
        let (one, other) = (ServerId(Uuid::from_u128(1)), ServerId(Uuid::from_u128(2)));
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        interest.reads(one, log, now);
        interest.reads(other, log, now);
        interest.reads(one, log, after(10));
        interest.tidy(after(14));
        assert_eq!(interest.readers(log), [one, other]);
        interest.tidy(after(16));
        assert_eq!(interest.readers(log), [one]);
        interest.unread(one, log);
        assert!(!interest.is_read(log));
    }

    #[test]
    fn it_remembers_no_more_than_it_has_room_for() {
        let interest = Interest::default();
        for n in 0..20_000 {
            let server = ServerId(Uuid::from_u128(n));
            for log in [n, 0] {
                interest.reads(server, ExecutionId(Uuid::from_u128(log)), Instant::now());
            }
        }
        assert_eq!(interest.lock().len(), MOST);
        assert_eq!(interest.readers(ExecutionId(Uuid::nil())).len(), SERVERS);
    }
}
