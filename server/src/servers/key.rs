//! Private keys that people sign in with on their servers: read as far as it takes to say what is wrong with one and to
//! show its public half. Knows no row and no request, and prints nothing of a key.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ssh_key::{Algorithm, Kdf, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use crate::kernel::error::UserErrorCode;

/// Largest file of a private key, in bytes.
pub const MAX_KEY: usize = 16 << 10;
/// Most rounds between a passphrase and its key: 16 to 24 are usual, and each one more is paid for here.
const MAX_ROUNDS: u32 = 256;
/// What the public half is called where it is let in.
const COMMENT: &str = "cronium";
const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
/// Letters of a line, as `ssh-keygen` writes it.
const LINE: usize = 70;

/// Why a text is no private key to sign in with. The text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    #[error("Give the whole file of a private key.")]
    Empty,
    #[error("A private key has at most 16 KiB.")]
    Long,
    #[error("This is the public half: give the private key, the file without .pub.")]
    Public,
    #[error("This is a key of PuTTY. Convert it: puttygen key.ppk -O private-openssh-new -o key")]
    Putty,
    #[error("Only OpenSSH's own format is read. Convert the key: ssh-keygen -p -f key")]
    Format,
    #[error("This is no private key: give the whole file, from its BEGIN line to its END line.")]
    NoKey,
    #[error("The key is damaged: give the whole file, as ssh-keygen wrote it.")]
    Damaged,
    #[error("This key needs a security device. Make one without: ssh-keygen -t ed25519 -f key")]
    Device,
    #[error("Use an Ed25519, ECDSA or RSA key. Make one: ssh-keygen -t ed25519 -f key")]
    Kind,
    #[error("The key is protected: give its passphrase.")]
    PassphraseMissing,
    #[error("The passphrase does not open the key.")]
    PassphraseWrong,
    #[error("The key has no passphrase: leave it out.")]
    PassphraseUseless,
    #[error("The passphrase is protected by more than 256 rounds. Use fewer: ssh-keygen -p -a 100 -f key")]
    Rounds,
}

impl KeyProblem {
    /// Where it is mended.
    pub fn field(self) -> &'static str {
        match self {
            Self::PassphraseMissing | Self::PassphraseWrong | Self::PassphraseUseless => "passphrase",
            _ => "privateKey",
        }
    }

    pub fn code(self) -> UserErrorCode {
        match self {
            Self::Empty | Self::PassphraseMissing => UserErrorCode::Required,
            Self::Long => UserErrorCode::TooLong,
            _ => UserErrorCode::Invalid,
        }
    }
}

/// A key that can be used.
pub struct ReadKey {
    /// As `ssh-keygen` would write it, still under its passphrase.
    pub private: Zeroizing<String>,
    /// The line for `authorized_keys`.
    pub public: String,
}

impl std::fmt::Debug for ReadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReadKey({})", self.public)
    }
}

/// Reads a key, and opens it to see whether its passphrase is right. That takes a moment of a processor.
pub fn read(text: &str, passphrase: Option<&str>) -> Result<ReadKey, KeyProblem> {
    if text.len() > MAX_KEY {
        return Err(KeyProblem::Long);
    }
    let body = body(text)?;
    let bytes = STANDARD.decode(body.as_bytes()).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| KeyProblem::Damaged)?;
    let key = PrivateKey::from_bytes(&bytes).map_err(|_| KeyProblem::Damaged)?;
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. } => {}
        Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => return Err(KeyProblem::Device),
        _ => return Err(KeyProblem::Kind),
    }
    open(&key, passphrase)?;
    let public = PublicKey::new(key.public_key().key_data().clone(), COMMENT);
    Ok(ReadKey {
        private: written(&body),
        public: public.to_openssh().map_err(|_| KeyProblem::Damaged)?,
    })
}

fn open(key: &PrivateKey, passphrase: Option<&str>) -> Result<(), KeyProblem> {
    match (key.is_encrypted(), passphrase) {
        (false, None) => Ok(()),
        (false, Some(_)) => Err(KeyProblem::PassphraseUseless),
        (true, None) => Err(KeyProblem::PassphraseMissing),
        (true, Some(passphrase)) => {
            if matches!(key.kdf(), Kdf::Bcrypt { rounds, .. } if *rounds > MAX_ROUNDS) {
                return Err(KeyProblem::Rounds);
            }
            key.decrypt(passphrase)
                .map(drop)
                .map_err(|_| KeyProblem::PassphraseWrong)
        }
    }
}

/// What is between the first line and the last, however it was pasted.
fn body(text: &str) -> Result<Zeroizing<String>, KeyProblem> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix(BEGIN) {
        let inside = rest.strip_suffix(END).ok_or(KeyProblem::NoKey)?;
        return Ok(Zeroizing::new(inside.split_whitespace().collect()));
    }
    Err(match text {
        "" => KeyProblem::Empty,
        _ if text.starts_with("PuTTY-User-Key-File") => KeyProblem::Putty,
        _ if text.starts_with("-----BEGIN ") => KeyProblem::Format,
        _ if ["ssh-", "ecdsa-", "sk-"]
            .iter()
            .any(|kind| text.starts_with(kind)) =>
        {
            KeyProblem::Public
        }
        _ => KeyProblem::NoKey,
    })
}

fn written(body: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(body.len() + body.len() / LINE + 80));
    out.push_str(BEGIN);
    for (at, letter) in body.char_indices() {
        if at % LINE == 0 {
            out.push('\n');
        }
        out.push(letter);
    }
    out.push('\n');
    out.push_str(END);
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with ssh-keygen for these tests, and let in nowhere.
    const ED25519: &str = r"-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDn03jYw4Cb4OeM9E0VtYr2QCOgIJ5J47KrOThjlXQkfgAAAIh5RLsGeUS7
BgAAAAtzc2gtZWQyNTUxOQAAACDn03jYw4Cb4OeM9E0VtYr2QCOgIJ5J47KrOThjlXQkfg
AAAEDEKUKMIkJFL7Jx/B6bPqiphvp4xZublph7eUQUzguN3ufTeNjDgJvg54z0TRW1ivZA
I6Agnknjsqs5OGOVdCR+AAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
";
    const ED25519_PUBLIC: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOfTeNjDgJvg54z0TRW1ivZAI6Agnknjsqs5OGOVdCR+";
    const ECDSA: &str = r"-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQToDTzyFgqMcBug8CKczzzlyixpWZZo
QnPHK3fJ/XrjTGR1Ps93+ZvInl8D2Oy/aidi63+tX872CxOOlJvJnAyqAAAAoNILWgHSC1
oBAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOgNPPIWCoxwG6Dw
IpzPPOXKLGlZlmhCc8crd8n9euNMZHU+z3f5m8ieXwPY7L9qJ2Lrf61fzvYLE46Um8mcDK
oAAAAhAJlK/j4pxxZrQPG4rprirGH1nyVQ681WFOCfzEW9O/CoAAAAAAECAwQFBgc=
-----END OPENSSH PRIVATE KEY-----
";
    const ECDSA_PUBLIC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBOgNPPIW\
        CoxwG6DwIpzPPOXKLGlZlmhCc8crd8n9euNMZHU+z3f5m8ieXwPY7L9qJ2Lrf61fzvYLE46Um8mcDKo=";
    const PROTECTED: &str = r"-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAVxR1AtV
NiVFuw7af8N1MoAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIG+3ppjxxQ/7mzk3
9M28YdsWI7SNgAT1jCWteZMFK9gbAAAAkLaVTqWZh42+XbjHTknWWcr5/vocZLB+vr1jLW
cwRz52FETyA8H4u9VlMEEH42tQqfq0xXtAinzG5lypBlsdyChDx1KxL7S91swdy88DduKS
epHtRmwSZEUVbiVSKebtEqofeB/WVYra/qbx7oATRvH5Fc8vMv4mBwRq1Czz5e4xtO/Z83
nASrGfuUQrl198dA==
-----END OPENSSH PRIVATE KEY-----
";
    const PROTECTED_PUBLIC: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG+3ppjxxQ/7mzk39M28YdsWI7SNgAT1jCWteZMFK9gb";

    fn problem(text: &str, passphrase: Option<&str>) -> Option<KeyProblem> {
        read(text, passphrase).err()
    }

    #[test]
    fn keys_of_each_kind_are_read_and_written_as_they_were() {
        for (private, passphrase, public) in [
            (ED25519, None, ED25519_PUBLIC),
            (ECDSA, None, ECDSA_PUBLIC),
            (PROTECTED, Some("swordfish"), PROTECTED_PUBLIC),
        ] {
            let key = read(private, passphrase).unwrap();
            assert_eq!(key.public, format!("{public} cronium"));
            assert_eq!(*key.private, private);
            assert!(!format!("{key:?}").contains("PRIVATE"));
            // From Windows, indented, without the last line's end.
            let pasted = private.trim_end().replace('\n', "\r\n   ");
            assert_eq!(*read(&pasted, passphrase).unwrap().private, private);
        }
    }

    #[test]
    fn a_passphrase_is_asked_for_looked_at_and_not_given_in_vain() {
        for (private, passphrase, expected) in [
            (PROTECTED, None, KeyProblem::PassphraseMissing),
            (PROTECTED, Some("hunter2"), KeyProblem::PassphraseWrong),
            (ED25519, Some("swordfish"), KeyProblem::PassphraseUseless),
        ] {
            let found = problem(private, passphrase).unwrap();
            assert_eq!((found, found.field()), (expected, "passphrase"));
        }
    }

    #[test]
    fn what_is_no_key_is_told_what_to_do() {
        let cut: String = ED25519.lines().filter(|line| !line.contains("END")).collect();
        let half = ED25519.replacen("b3BlbnNzaC1rZXktdjEA", "b3BlbnNzaC1rZXktdjEB", 1);
        for (text, expected) in [
            ("", KeyProblem::Empty),
            ("  \n", KeyProblem::Empty),
            (ED25519_PUBLIC, KeyProblem::Public),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----",
                KeyProblem::Format,
            ),
            ("PuTTY-User-Key-File-3: ssh-ed25519", KeyProblem::Putty),
            ("hello", KeyProblem::NoKey),
            (cut.as_str(), KeyProblem::NoKey),
            (half.as_str(), KeyProblem::Damaged),
            (&*format!("{BEGIN}\nnot base64!\n{END}"), KeyProblem::Damaged),
            (&*format!("{BEGIN}{END}"), KeyProblem::Damaged),
            (&*"x".repeat(MAX_KEY + 1), KeyProblem::Long),
        ] {
            assert_eq!(problem(text, None), Some(expected), "{text:.60}");
        }
    }

    #[test]
    fn a_key_cant_make_us_work_for_hours() {
        // The rounds are the last four bytes before the number of keys.
        let bytes = STANDARD.decode(body(PROTECTED).unwrap().as_bytes()).unwrap();
        let count = bytes
            .windows(8)
            .position(|w| w[..4] == 16_u32.to_be_bytes() && w[4..] == 1_u32.to_be_bytes());
        let mut changed = bytes.clone();
        changed[count.unwrap()..][..4].copy_from_slice(&u32::MAX.to_be_bytes());
        let text = written(&STANDARD.encode(&changed));
        assert_eq!(problem(&text, Some("swordfish")), Some(KeyProblem::Rounds));
    }
}
