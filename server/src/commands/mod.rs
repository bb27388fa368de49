//! What the program can be asked to do.

pub mod audit;
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

use crate::audit::Audit;
use crate::config::Config;
use crate::config::keys::Keys;
use crate::identity::Identity;
use crate::kernel::{Error, Result};
use crate::keys::any_sealed;
use crate::mail::Mail;
use crate::settings::Settings;
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

/// Sets a new random password, removes the second factor, and prints the password.
pub async fn reset_password(config: Config, email: &str) -> Result<ExitCode> {
    let database = Database::open(&config).await?;
    let password = database.kernel.entropy.token();
    let kernel = database.kernel.clone();
    let changed = async {
        let master = Keys::load(&config, !any_sealed(&kernel).await?)?.master;
        let audit = Audit::new(kernel.clone(), master.clone());
        let settings = Settings::new(kernel.clone(), audit.clone(), master.clone());
        let mail = Mail::new(kernel.clone(), settings.clone(), master.clone(), "");
        let identity = Identity::new(kernel, audit, settings, mail, master);
        identity.set_password(email, password.clone()).await
    };
    let changed = changed.await;
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
