//! How somebody says to sign in, and what is wrong with it. Prints nothing of it.

use std::sync::Arc;

use cronium_entity::enums::ServerSignIn;
use cronium_protocol::host::{Concealed, SignIn};

use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::{Error, Result};

use super::key;
use super::model;
use super::service::Servers;

/// As somebody gives it.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    pub private_key: Option<Concealed>,
    pub passphrase: Option<Concealed>,
    pub password: Option<Concealed>,
}

/// How to sign in, read and found good.
pub struct Ready {
    pub kind: ServerSignIn,
    pub sign_in: SignIn,
    pub public_key: Option<String>,
}

/// A form sends an empty field for one that was left out.
fn some(given: Option<&Concealed>) -> Option<Concealed> {
    given.filter(|text| !text.reveal().is_empty()).cloned()
}

impl Servers {
    /// Reads how to sign in; None: nothing was given, or what is wrong was noted.
    pub(super) async fn ready(
        &self,
        given: &Credentials,
        required: bool,
        checks: &mut Checks,
    ) -> Result<Option<Ready>> {
        use UserErrorCode::{Invalid, Required};
        let (private, password) = (some(given.private_key.as_ref()), some(given.password.as_ref()));
        let passphrase = some(given.passphrase.as_ref());
        match (&private, &password) {
            (Some(_), Some(_)) => {
                checks.add(Invalid, "password", "Give a private key or a password, not both.");
            }
            (None, None) if required => {
                let field = if given.password.is_some() {
                    "password"
                } else {
                    "privateKey"
                };
                checks.add(Required, field, "Give a private key or a password.");
            }
            _ => {}
        }
        if passphrase.is_some() && private.is_none() {
            let message = "A passphrase belongs to a private key: give that too.";
            checks.add(Invalid, "passphrase", message);
        }
        if let Some(passphrase) = &passphrase {
            model::check_password(passphrase.reveal(), "passphrase", checks);
        }
        if let Some(password) = &password {
            model::check_password(password.reveal(), "password", checks);
        }
        match (private, password) {
            (Some(private), None) => self.read_key(private, passphrase, checks).await,
            (None, Some(password)) => Ok(Some(Ready {
                kind: ServerSignIn::Password,
                sign_in: SignIn::Password(password),
                public_key: None,
            })),
            _ => Ok(None),
        }
    }

    async fn read_key(
        &self,
        private: Concealed,
        passphrase: Option<Concealed>,
        checks: &mut Checks,
    ) -> Result<Option<Ready>> {
        let turn = Arc::clone(&self.opening).acquire_owned().await;
        let turn = turn.map_err(Error::internal)?;
        let reading = tokio::task::spawn_blocking(move || {
            let read = key::read(private.reveal(), passphrase.as_ref().map(Concealed::reveal));
            drop(turn);
            (passphrase, read)
        });
        let (passphrase, read) = reading.await.map_err(Error::internal)?;
        match read {
            Ok(key) => Ok(Some(Ready {
                kind: ServerSignIn::Key,
                sign_in: SignIn::Key {
                    private: key.private.to_string().into(),
                    passphrase,
                },
                public_key: Some(key.public),
            })),
            Err(problem) => {
                checks.add(problem.code(), problem.field(), problem.to_string());
                Ok(None)
            }
        }
    }
}
