//! The queue: claims with lease and epoch, fenced writes, ends, sweeps. The rows are the truth; all times
//! of leases are the database's.

mod again;
mod claim;
mod finish;
mod lanes;
mod lease;
mod payload;
mod request;
mod start;
mod wake;

use std::time::Duration;

use crate::events::Events;
use crate::kernel::Kernel;
use crate::logs::Logs;
use crate::runtime::Tokens;
use crate::servers::Servers;
use crate::variables::Variables;

use super::turns::Turns;

pub use claim::Claimed;
pub use payload::Signer;
pub use start::Moment;
pub use wake::{setup as setup_apalis, wake_orchestrators};

/// How long a claim holds without being renewed.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often leases are renewed and swept.
pub const RENEW: Duration = Duration::from_secs(5);

/// Hands work out and takes its ends.
#[derive(Clone, Debug)]
pub struct Queue {
    kernel: Kernel,
    events: Events,
    logs: Logs,
    signer: Signer,
    tokens: Tokens,
    variables: Variables,
    servers: Servers,
    pub turns: Turns,
}

impl Queue {
    pub fn new(
        kernel: Kernel,
        events: Events,
        logs: Logs,
        signer: Signer,
        tokens: Tokens,
        variables: Variables,
        servers: Servers,
    ) -> Self {
        let turns = Turns::new(kernel.clone());
        Self {
            kernel,
            events,
            logs,
            signer,
            tokens,
            variables,
            servers,
            turns,
        }
    }

    pub fn verify_key(&self) -> [u8; 32] {
        self.signer.verify_key()
    }
}
