//! The signed description of one execution: what to unpack, what to run, within which limits.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Languages that the runner can start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    Bash,
    Python,
    NodeJs,
    /// No script: a request, which the orchestrator makes itself.
    Http,
}

/// Everything that the runner obeys. Encoded once by the signer; the signature covers those bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u16,
    pub execution_id: Uuid,
    pub job_id: Uuid,
    pub attempt: u32,
    /// The runner was started for exactly this target, e.g. `docker:<execution id>`.
    pub target: String,
    pub language: Language,
    /// Path of the script among `files`.
    pub entry: String,
    /// Path of the input JSON among `files`.
    pub input: Option<String>,
    pub env: BTreeMap<String, String>,
    /// Of user code, from start to TERM.
    pub timeout_ms: u64,
    /// From TERM to KILL.
    pub grace_ms: u64,
    pub log_line_bytes: u32,
    pub log_total_bytes: u64,
    pub files: Vec<FileEntry>,
    /// Milliseconds since the Unix epoch.
    pub expires_at_ms: i64,
    pub nonce: Uuid,
    /// None: no runtime socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
}

/// The runtime socket of an execution.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Path among `files` of what Bash reads before each script; None: nothing.
    pub bash_env: Option<String>,
    /// Names of variables in `env` whose values are masked in all that the script says.
    pub secret_env: Vec<String>,
}

/// One regular file of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative, `/`-separated, without `.` or `..`.
    pub path: String,
    pub sha256: [u8; 32],
    pub size: u64,
    pub mode: u32,
}

/// Why a payload was refused before anything was unpacked or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    #[error("the payload's signature is missing or wrong")]
    Signature,
    #[error("the payload expired")]
    Expired,
    #[error("the payload is for another target")]
    Target,
    #[error("the payload was seen before")]
    Replayed,
    #[error("the payload speaks protocol version {0}")]
    Version(u16),
    #[error("the payload is malformed: {0}")]
    Malformed(String),
    #[error("the payload's archive is refused: {0}")]
    Archive(String),
}

impl Manifest {
    /// The bytes that are signed and sent.
    pub fn encode(&self) -> Result<Vec<u8>, Refusal> {
        rmp_serde::to_vec_named(self).map_err(|e| Refusal::Malformed(e.to_string()))
    }

    /// Verifies first, then decodes: nothing of an unsigned manifest is read.
    pub fn open(
        bytes: &[u8],
        signature: &[u8],
        key: &VerifyingKey,
        target: &str,
        now_ms: i64,
    ) -> Result<Self, Refusal> {
        let signature = Signature::from_slice(signature).map_err(|_| Refusal::Signature)?;
        key.verify(bytes, &signature).map_err(|_| Refusal::Signature)?;
        let manifest: Self = rmp_serde::from_slice(bytes).map_err(|e| Refusal::Malformed(e.to_string()))?;
        if manifest.version != crate::PROTOCOL_VERSION {
            return Err(Refusal::Version(manifest.version));
        }
        if manifest.target != target {
            return Err(Refusal::Target);
        }
        if manifest.expires_at_ms <= now_ms {
            return Err(Refusal::Expired);
        }
        Ok(manifest)
    }
}

/// Signs the encoded manifest.
pub fn sign(bytes: &[u8], key: &SigningKey) -> Vec<u8> {
    key.sign(bytes).to_bytes().to_vec()
}

/// SHA-256 of a file's content or of an encoded manifest.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
