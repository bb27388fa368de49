//! How a passphrase or a password reaches ssh: it starts our own program with its question, which carries the question
//! over a socket in the private directory to the process that knows. The secret is on no disk, in no argument and in no
//! environment. Must not know what is connected to.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use cronium_protocol::host::Concealed;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::config::PlainPath;

/// Environment variable that names the socket; it makes our program the one that asks.
pub const SOCKET: &str = "CRONIUM_SSH_ASK";

/// Longest question that is read.
const MAX_QUESTION: u64 = 4096;
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// So many other questions are not answered before the socket closes.
const MAX_OTHERS: usize = 8;

/// What a secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Passphrase,
    Password,
}

/// What a question for a password has in it, in small letters, in the languages that servers are often set up in.
const PASSWORDS: &[&str] = &[
    "password",
    "passwort",
    "kennwort",
    "mot de passe",
    "contraseña",
    "senha",
    "wachtwoord",
    "пароль",
    "密码",
    "パスワード",
];
/// What a question has in it that no secret of ours answers: for a host key, a new password, or a code of one use.
const OTHERS: &[&str] = &["yes/no", "fingerprint", "new ", "retype", "code", "one-time"];

/// Whether a question is for this kind of secret. One for a passphrase is ssh's or ssh-keygen's own; one for a password
/// may be a server's words, with `(user@target) ` before them since OpenSSH 8.5.
pub fn fits(kind: Kind, question: &str) -> bool {
    match kind {
        Kind::Passphrase => question.starts_with("Enter passphrase"),
        Kind::Password => {
            // A user may be called as one likes.
            let words = question
                .split_once("@target")
                .map_or(question, |(_, words)| words);
            let words = words.to_lowercase();
            let has = |some: &[&str]| some.iter().any(|word| words.contains(word));
            has(PASSWORDS) && !has(OTHERS) && !question.starts_with("Enter passphrase")
        }
    }
}

/// Answers until it is dropped.
#[derive(Debug)]
pub struct Answering {
    _task: AbortOnDropHandle<()>,
}

/// Answers the first question of the kind that the secret is for, and no other.
pub fn answer_once(socket: &PlainPath, kind: Kind, secret: Concealed) -> io::Result<Answering> {
    // One of before that has answered.
    match std::fs::remove_file(socket.as_path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket.as_path())?;
    let task = tokio::spawn(async move {
        for _ in 0..=MAX_OTHERS {
            let Ok((stream, _)) = listener.accept().await else {
                return;
            };
            if let Ok(Ok(true)) = timeout(ASK_LIMIT, answer(stream, kind, &secret)).await {
                return;
            }
        }
    });
    Ok(Answering {
        _task: AbortOnDropHandle::new(task),
    })
}

/// True: it was the right question, and has its answer.
async fn answer(mut stream: UnixStream, kind: Kind, secret: &Concealed) -> io::Result<bool> {
    let mut question = Vec::new();
    (&mut stream)
        .take(MAX_QUESTION)
        .read_to_end(&mut question)
        .await?;
    if !fits(kind, &String::from_utf8_lossy(&question)) {
        return Ok(false);
    }
    stream.write_all(secret.reveal().as_bytes()).await?;
    stream.shutdown().await?;
    Ok(true)
}

/// The program that ssh starts: prints the answer to the question, or fails.
pub fn ask(socket: &Path, question: &str) -> ExitCode {
    match carry(socket, question) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn carry(socket: &Path, question: &str) -> io::Result<()> {
    let mut stream = BlockingStream::connect(socket)?;
    stream.set_read_timeout(Some(ASK_LIMIT))?;
    stream.write_all(question.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    answer.push(b'\n');
    io::stdout().write_all(&answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_only_with_what_it_asks_for() {
        let questions = [
            (
                "Enter passphrase for key '/run/cronium/1/key': ",
                Some(Kind::Passphrase),
            ),
            ("Enter passphrase: ", Some(Kind::Passphrase)),
            ("deploy@target's password: ", Some(Kind::Password)),
            ("(deploy@target) Password: ", Some(Kind::Password)),
            ("(deploy@target) Passwort: ", Some(Kind::Password)),
            ("Password: ", Some(Kind::Password)),
            ("code@target's password: ", Some(Kind::Password)),
            ("(password@target) Verification code: ", None),
            ("(deploy@target) One-time password (OATH) for `deploy': ", None),
            ("(deploy@target) Passcode or option (1-3): ", None),
            ("(deploy@target) New password: ", None),
            ("(deploy@target) Retype password: ", None),
            ("(deploy@target) Enter passphrase: ", None),
            (
                "The authenticity of host 'password (::1)' can't be established.\nED25519 key fingerprint is SHA256:x.\n\
                 Are you sure you want to continue connecting (yes/no/[fingerprint])? ",
                None,
            ),
            ("", None),
        ];
        for (question, meant) in questions {
            for kind in [Kind::Passphrase, Kind::Password] {
                assert_eq!(
                    fits(kind, question),
                    meant == Some(kind),
                    "{question:?} for {kind:?}"
                );
            }
        }
    }

    async fn asked(socket: &Path, question: &'static str) -> io::Result<String> {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(question.as_bytes()).await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn the_secret_is_given_once() {
        let dir = tempfile::tempdir().unwrap();
        let socket = PlainPath::new(dir.path()).unwrap().join("ask");
        let secret = || Concealed::from("swordfish".to_owned());
        for _ in 0..2 {
            let _answering = answer_once(&socket, Kind::Password, secret()).unwrap();
            let path = socket.as_path();
            assert_eq!(asked(path, "Are you sure (yes/no)? ").await.unwrap(), "");
            assert_eq!(
                asked(path, "deploy@target's password: ").await.unwrap(),
                "swordfish"
            );
            let again = asked(path, "deploy@target's password: ").await;
            assert!(again.is_err() || again.is_ok_and(|answer| answer.is_empty()));
        }
    }
}
