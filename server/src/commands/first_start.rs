//! The first start: an administrator whose password is printed once.

use cronium_entity::enums::{EventKind, EventStatus, UserRole};

use crate::access::roles;
use crate::app::App;
use crate::events::{DEFAULT_TIMEOUT_MS, Definition, NewEvent, Policy, Profile, Target};
use crate::identity::NewUser;
use crate::kernel::ids::UserId;
use crate::kernel::{Op, Result};

/// Address of the account that the first start makes.
pub const ADMIN: &str = "admin@cronium.local";

/// The account that was just made.
#[derive(Debug)]
pub struct FirstAdmin {
    pub id: UserId,
    pub password: String,
}

/// Makes the administrator when there is no account at all.
pub async fn admin(app: &App) -> Result<Option<FirstAdmin>> {
    if !app.identity.is_empty().await? {
        return Ok(None);
    }
    let password = app.kernel.entropy.token()[..20].to_owned();
    let new = NewUser {
        email: ADMIN.into(),
        name: "Administrator".into(),
        role: UserRole::Admin,
        password: password.clone(),
    };
    let id = app.identity.create_user(new).await?;
    Ok(Some(FirstAdmin { id, password }))
}

/// How to sign in, once.
pub fn print(admin: &FirstAdmin, url: &str) {
    println!();
    println!("  Cronium is ready at {url}");
    println!("  e-mail:    {ADMIN}");
    println!("  password:  {}", admin.password);
    println!("  This password is shown once; change it after signing in.");
    println!();
}

/// Sample events, one in each language, so that there is something to run.
pub async fn samples(app: &App, admin: &FirstAdmin) -> Result<()> {
    let op = Op::process(admin.id, roles::permissions(UserRole::Admin));
    for (name, description, kind, source) in [
        (
            "Hello",
            "Says hello and counts to five: watch it live.",
            EventKind::Bash,
            include_str!("samples/hello.sh"),
        ),
        (
            "Sales report",
            "Makes a CSV and sums it up.",
            EventKind::Python,
            include_str!("samples/report.py"),
        ),
        (
            "Settings check",
            "Fails with exit code 3.",
            EventKind::Nodejs,
            include_str!("samples/check.js"),
        ),
    ] {
        let profile = Profile {
            name: name.into(),
            description: description.into(),
            tags: vec!["sample".into()],
            shared: true,
        };
        let definition = Definition {
            kind,
            source: source.into(),
            http: None,
            environment: Vec::new(),
            input_schema: None,
            target: Target::default(),
            servers: None,
            timeout_ms: DEFAULT_TIMEOUT_MS,
            policy: Policy::default(),
            labels: Vec::new(),
        };
        let new = NewEvent {
            profile,
            status: EventStatus::Active,
            definition,
            max_executions: 0,
            comment: None,
        };
        app.events.create(&op, new).await?;
    }
    Ok(())
}
