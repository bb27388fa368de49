//! What the program can be asked to do.

mod database;
mod doctor;
mod first_start;
pub mod keys;
mod serve;
mod telemetry;

use std::io::Write as _;
use std::process::ExitCode;

pub use doctor::doctor;
pub use serve::serve;

use crate::config::Config;
use crate::identity::Identity;
use crate::kernel::{Error, Result};
use crate::transport::schema;

use database::Database;

/// Prints the SDL.
pub fn schema() -> Result<ExitCode> {
    std::io::stdout()
        .write_all(schema::sdl().as_bytes())
        .map_err(Error::internal)?;
    Ok(ExitCode::SUCCESS)
}

/// Migrates and leaves.
pub async fn migrate(config: Config) -> Result<ExitCode> {
    let database = Database::open(&config).await?;
    crate::app::migrate(&database.kernel).await?;
    println!("The database is up to date.");
    database.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Sets a new random password and prints it.
pub async fn reset_password(config: Config, email: &str) -> Result<ExitCode> {
    let database = Database::open(&config).await?;
    let password = database.kernel.entropy.token();
    let changed = Identity::new(database.kernel.clone())
        .set_password(email, password.clone())
        .await;
    database.close().await;
    match changed {
        Ok(()) => {
            println!("New password of {email}: {password}");
            Ok(ExitCode::SUCCESS)
        }
        Err(Error::NotFound(_)) => {
            eprintln!("There is no account with the address {email}.");
            Ok(ExitCode::FAILURE)
        }
        Err(other) => Err(other),
    }
}
