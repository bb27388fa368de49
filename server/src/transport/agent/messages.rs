//! What comes over the wire, as messages: many at a time, and words of a newer orchestrator passed over. Knows no meaning.

use axum::extract::ws::{Message, WebSocket};
use cronium_protocol::agent::{AgentToServer, decode};
use futures::stream::SplitStream;
use futures::{FutureExt as _, StreamExt as _};

use crate::kernel::{Error, Result};

/// Messages that are handled together, and their bytes: outputs and calls have megabytes.
const TOGETHER: usize = 100;
const TOGETHER_BYTES: usize = 16 << 20;

/// The message that came, and those that came with it; None when the connection is over.
pub fn gather(
    first: Option<std::result::Result<Message, axum::Error>>,
    stream: &mut SplitStream<WebSocket>,
) -> Result<Option<Vec<AgentToServer>>> {
    let (mut next, mut batch, mut size) = (first, Vec::new(), 0);
    loop {
        match next {
            Some(Ok(Message::Binary(bytes))) => {
                size += bytes.len();
                batch.extend(read(&bytes)?);
            }
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(None),
            Some(Ok(_)) => {}
        }
        if batch.len() == TOGETHER || size >= TOGETHER_BYTES {
            return Ok(Some(batch));
        }
        match stream.next().now_or_never() {
            Some(message) => next = message,
            None => return Ok(Some(batch)),
        }
    }
}

/// None for words that this version does not know: the orchestrator is newer.
fn read(bytes: &[u8]) -> Result<Option<AgentToServer>> {
    let message =
        decode(bytes).map_err(|e| Error::BadRequest(format!("not a message of an orchestrator: {e}")))?;
    if message.is_none() {
        tracing::warn!("an orchestrator said something that this version does not know: it is newer");
    }
    Ok(message)
}

pub fn hello_of(bytes: &[u8]) -> Result<AgentToServer> {
    read(bytes)?.ok_or_else(|| Error::BadRequest("the first message of an orchestrator is Hello".into()))
}
