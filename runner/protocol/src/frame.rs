//! Frames between orchestrator and runner over the runner's stdin and stdout: each is COBS-encoded
//! (type byte, MessagePack body, CRC-32) and ended by a zero byte, so a reader that joins in the middle
//! finds the next frame by itself.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::manifest::Refusal;

/// Largest decoded frame.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;

/// Runner → orchestrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromRunner {
    /// Ready for a payload. Also the answer to `ToRunner::Resume`.
    Hello {
        protocol: u16,
        started: bool,
        last_seq: u64,
    },
    /// The payload was verified and unpacked; asks to start.
    StartRequest,
    /// User code runs.
    Started {
        at_us: i64,
    },
    /// An encoded [`crate::log::LogBlock`].
    Log {
        #[serde(with = "serde_bytes")]
        block: Vec<u8>,
    },
    /// User code and all its children have ended and every line has been sent. Repeated after a resume.
    Exit {
        report: ExitReport,
        usage: UsageReport,
        last_seq: u64,
    },
    Refused {
        refusal: Refusal,
    },
    Pong,
    /// A runtime call of the script: an encoded [`crate::runtime::Request`], relayed unread. Repeated after a resume
    /// until it is answered. Only sent where the manifest has a runtime, and after a resume only where that asks for
    /// calls.
    Call {
        id: Uuid,
        #[serde(with = "serde_bytes")]
        request: Vec<u8>,
    },
}

/// Orchestrator → runner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToRunner {
    /// To a runner that was started ahead, once, before the payload: the target that it serves from now on.
    Serve { target: String },
    Payload {
        #[serde(with = "serde_bytes")]
        manifest: Vec<u8>,
        #[serde(with = "serde_bytes")]
        signature: Vec<u8>,
        #[serde(with = "serde_bytes")]
        archive: Vec<u8>,
    },
    /// Answer to `StartRequest`.
    Start { granted: bool },
    /// Lines up to and with `seq` are kept; the spool may forget them.
    Ack { seq: u64 },
    /// A new reader: send Hello and everything after `after_seq` again. `calls`: runtime calls are carried, too.
    Resume {
        after_seq: u64,
        #[serde(default)]
        calls: bool,
    },
    /// TERM, then KILL after the manifest's grace.
    Cancel,
    /// Sent every 5 s; a runner that hears nothing for 10 min stops itself.
    Ping,
    /// The exit is kept: leave.
    Bye,
    /// Answer to `Call`: an encoded [`crate::runtime::Reply`].
    Reply {
        id: Uuid,
        #[serde(with = "serde_bytes")]
        reply: Vec<u8>,
    },
}

/// How user code ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExitReport {
    pub started_at_us: i64,
    pub ended_at_us: i64,
    /// Exit status, when it exited by itself.
    pub code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    pub timed_out: bool,
    pub cancelled: bool,
    /// KILL was needed after TERM.
    pub escalated: bool,
    pub out_of_memory: bool,
    /// New processes and threads that the process limit refused.
    #[serde(default)]
    pub processes_refused: u64,
    /// Why user code could not be started at all (interpreter missing …).
    pub spawn_error: Option<String>,
    /// Why it failed, where its exit code does not say it.
    #[serde(default)]
    pub failure: Option<String>,
    /// JSON text that the script gave as its output, by file or by call.
    pub output: Option<String>,
    pub output_error: Option<String>,
    pub log_truncated: bool,
}

/// What user code and its children used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageReport {
    pub cpu_us: u64,
    pub peak_memory_bytes: u64,
}

/// Why bytes are not a frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("frame is larger than {MAX_FRAME} bytes")]
    TooLarge,
    #[error("frame is damaged")]
    Damaged,
    #[error("frame can't be read: {0}")]
    Body(String),
}

const MESSAGE: u8 = 1;

/// One frame with its ending zero byte.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut raw = vec![MESSAGE];
    rmp_serde::encode::write_named(&mut raw, message).map_err(|e| FrameError::Body(e.to_string()))?;
    let crc = crc32fast::hash(&raw);
    raw.extend_from_slice(&crc.to_le_bytes());
    if raw.len() > MAX_FRAME {
        return Err(FrameError::TooLarge);
    }
    let mut out = vec![0; cobs::max_encoding_length(raw.len()) + 1];
    let n = cobs::encode(&raw, &mut out);
    out.truncate(n);
    out.push(0);
    Ok(out)
}

fn decode<T: for<'de> Deserialize<'de>>(encoded: &[u8]) -> Result<T, FrameError> {
    let mut raw = vec![0; encoded.len()];
    let report = cobs::decode(encoded, &mut raw).map_err(|_| FrameError::Damaged)?;
    raw.truncate(report.frame_size());
    let Some((body, crc)) = raw.split_last_chunk::<4>() else {
        return Err(FrameError::Damaged);
    };
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return Err(FrameError::Damaged);
    }
    match body.split_first() {
        Some((&MESSAGE, body)) => rmp_serde::from_slice(body).map_err(|e| FrameError::Body(e.to_string())),
        _ => Err(FrameError::Damaged),
    }
}

/// Cuts a byte stream into frames. Bytes are pushed as they come; damaged frames are reported and the
/// next one is found by its delimiter.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    scanned: usize,
    skipping: bool,
}

impl FrameReader {
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or None when more bytes are needed.
    #[expect(
        clippy::should_implement_trait,
        reason = "each call names the type that it expects"
    )]
    pub fn next<T: for<'de> Deserialize<'de>>(&mut self) -> Option<Result<T, FrameError>> {
        loop {
            let Some(at) = self.buffer[self.scanned..].iter().position(|b| *b == 0) else {
                self.scanned = self.buffer.len();
                if self.buffer.len() > MAX_FRAME + MAX_FRAME / 128 {
                    self.buffer.clear();
                    self.scanned = 0;
                    if !self.skipping {
                        self.skipping = true;
                        return Some(Err(FrameError::TooLarge));
                    }
                }
                return None;
            };
            let end = self.scanned + at;
            let frame: Vec<u8> = self.buffer.drain(..=end).collect();
            self.scanned = 0;
            if std::mem::take(&mut self.skipping) || frame.len() == 1 {
                continue;
            }
            return Some(decode(&frame[..frame.len() - 1]));
        }
    }
}
