//! A Valkey (or Redis) of a test's own, behind a socket in a directory of its own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cronium_server::rate::Valkey;

pub struct TestValkey {
    directory: tempfile::TempDir,
    server: Child,
}

impl TestValkey {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = spawn(&directory);
        let valkey = Self { directory, server };
        valkey.ready().await;
        valkey
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("valkey.sock")
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn link(&self) -> Valkey {
        Valkey::new(&self.url()).unwrap()
    }

    async fn connection(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        let client = redis::Client::open(self.url())?;
        client.get_multiplexed_async_connection().await
    }

    async fn ready(&self) {
        let answers = async {
            while self.connection().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let answers = tokio::time::timeout(Duration::from_secs(20), answers).await;
        answers.expect("Valkey answers");
    }

    pub async fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection = self.connection().await.unwrap();
        let mut ask = redis::cmd(command[0]);
        ask.arg(&command[1..]);
        ask.query_async(&mut connection).await.unwrap()
    }

    /// Ends it at once; what it held is gone.
    pub fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Another one in the same place, with nothing in it.
    pub async fn restart(&mut self) {
        self.server = spawn(&self.directory);
        self.ready().await;
    }

    /// Stops it without closing anything, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let pid = self.server.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for TestValkey {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

fn spawn(directory: &tempfile::TempDir) -> Child {
    let program = std::env::var("CRONIUM_TEST_VALKEY")
        .expect("CRONIUM_TEST_VALKEY: the program of Valkey or Redis (scripts/with-postgres.sh sets it)");
    Command::new(program)
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
        .arg(directory.path().join("valkey.sock"))
        .arg("--dir")
        .arg(directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Valkey starts")
}
