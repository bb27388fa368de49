//! What mail says, in the languages of the dashboard. Plain text: nothing to track, nothing to render. Pure.

use serde::{Deserialize, Serialize};

/// What a mail is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A password may be set with this link.
    Reset { link: String },
    /// Somebody was invited by somebody.
    Invite { link: String, by: String },
    /// An address is to be confirmed.
    SignUp { link: String },
    /// Somebody tried to sign up with an address that has an account.
    HasAccount { link: String },
    /// A try.
    Test,
}

/// A mail, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// Takes line ends out: a name must not become a header or a line of its own.
fn line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl Letter {
    pub fn new(to: &str, locale: &str, about: Subject) -> Self {
        let spanish = locale == "es";
        let (subject, text) = match about {
            Subject::Reset { link } if spanish => (
                "Cambia tu contraseña de Cronium",
                format!(
                    "Alguien ha pedido cambiar la contraseña de tu cuenta. Si has sido tú, abre este enlace \
                         antes de una hora:\n\n{link}\n\nSi no has sido tú, no hace falta que hagas nada.\n"
                ),
            ),
            Subject::Reset { link } => (
                "Set a new Cronium password",
                format!(
                    "Somebody asked to set a new password for your account. If it was you, open this link within \
                         an hour:\n\n{link}\n\nIf it was not, there is nothing to do.\n"
                ),
            ),
            Subject::Invite { link, by } if spanish => (
                "Te han invitado a Cronium",
                format!(
                    "{} te ha invitado a Cronium. Crea tu cuenta con este enlace en los próximos siete días:\n\n{link}\n",
                    line(&by)
                ),
            ),
            Subject::Invite { link, by } => (
                "You are invited to Cronium",
                format!(
                    "{} invited you to Cronium. Make your account with this link within seven days:\n\n{link}\n",
                    line(&by)
                ),
            ),
            Subject::SignUp { link } if spanish => (
                "Confirma tu dirección en Cronium",
                format!(
                    "Para terminar de crear tu cuenta, abre este enlace en las próximas 24 horas:\n\n{link}\n\n\
                         Si no la has pedido, no hace falta que hagas nada.\n"
                ),
            ),
            Subject::SignUp { link } => (
                "Confirm your address for Cronium",
                format!(
                    "To finish making your account, open this link within 24 hours:\n\n{link}\n\n\
                         If you did not ask for one, there is nothing to do.\n"
                ),
            ),
            Subject::HasAccount { link } if spanish => (
                "Ya tienes una cuenta de Cronium",
                format!(
                    "Alguien ha intentado crear una cuenta con esta dirección, que ya tiene una. Entra aquí:\n\n{link}\n"
                ),
            ),
            Subject::HasAccount { link } => (
                "You have a Cronium account already",
                format!(
                    "Somebody tried to make an account with this address, which has one. Sign in here:\n\n{link}\n"
                ),
            ),
            Subject::Test if spanish => ("Prueba de Cronium", "El correo funciona.\n".to_owned()),
            Subject::Test => ("A test from Cronium", "Mail works.\n".to_owned()),
        };
        Self {
            to: to.to_owned(),
            subject: subject.to_owned(),
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_on_its_line_and_each_language_has_its_text() {
        let about = |by: &str| Subject::Invite {
            link: "https://x.test/a".into(),
            by: by.into(),
        };
        let letter = Letter::new("a@example.test", "en", about("Eve\r\nBcc: all@example.test"));
        assert!(letter.text.starts_with("Eve  Bcc: all@example.test invited you"));
        assert_ne!(
            Letter::new("a@example.test", "es", about("Eve")).subject,
            letter.subject
        );
    }
}
