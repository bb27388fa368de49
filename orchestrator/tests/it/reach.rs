//! What runs errands, what it leaves behind, and servers that are none.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cronium_orchestrator::clock;
use cronium_orchestrator::ssh::Ssh;
use cronium_protocol::host::{
    Address, Errand, HostFigures, HostKey, HostSpec, HostTrouble, Report, TroubleKind,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::sshd::Sshd;

pub struct Client {
    pub ssh: Arc<Ssh>,
    _state: tempfile::TempDir,
}

impl Client {
    pub async fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_cronium-orchestrator"));
        let ssh = Ssh::open(state.path(), clock::new_id(), program).await;
        Self {
            ssh: Arc::new(ssh.expect("these tests need OpenSSH's client")),
            _state: state,
        }
    }

    pub async fn report(&self, errand: Errand) -> Report {
        let report = self.ssh.report(&errand).await;
        assert_eq!(self.left_behind(), Vec::<String>::new(), "after {report:?}");
        report
    }

    pub async fn check(&self, host: HostSpec) -> Result<HostFigures, HostTrouble> {
        match self.report(Errand::Check { host: Box::new(host) }).await {
            Report::Check(figures) => Ok(figures),
            Report::Trouble(trouble) => Err(trouble),
            Report::HostKeys { .. } => panic!("nobody asked for keys"),
        }
    }

    pub async fn figures(&self, host: HostSpec) -> HostFigures {
        self.check(host).await.expect("it can be used")
    }

    pub async fn trouble(&self, host: HostSpec) -> (TroubleKind, String) {
        let trouble = self.check(host).await.expect_err("it can't be used");
        (trouble.kind, trouble.told.unwrap_or_default())
    }

    pub async fn keys(&self, address: Address, jump: Option<HostSpec>) -> Result<Vec<HostKey>, HostTrouble> {
        let jump = jump.map(Box::new);
        match self.report(Errand::HostKeys { address, jump }).await {
            Report::HostKeys { keys, latency_us } => {
                assert!(latency_us > 0);
                Ok(keys)
            }
            Report::Trouble(trouble) => Err(trouble),
            Report::Check(_) => panic!("nobody asked for figures"),
        }
    }

    /// Names of what is in the directory of connections.
    pub fn left_behind(&self) -> Vec<String> {
        let entries = fs::read_dir(self.ssh.files()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        entries.map(|entry| name(entry).into_string().unwrap()).collect()
    }

    /// Command lines and environments of the processes that work for it.
    pub fn processes(&self) -> Vec<(Vec<String>, String)> {
        let mine = self.ssh.files().to_str().unwrap();
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap() {
            let dir = entry.unwrap().path();
            let line = read(&dir.join("cmdline"));
            if line.contains(mine) {
                let arguments = line.split_terminator('\0').map(str::to_owned).collect();
                found.push((arguments, read(&dir.join("environ"))));
            }
        }
        found
    }
}

pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "{what} did not happen");
}

/// Somebody who is no sshd.
pub async fn listener<F, S>(serve: S) -> (Address, AbortOnDropHandle<()>)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = Address::parse("127.0.0.1", Some(listener.local_addr().unwrap().port())).unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    (address, AbortOnDropHandle::new(task))
}

/// Says this and nothing more until the other side ends.
pub async fn say(mut stream: TcpStream, text: &'static [u8]) -> std::io::Result<()> {
    stream.write_all(text).await?;
    let mut nowhere = tokio::io::sink();
    tokio::io::copy(&mut stream, &mut nowhere).await.map(drop)
}

/// Says this again and again, so often.
pub async fn go_on(mut stream: TcpStream, text: &'static [u8], every: Duration) -> std::io::Result<()> {
    loop {
        stream.write_all(text).await?;
        tokio::time::sleep(every).await;
    }
}

pub async fn hang_up(stream: TcpStream) -> std::io::Result<()> {
    drop(stream);
    Ok(())
}

pub fn at(address: Address, like: &Sshd) -> HostSpec {
    HostSpec {
        address,
        ..like.host()
    }
}

pub fn through(host: HostSpec, jump: HostSpec) -> HostSpec {
    HostSpec {
        jump: Some(Box::new(jump)),
        ..host
    }
}

pub fn assert_whole(figures: &HostFigures) {
    assert!(figures.latency_us > 0, "{figures:?}");
    assert!(
        figures.system.as_deref().is_some_and(|s| s.starts_with("Linux ")),
        "{figures:?}"
    );
    assert!(
        figures.machine.is_some() && figures.processors.is_some_and(|n| n > 0),
        "{figures:?}"
    );
    assert!(figures.load_average.is_some(), "{figures:?}");
    assert!(
        figures.memory_used > Some(0) && figures.memory_used < figures.memory_total,
        "{figures:?}"
    );
    assert!(
        figures.disk_used > Some(0) && figures.disk_used <= figures.disk_total,
        "{figures:?}"
    );
}
