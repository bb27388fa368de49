//! Runtime calls of one connection: answered beside everything else, so that neither lines nor ends wait for them.
//! With the connection they end; what was not answered comes again over the next one.

use cronium_protocol::agent::{Claim, ServerToAgent};
use cronium_protocol::runtime::{Reply, Request, decode, encode};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::kernel::{Error, Result};
use crate::runtime::{Caller, Failure, Runtime};

/// Calls of one connection that are answered at a time, and bytes of theirs.
const MOST: usize = 256;
const MOST_BYTES: usize = 64 << 20;

/// Calls that are being answered.
pub struct Calls {
    runtime: Runtime,
    orchestrator: Uuid,
    open: JoinSet<(ServerToAgent, usize)>,
    bytes: usize,
}

impl Calls {
    pub fn new(runtime: Runtime, orchestrator: Uuid) -> Self {
        Self {
            runtime,
            orchestrator,
            open: JoinSet::new(),
            bytes: 0,
        }
    }

    /// Begins to answer a call.
    pub fn begin(&mut self, claim: Claim, id: Uuid, request: Vec<u8>) {
        let bytes = request.len();
        let busy = self.open.len() >= MOST || self.bytes + bytes > MOST_BYTES;
        let (runtime, orchestrator) = (self.runtime.clone(), self.orchestrator);
        self.bytes += bytes;
        self.open.spawn(async move {
            let reply = match decode::<Request>(&request) {
                _ if busy => failed(&Failure::Unavailable),
                Ok(request) => {
                    let caller = Caller::Runner {
                        orchestrator,
                        claim,
                        id,
                    };
                    runtime.answer(caller, &request).await
                }
                Err(problem) => failed(&Failure::Invalid {
                    message: problem.to_string(),
                    field: None,
                }),
            };
            // What can't be encoded has no text of ours in it: never.
            let reply = encode(&reply).unwrap_or_default();
            (ServerToAgent::Reply { claim, id, reply }, bytes)
        });
    }

    /// The next answer; waits for ever while there is none to come.
    pub async fn next(&mut self) -> Result<ServerToAgent> {
        match self.open.join_next().await {
            Some(answered) => {
                let (answer, bytes) = answered.map_err(Error::internal)?;
                self.bytes -= bytes;
                Ok(answer)
            }
            None => std::future::pending().await,
        }
    }
}

fn failed(failure: &Failure) -> Reply {
    Reply {
        status: failure.status(),
        body: failure.body().to_string().into_bytes(),
        secrets: Vec::new(),
    }
}
