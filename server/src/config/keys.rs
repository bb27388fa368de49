//! The installation's keys: given by configuration, otherwise made once in the data directory, readable
//! by its owner only.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::kernel::sealed::MasterKey;
use crate::kernel::{Entropy, Error, Result};

use super::{Config, parse_key};

/// Keys that the server starts with.
#[derive(Clone)]
pub struct Keys {
    pub master: MasterKey,
    /// Bearer secret of the agent channel.
    pub internal: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

impl Keys {
    pub fn load(config: &Config) -> Result<Self> {
        let master = match &config.master_key {
            Some(key) => key.clone(),
            None => kept(&config.data_dir.join("master.key"))?,
        };
        let master =
            parse_key(&master).ok_or_else(|| Error::internal("master.key is not a key of 64 hex digits"))?;
        let internal = match &config.internal_api_key {
            Some(key) => key.clone(),
            None => kept(&config.data_dir.join("internal-api.key"))?,
        };
        Ok(Self {
            master: MasterKey::new(master),
            internal,
        })
    }
}

/// Reads a secret of 64 hex digits, or makes it.
pub fn kept(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key: String = Entropy.bytes::<32>().iter().map(|b| format!("{b:02x}")).collect();
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)
                .map_err(Error::internal)?;
            file.write_all(key.as_bytes()).map_err(Error::internal)?;
            Ok(key)
        }
        Err(e) => Err(Error::internal(e)),
    }
}
