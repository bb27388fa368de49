//! `cronium`: the server and its commands.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cronium_server::commands;
use cronium_server::config::Config;

/// A response is thousands of short-lived futures and values: the C library's allocator took a quarter of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Self-hosted automation: scripts, run on demand in containers, watched live.
#[derive(Debug, Parser)]
#[command(name = "cronium", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything that is not given: the default.
    Serve,
    /// Bring the database to this version and leave.
    Migrate,
    /// Print the GraphQL schema.
    Schema,
    /// Say what is there and what is missing.
    Doctor,
    /// The audit log.
    #[command(subcommand)]
    Audit(Audit),
    /// Accounts.
    #[command(subcommand)]
    Admin(Admin),
    /// The master keys, which seal secrets in the database.
    #[command(subcommand)]
    Keys(Keys),
}

#[derive(Debug, Subcommand)]
enum Keys {
    /// Make a new master key and wrap every sealed value anew; servers may run meanwhile.
    Change,
    /// Show the keys' ids and how many values each seals.
    List,
    /// Remove an old key that seals nothing any more.
    Forget {
        /// The key's id, from `list`.
        id: String,
    },
}

#[derive(Debug, Subcommand)]
enum Audit {
    /// Check the whole log: is it what was written?
    Verify,
    /// Write the log out as NDJSON, oldest first.
    Export {
        /// Only entries after this one.
        #[arg(long, default_value_t = 0)]
        after: i64,
    },
}

#[derive(Debug, Subcommand)]
enum Admin {
    /// Give an account a new password, printed once, and take its second factor away.
    ResetPassword {
        /// Address of the account.
        email: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or(Command::Serve) {
        Command::Schema => commands::schema(),
        Command::Serve => Box::pin(commands::serve(cli.config)).await,
        Command::Migrate => commands::migrate(cli.config).await,
        Command::Doctor => commands::doctor(&cli.config).await,
        Command::Audit(Audit::Verify) => commands::audit::verify(cli.config).await,
        Command::Audit(Audit::Export { after }) => commands::audit::export(cli.config, after).await,
        Command::Keys(Keys::Change) => commands::keys::change(&cli.config).await,
        Command::Keys(Keys::List) => commands::keys::list(&cli.config).await,
        Command::Keys(Keys::Forget { id }) => commands::keys::forget(&cli.config, &id).await,
        Command::Admin(Admin::ResetPassword { email }) => commands::reset_password(cli.config, &email).await,
    };
    match done {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("cronium: {}", problem.private_text());
            ExitCode::FAILURE
        }
    }
}
