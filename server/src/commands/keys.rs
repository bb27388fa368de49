//! `cronium keys`: the master keys of this installation.

use std::process::ExitCode;

use crate::audit::Audit;
use crate::config::Config;
use crate::config::keys::Keys;
use crate::kernel::{Error, Op, Result};
use crate::keys::{MasterKeys, any_sealed};

use super::database::Database;

async fn with_keys<T>(config: &Config, act: impl AsyncFnOnce(&MasterKeys) -> Result<T>) -> Result<T> {
    let database = Database::open(config).await?;
    let done = async {
        if !any_sealed(&database.kernel).await? {
            return Err(Error::BadRequest(
                "nothing is sealed yet: start the server once".into(),
            ));
        }
        let keys = Keys::load(config, false)?;
        let audit = Audit::new(database.kernel.clone(), keys.master.clone());
        act(&MasterKeys::new(database.kernel.clone(), audit, &keys)).await
    };
    let done = done.await;
    database.close().await;
    done
}

/// Makes a new master key and wraps every sealed value anew.
pub async fn change(config: &Config) -> Result<ExitCode> {
    let changed = with_keys(config, async |keys| keys.change(&Op::default(), None).await).await?;
    println!(
        "The present master key is {}; {} values were wrapped anew.",
        changed.present, changed.wrapped
    );
    match config.master_key {
        Some(_) => println!("It comes from CRONIUM_MASTER_KEY: the first one there seals."),
        None => println!(
            "Back up {} again. Old keys stay in it for your older backups; `cronium keys forget <id>` removes one.",
            config.data_dir.join("master.key").display()
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Ids of the keys, and what each seals.
pub async fn list(config: &Config) -> Result<ExitCode> {
    let list = with_keys(config, async |keys| keys.list().await).await?;
    for (at, (key, count)) in list.iter().enumerate() {
        let which = if at == 0 { "present" } else { "old" };
        println!("{key}  {which:<8} {count} sealed values");
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes an old key that seals nothing.
pub async fn forget(config: &Config, id: &str) -> Result<ExitCode> {
    let id = id.parse()?;
    with_keys(config, async |keys| keys.forget(id).await).await?;
    println!("The key {id} is forgotten; backups from its time can no more be read with this file.");
    Ok(ExitCode::SUCCESS)
}
