//! A real sshd on a free port of this machine, with keys, configuration and log in a directory of its own. It lets in
//! whoever runs the tests, by key: a password would need an account that tests must not make. It must not know the other
//! tests: the benchmarks have this file too.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cronium_protocol::host::{Address, HostKey, HostSpec, Login, SignIn};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const START_LIMIT: Duration = Duration::from_secs(20);
/// Where sshd wants a directory when root starts it, which a service would have made.
const PRIVILEGE_SEPARATION: &str = "/run/sshd";

/// The kinds of its host keys.
pub const KINDS: [&str; 3] = ["ed25519", "ecdsa", "rsa"];

pub struct Sshd {
    pub port: u16,
    dir: tempfile::TempDir,
    process: Child,
}

impl Sshd {
    /// With these lines of configuration, in which `DIR` is its directory.
    pub fn start(options: &str) -> Self {
        Self::with_keys(options, &KINDS)
    }

    pub fn with_keys(options: &str, kinds: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for kind in kinds {
            keygen(&dir.path().join(kind), kind, "");
        }
        keygen(&dir.path().join("client"), "ed25519", "");
        keygen(&dir.path().join("locked"), "ed25519", PASSPHRASE);
        let public = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let authorized = public("client.pub") + &public("locked.pub");
        fs::write(dir.path().join("authorized"), authorized).unwrap();
        if fs::metadata(dir.path()).unwrap().uid() == 0 {
            fs::create_dir_all(PRIVILEGE_SEPARATION).unwrap();
        }
        let port = free_port();
        let host_keys: Vec<_> = kinds.iter().map(|kind| format!("HostKey {}", at(kind))).collect();
        // The first word on something counts.
        let text = format!(
            "{}\nPort {port}\nListenAddress 127.0.0.1\n{}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PidFile none\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nMaxStartups 100\nLogLevel DEBUG1\n",
            options.replace("DIR", &dir.path().display().to_string()),
            host_keys.join("\n"),
            at("authorized")
        );
        fs::write(dir.path().join("config"), text).unwrap();
        let process = spawn(dir.path());
        let mut sshd = Self { port, dir, process };
        sshd.until_it_listens(1);
        sshd
    }

    fn until_it_listens(&mut self, times: usize) {
        let begun = Instant::now();
        while self.log().matches("Server listening on").count() < times {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "sshd has ended: {}", self.log());
            assert!(
                begun.elapsed() < START_LIMIT,
                "sshd does not start: {}",
                self.log()
            );
            std::thread::yield_now();
        }
    }

    /// Processes that serve a connection each.
    pub fn sessions(&self) -> Vec<i32> {
        let parent_of = |pid: i32| -> Option<u32> {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
        };
        let all = fs::read_dir("/proc").unwrap().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| parent_of(*pid) == Some(self.process.id()))
            .collect()
    }

    /// Ends it, and every connection.
    pub fn stop(&mut self) {
        let sessions = self.sessions();
        let _ = self.process.kill();
        let _ = self.process.wait();
        for pid in sessions {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// At the same port, with the same keys.
    pub fn start_again(&mut self) {
        let times = self.log().matches("Server listening on").count();
        self.process = spawn(self.dir.path());
        self.until_it_listens(times + 1);
    }

    /// So many have signed in.
    pub fn sign_ins(&self) -> usize {
        self.log().matches("Accepted publickey for ").count()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Whether anybody has said who they are.
    pub fn was_asked_to_let_in(&self) -> bool {
        self.log().contains("userauth-request")
    }

    /// So many connections were ended by the other side.
    pub fn ends(&self) -> usize {
        let log = self.log();
        let ended =
            |line: &&str| line.contains("Connection closed by") || line.contains("Connection reset by");
        log.lines().filter(ended).count()
    }

    /// Ends the processes of its connections, as a crash would.
    pub fn crash(&self) {
        let id = self.process.id().to_string();
        let done = Command::new("pkill").args(["-KILL", "-P", &id]).status().unwrap();
        assert!(done.success(), "there was no connection");
    }

    pub fn address(&self) -> Address {
        Address::parse("127.0.0.1", Some(self.port)).unwrap()
    }

    pub fn host_key(&self, kind: &str) -> HostKey {
        let line = fs::read_to_string(self.file(&format!("{kind}.pub"))).unwrap();
        let words: Vec<_> = line.split_whitespace().take(2).collect();
        words.join(" ").parse().unwrap()
    }

    fn private(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    /// It, with the key that it lets in.
    pub fn host(&self) -> HostSpec {
        self.with(SignIn::Key {
            private: self.private("client").into(),
            passphrase: None,
        })
    }

    /// It, with a key that takes this passphrase to open.
    pub fn locked(&self, passphrase: Option<&str>) -> HostSpec {
        self.with(SignIn::Key {
            private: self.private("locked").into(),
            passphrase: passphrase.map(|text| text.to_owned().into()),
        })
    }

    pub fn with(&self, sign_in: SignIn) -> HostSpec {
        HostSpec {
            address: self.address(),
            login: user(),
            sign_in,
            host_key: self.host_key("ed25519"),
            jump: None,
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(dir: &Path) -> Child {
    Command::new(program())
        .args(["-D", "-f"])
        .arg(dir.join("config"))
        .arg("-E")
        .arg(dir.join("log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Of the keys that are locked.
pub const PASSPHRASE: &str = "swordfish with 1 space";

/// A private key that nobody knows.
pub fn another_key() -> SignIn {
    let dir = tempfile::tempdir().unwrap();
    keygen(&dir.path().join("key"), "ed25519", "");
    SignIn::Key {
        private: fs::read_to_string(dir.path().join("key")).unwrap().into(),
        passphrase: None,
    }
}

fn keygen(file: &Path, kind: &str, passphrase: &str) {
    let done = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-C", "", "-N", passphrase, "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// sshd starts itself again for every connection, and so has to be called by its whole path.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    let mut all = std::env::split_paths(&path)
        .chain(usual)
        .map(|dir| dir.join("sshd"));
    let found = all.find(|file| file.is_absolute() && file.is_file());
    found.expect("these tests need OpenSSH's server: run scripts/setup.sh --tests")
}

pub fn user() -> Login {
    let said = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().parse().unwrap()
}

/// One that nobody listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
