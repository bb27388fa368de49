//! The state directory: this orchestrator's identity and one small record per run, so that a restarted
//! orchestrator knows what it left running. It must not know executors or the server.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::Claim;
use serde::{Deserialize, Serialize};
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::clock;
use crate::on_server::OnServer;

/// What a successor needs to go on with a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The newest lease: environments keep the label of their first one.
    pub claim: Claim,
    pub job_id: Uuid,
    pub timeout_ms: u64,
    pub grace_ms: u64,
    pub memory_bytes: u64,
    pub image_digest: Option<String>,
    pub setup_at_us: Option<i64>,
    pub started_at_us: Option<i64>,
    /// Where it is, when that is a server.
    #[serde(default)]
    pub host: Option<OnServer>,
}

/// Why the state directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("can't use the state directory {path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is in use by another orchestrator that does not end")]
    InUse(PathBuf),
    #[error("{0} does not hold an orchestrator's identity")]
    Identity(PathBuf),
}

/// An open state directory: one process has it at a time, so that two never drive the same runs.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
    runs: PathBuf,
    id: Uuid,
    _lock: Arc<File>,
}

/// How long a predecessor that is leaving is waited for.
const PREDECESSOR_LIMIT: Duration = Duration::from_secs(30);

async fn lock(path: &Path, limit: Duration) -> Result<File, StateError> {
    let file = path.join("lock");
    let failed = |source| StateError::Io {
        path: file.clone(),
        source,
    };
    let lock = File::create(&file).map_err(failed)?;
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if begun.elapsed() < limit => {
                sleep(Duration::from_millis(50)).await;
            }
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
}

impl StateDir {
    /// Opens the directory; makes it, with a new identity, when it is empty.
    pub async fn open(path: &Path) -> Result<Self, StateError> {
        let runs = path.join("runs");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { path, source }
        };
        tokio::fs::create_dir_all(&runs).await.map_err(failed(&runs))?;
        let lock = Arc::new(lock(path, PREDECESSOR_LIMIT).await?);
        remove_halves(&runs).await.map_err(failed(&runs))?;
        let file = path.join("orchestrator-id");
        let id = match tokio::fs::read_to_string(&file).await {
            Ok(text) => Uuid::parse_str(text.trim()).map_err(|_| StateError::Identity(file))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let id = clock::new_id();
                replace(&file, id.to_string().as_bytes())
                    .await
                    .map_err(failed(&file))?;
                id
            }
            Err(e) => return Err(failed(&file)(e)),
        };
        Ok(Self {
            path: path.to_owned(),
            runs,
            id,
            _lock: lock,
        })
    }

    pub fn orchestrator_id(&self) -> Uuid {
        self.id
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self, target: &str) -> PathBuf {
        self.runs.join(format!("{target}.json"))
    }

    /// Keeps the record of a run; false: it could not, which is in the log.
    pub async fn keep(&self, target: &str, record: &RunRecord) -> bool {
        let written = match serde_json::to_vec(record) {
            Ok(bytes) => replace(&self.file(target), &bytes).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = written {
            tracing::warn!(%error, target, "the run's record can't be kept");
            return false;
        }
        true
    }

    /// The record of a run, if there is one that makes sense. Fails where it can't be known now.
    pub async fn recall(&self, target: &str) -> io::Result<Option<RunRecord>> {
        match tokio::fs::read(self.file(target)).await {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every run that there is a record of, with its claim where that can be read.
    pub async fn records(&self) -> io::Result<Vec<(String, Option<Claim>)>> {
        let mut entries = tokio::fs::read_dir(&self.runs).await?;
        let mut records = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            if let Some(target) = name.to_str().and_then(|name| name.strip_suffix(".json")) {
                let record = self.recall(target).await?;
                records.push((target.to_owned(), record.map(|record| record.claim)));
            }
        }
        Ok(records)
    }

    /// Forgets a run that is cleaned up.
    pub async fn forget(&self, target: &str) {
        let file = self.file(target);
        if let Err(error) = tokio::fs::remove_file(&file).await
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, target, "the run's record can't be removed");
        }
    }
}

/// What is written beside a file until it is whole.
const HALF: &str = "new";

/// Writes beside the file and renames, so that a reader never sees half of it. Nobody else may read it.
async fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = file.with_extension(HALF);
    let written = async {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut half = options.open(&beside).await?;
        half.write_all(bytes).await?;
        half.flush().await?;
        tokio::fs::rename(&beside, file).await
    };
    let written = written.await;
    if written.is_err() {
        // It takes room on a disk that may have none.
        let _ = tokio::fs::remove_file(&beside).await;
    }
    written
}

/// Removes what a crash left half-written.
async fn remove_halves(runs: &Path) -> io::Result<()> {
    let mut entries = tokio::fs::read_dir(runs).await?;
    while let Some(entry) = entries.next_entry().await? {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == HALF) {
            tokio::fs::remove_file(path).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::on_server::Token;

    #[test]
    fn a_record_of_before_servers_is_read() {
        let old = r#"{"claim":{"execution_id":"00000000-0000-0000-0000-000000000001","epoch":1},
            "job_id":"00000000-0000-0000-0000-000000000002","timeout_ms":1,"grace_ms":2,"memory_bytes":3,
            "image_digest":null,"setup_at_us":4,"started_at_us":null}"#;
        assert_eq!(serde_json::from_str::<RunRecord>(old).unwrap().host, None);
    }

    #[tokio::test]
    async fn identity_and_records_outlive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).await.unwrap();
        let record = RunRecord {
            claim: Claim {
                execution_id: clock::new_id(),
                epoch: 7,
            },
            job_id: clock::new_id(),
            timeout_ms: 1,
            grace_ms: 2,
            memory_bytes: 3,
            image_digest: None,
            setup_at_us: Some(4),
            started_at_us: None,
            host: Some(OnServer {
                server_id: clock::new_id(),
                token: Token::new(clock::random()),
                dir: "/tmp/cronium-1/runs/1".to_owned().try_into().unwrap(),
            }),
        };
        assert!(state.keep("a", &record).await);
        let file = std::fs::metadata(dir.path().join("runs/a.json")).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "there is a token in it");
        let id = state.orchestrator_id();
        drop(state);
        let again = StateDir::open(dir.path()).await.unwrap();
        assert_eq!(again.orchestrator_id(), id);
        assert_eq!(again.recall("a").await.unwrap(), Some(record));
        again.forget("a").await;
        assert_eq!(again.recall("a").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_a_crash_left_half_written_is_removed_and_is_no_record() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(dir.path()).await.unwrap();
        let runs = dir.path().join("runs");
        std::fs::write(runs.join("a.new"), "{").unwrap();
        std::fs::write(runs.join("b.json"), "{").unwrap();
        assert_eq!(state.records().await.unwrap(), [("b".to_owned(), None)]);
        drop(state);
        let again = StateDir::open(dir.path()).await.unwrap();
        assert!(!runs.join("a.new").exists());
        again.forget("b").await;
        assert_eq!(again.records().await.unwrap(), []);
    }

    #[tokio::test]
    async fn one_process_has_the_directory_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = StateDir::open(dir.path()).await.unwrap();
        let refused = lock(dir.path(), Duration::ZERO).await;
        assert!(matches!(refused, Err(StateError::InUse(_))), "{refused:?}");
        let successor = StateDir::open(dir.path());
        tokio::pin!(successor);
        assert!(
            tokio::time::timeout(Duration::from_millis(200), &mut successor)
                .await
                .is_err(),
            "the successor waits for its predecessor"
        );
        drop(first);
        let second = tokio::time::timeout(Duration::from_secs(5), successor).await;
        assert!(second.unwrap().is_ok());
    }
}
