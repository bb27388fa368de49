//! The installation's keys: given by configuration, otherwise made at the first start in the data directory,
//! readable by its owner only. Later starts refuse to go on without them: a new key opens nothing that an
//! old one has sealed.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::kernel::sealed::{KeyRing, MasterKey};
use crate::kernel::{Entropy, Error, Result};

use super::{Config, parse_key};

/// Different characters that a secret must have, so that no default and no pattern passes for one.
const DISTINCT: usize = 8;

/// Keys that the server starts with.
#[derive(Clone)]
pub struct Keys {
    pub master: KeyRing,
    /// The file of the master keys, unless they come from the environment.
    pub master_file: Option<PathBuf>,
    /// Bearer secret of the agent channel.
    pub internal: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Keys {
    /// `first`: nothing is sealed yet, so that missing keys may be made.
    pub fn load(config: &Config, first: bool) -> Result<Self> {
        let (master, master_file) = match &config.master_key {
            Some(given) => (KeyRing::new(parse_keys(given)?), None),
            None => {
                let file = config.data_dir.join("master.key");
                if first && kept_with(&file, MASTER_LOST, first)?.1 {
                    tracing::warn!(
                        file = %file.display(),
                        "a master key was made: back the file up, apart from the database; without it no secret can be read"
                    );
                }
                let keys = parse_keys(&kept_with(&file, MASTER_LOST, false)?.0)?;
                let source = file.clone();
                let ring = KeyRing::new(keys).with_source(move || read_keys(&source).unwrap_or_default());
                (ring, Some(file))
            }
        };
        let internal = match &config.internal_api_key {
            Some(key) => key.clone(),
            None => kept_with(&config.data_dir.join("internal-api.key"), INTERNAL_LOST, first)?.0,
        };
        Ok(Self {
            master,
            master_file,
            internal,
        })
    }
}

const MASTER_LOST: &str = "values in the database are sealed with it. Put it back from your backup, or set \
                           CRONIUM_MASTER_KEY";
const INTERNAL_LOST: &str = "orchestrators know the server by it. Put it back from your backup, or set \
                             INTERNAL_API_KEY here and for every orchestrator";

/// Master keys as one text: 64 hex digits each, the newest first, apart by commas or white space.
pub fn parse_keys(text: &str) -> Result<Vec<MasterKey>> {
    let parts = text.split(|c: char| c == ',' || c.is_whitespace());
    let keys: Option<Vec<_>> = parts
        .filter(|part| !part.is_empty())
        .map(|part| parse_key(part).map(MasterKey::new))
        .collect();
    keys.filter(|keys| !keys.is_empty())
        .ok_or_else(|| Error::internal("a master key has 64 hex digits, and is not a default or a pattern"))
}

/// The keys in a file.
pub fn read_keys(file: &Path) -> Result<Vec<MasterKey>> {
    parse_keys(&fs::read_to_string(file).map_err(Error::internal)?)
}

/// Writes the keys beside the file and renames, so that a reader or a crash never sees half of it.
pub fn write_keys(file: &Path, keys: &[MasterKey]) -> Result<()> {
    let beside = file.with_extension("key.new");
    drop(fs::remove_file(&beside));
    let mut new = private(&beside)?;
    for key in keys {
        writeln!(new, "{}", *key.reveal()).map_err(Error::internal)?;
    }
    new.sync_all().map_err(Error::internal)?;
    fs::rename(&beside, file).map_err(Error::internal)?;
    let folder = file.parent().map(fs::File::open);
    if let Some(Ok(folder)) = folder {
        folder.sync_all().map_err(Error::internal)?;
    }
    Ok(())
}

fn private(path: &Path) -> Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::internal)
}

/// Reads a secret of 64 hex digits, or makes it.
pub fn kept(path: &Path) -> Result<String> {
    kept_with(path, "", true).map(|(secret, _)| secret)
}

/// The secret, and whether it was made just now. `lost` says why a missing one can't be made again.
fn kept_with(path: &Path, lost: &str, may_make: bool) -> Result<(String, bool)> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(Error::internal(format!("{} is empty", path.display()))),
        Ok(text) => Ok((text.trim().to_owned(), false)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && may_make => {
            let secret = MasterKey::new(Entropy.bytes()).reveal();
            let mut file = private(path)?;
            file.write_all(secret.as_bytes()).map_err(Error::internal)?;
            file.sync_all().map_err(Error::internal)?;
            Ok((secret.to_string(), true))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Error::internal(format!(
            "{} is missing, and {lost}",
            path.display()
        ))),
        Err(e) => Err(Error::internal(format!("{}: {e}", path.display()))),
    }
}

/// Whether a secret has too few different characters to be one.
pub fn is_pattern(secret: &str) -> bool {
    let distinct: std::collections::BTreeSet<char> = secret.chars().collect();
    distinct.len() < DISTINCT
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        config: Config,
    }

    fn config(dir: &Path) -> Config {
        let line = ["cronium", "--data-dir", dir.to_str().unwrap()];
        Config {
            master_key: None,
            internal_api_key: None,
            ..Line::parse_from(line).config
        }
    }

    #[test]
    fn keys_are_made_once_at_the_first_start_for_their_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path());
        let first = Keys::load(&config, true).unwrap();
        for name in ["master.key", "internal-api.key"] {
            let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let second = Keys::load(&config, false).unwrap();
        assert_eq!(first.master.ids(), second.master.ids());
        assert_eq!(first.internal, second.internal);
    }

    #[test]
    fn a_later_start_without_its_keys_is_refused_and_makes_none() {
        for name in ["master.key", "internal-api.key"] {
            let dir = tempfile::tempdir().unwrap();
            let config = config(dir.path());
            Keys::load(&config, true).unwrap();
            let file = dir.path().join(name);
            fs::remove_file(&file).unwrap();
            let problem = Keys::load(&config, false).unwrap_err().private_text();
            assert!(problem.contains(name) && problem.contains("backup"), "{problem}");
            assert!(!file.exists());
        }
    }

    #[test]
    fn several_master_keys_are_read_and_written_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("master.key");
        let keys: Vec<MasterKey> = (0..3).map(|_| MasterKey::new(Entropy.bytes())).collect();
        write_keys(&file, &keys).unwrap();
        write_keys(&file, &keys[..2]).unwrap();
        let read: Vec<_> = read_keys(&file).unwrap().iter().map(MasterKey::id).collect();
        assert_eq!(read, [keys[0].id(), keys[1].id()]);
        assert!(parse_keys("").is_err() && parse_keys("0f0f, nonsense").is_err());
    }
}
