//! The first start: an administrator whose password is printed once.

use cronium_entity::enums::UserRole;

use crate::app::App;
use crate::identity::NewUser;
use crate::kernel::Result;
use crate::kernel::ids::UserId;

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

/// Sample events, so that there is something to run.
pub async fn samples(_app: &App, _admin: &FirstAdmin) -> Result<()> {
    Ok(())
}
