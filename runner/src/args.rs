//! The command line: the key of payloads, the target that this runner serves, its work directory. A runner that is
//! started ahead has no target yet: it is told which one it serves.

use std::path::PathBuf;

use ed25519_dalek::VerifyingKey;

/// What the runner was started with.
#[derive(Debug)]
pub struct Args {
    pub verify_key: VerifyingKey,
    /// None: started ahead.
    pub target: Option<String>,
    pub work: PathBuf,
}

/// Why the command line can't be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    #[error("unknown argument {0:?}")]
    Unknown(String),
    #[error("{0} needs a value")]
    Missing(&'static str),
    #[error("--verify-key is not an Ed25519 public key in 64 hexadecimal digits")]
    Key,
    #[error("give either --target or --ahead")]
    Target,
    #[error("--work must be an absolute path")]
    Work,
}

impl Args {
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, ArgsError> {
        let (mut key, mut target, mut work, mut ahead) = (None, None, None, false);
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            match name.as_str() {
                "--verify-key" => key = Some(args.next().ok_or(ArgsError::Missing("--verify-key"))?),
                "--ahead" => ahead = true,
                "--target" => target = Some(args.next().ok_or(ArgsError::Missing("--target"))?),
                "--work" => work = Some(args.next().ok_or(ArgsError::Missing("--work"))?),
                _ => return Err(ArgsError::Unknown(name)),
            }
        }
        let key = unhex(&key.ok_or(ArgsError::Missing("--verify-key"))?).ok_or(ArgsError::Key)?;
        if target.is_some() == ahead {
            return Err(ArgsError::Target);
        }
        let work = PathBuf::from(work.ok_or(ArgsError::Missing("--work"))?);
        if !work.is_absolute() {
            return Err(ArgsError::Work);
        }
        Ok(Self {
            verify_key: VerifyingKey::from_bytes(&key).map_err(|_| ArgsError::Key)?,
            target,
            work,
        })
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; 32];
    for (i, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, ArgsError> {
        Args::parse(args.iter().map(ToString::to_string))
    }

    #[test]
    fn key_work_and_a_target_or_none_yet_are_needed() {
        let key = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        assert!(parse(&["--verify-key", key, "--target", "t", "--work", "/work"]).is_ok());
        let ahead = parse(&["--verify-key", key, "--ahead", "--work", "/work"]).unwrap();
        assert_eq!(ahead.target, None);
        for both in [&["--ahead", "--target", "t"][..], &[]] {
            let args = [&["--verify-key", key, "--work", "/work"], both].concat();
            assert_eq!(parse(&args).unwrap_err(), ArgsError::Target);
        }
        assert_eq!(
            parse(&["--target", "t"]).unwrap_err(),
            ArgsError::Missing("--verify-key")
        );
        assert_eq!(
            parse(&["--verify-key", "zz", "--target", "t", "--work", "/work"]).unwrap_err(),
            ArgsError::Key
        );
        assert_eq!(
            parse(&["--verify-key", key, "--target", "t", "--work", "work"]).unwrap_err(),
            ArgsError::Work
        );
        assert_eq!(
            parse(&["--help"]).unwrap_err(),
            ArgsError::Unknown("--help".into())
        );
    }
}
