//! `cronium audit`: checks the log, and writes it out.

use std::io::Write as _;
use std::process::ExitCode;

use futures::TryStreamExt as _;

use crate::audit::Audit;
use crate::config::Config;
use crate::config::keys::Keys;
use crate::kernel::{Error, Result};
use crate::keys::any_sealed;

use super::database::Database;

async fn open(config: &Config, database: &Database) -> Result<Audit> {
    let master = Keys::load(config, !any_sealed(&database.kernel).await?)?.master;
    Ok(Audit::new(database.kernel.clone(), master))
}

/// Walks the whole chain. Fails when it does not hold, and says where.
pub async fn verify(config: Config) -> Result<ExitCode> {
    let database = Database::open(&config).await?;
    let found = async { open(&config, &database).await?.verify().await };
    let found = found.await;
    database.close().await;
    let found = found?;
    match &found.broken {
        None => {
            println!("The audit log is whole: {} entries.", found.entries);
            println!("Hash of the last one: {}", found.hash_text());
            Ok(ExitCode::SUCCESS)
        }
        Some(broken) => {
            eprintln!(
                "The audit log is broken at entry {}: {}.",
                broken.seq, broken.problem
            );
            eprintln!("Entries 1 to {} of {} hold.", found.verified, found.entries);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Writes the entries after one to the standard output, a line of JSON each.
pub async fn export(config: Config, after: i64) -> Result<ExitCode> {
    let database = Database::open(&config).await?;
    let written = async {
        let all = open(&config, &database).await?.export(after);
        all.try_for_each(|lines| {
            let written = std::io::stdout()
                .write_all(lines.as_bytes())
                .map_err(Error::internal);
            std::future::ready(written)
        })
        .await
    };
    let written = written.await;
    database.close().await;
    written?;
    std::io::stdout().flush().map_err(Error::internal)?;
    Ok(ExitCode::SUCCESS)
}
