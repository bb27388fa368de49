//! Texts of the sign-in page and the first-run checklist.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[
    ("signin.title", "Sign in"),
    ("signin.lead", "to Cronium on {host}"),
    ("signin.email", "Email"),
    ("signin.password", "Password"),
    ("signin.show", "Show password"),
    ("signin.hide", "Hide password"),
    ("signin.submit", "Sign in"),
    ("signin.busy", "Signing in…"),
    (
        "signin.ended",
        "Your session ended. Sign in again to go on where you were.",
    ),
    (
        "signin.first_run",
        "This installation is new. The first administrator's password stands in the server's log.",
    ),
    ("signin.email_missing", "Enter your email address."),
    ("signin.password_missing", "Enter your password."),
    (
        "signin.offline",
        "The server did not answer. Your entries are kept; try again.",
    ),
    (
        "signin.rate_limited",
        "Too many tries. Wait a minute and try again.",
    ),
];
