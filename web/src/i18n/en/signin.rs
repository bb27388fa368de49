//! Texts of the pages of people who are not signed in.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[
    ("signin.title", "Sign in"),
    ("signin.lead", "to Cronium on {host}"),
    ("signin.email", "Email"),
    ("signin.password", "Password"),
    ("signin.show", "Show password"),
    ("signin.hide", "Hide password"),
    ("signin.submit", "Sign in"),
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
    ("signin.code", "Code"),
    (
        "signin.code_hint",
        "From your authenticator app, or a recovery code.",
    ),
    ("signin.forgotten", "Forgot your password?"),
    ("signin.new_here", "Create an account"),
    ("enter.busy", "One moment…"),
    ("enter.back", "Back to signing in"),
    ("enter.reset_title", "New password"),
    ("enter.reset_lead", "All devices are signed out when it is set."),
    ("enter.reset_submit", "Set password"),
    ("enter.reset_done", "Your new password is set. Sign in with it."),
    ("enter.ask_lead", "We send a link to your email address."),
    ("enter.ask_submit", "Send link"),
    (
        "enter.mail_sent",
        "If this address is known here or may sign up, a mail with a link is on its way.",
    ),
    ("enter.signup_title", "Create an account"),
    ("enter.signup_lead", "Choose a password to finish."),
    (
        "enter.signup_ask_lead",
        "We send a link to your email address first.",
    ),
    ("enter.signup_submit", "Create account"),
    (
        "enter.name_hint",
        "Leave it empty to keep the name in your invitation.",
    ),
    ("enter.active", "Your account is ready. Sign in."),
    (
        "enter.pending",
        "Your account waits for an administrator. You can sign in once it is approved.",
    ),
    (
        "enter.closed",
        "You need an invitation here: ask an administrator for one.",
    ),
    (
        "refused.token.invalid",
        "This link was used, is too old, or is not whole. Ask for a new one.",
    ),
    (
        "refused.code.invalid",
        "This code is wrong, too old, or was used. Take the present one.",
    ),
    ("refused.email.invalid", "This is not an email address."),
    ("refused.email.required", "Enter your email address."),
    ("signin.or", "or"),
    ("signin.continue_with", "Continue with {name}"),
    ("signin.code_title", "One more step"),
    ("signin.code_lead", "Your account has a second factor."),
    (
        "oidc.not_configured",
        "Signing in this way is not set up any more.",
    ),
    (
        "oidc.stale",
        "This sign-in took too long, or was begun elsewhere. Try again.",
    ),
    (
        "oidc.denied",
        "You were not signed in there. Try again, or use your password.",
    ),
    (
        "oidc.unreachable",
        "The provider does not answer. Try again shortly, or use your password.",
    ),
    (
        "oidc.unusable",
        "The provider's answer can't be used. An administrator finds the reason in the server's log.",
    ),
    ("oidc.failed", "Signing in failed on our side. Try again."),
    (
        "oidc.no_email",
        "The provider told no email address. Ask an administrator.",
    ),
    (
        "oidc.email_unverified",
        "The provider has not verified your email address. Verify it there first.",
    ),
    (
        "oidc.domain_not_allowed",
        "Email addresses of this domain get no access here.",
    ),
    (
        "oidc.closed",
        "There is no account for you here, and none is made this way.",
    ),
    (
        "oidc.needs_invitation",
        "You need an invitation. Ask an administrator for one.",
    ),
    (
        "oidc.pending",
        "Your account waits for an administrator's approval.",
    ),
    ("oidc.disabled", "Your account is disabled. Ask an administrator."),
    (
        "oidc.linked_elsewhere",
        "The account with your email address belongs to another sign-in at the provider. Ask an administrator.",
    ),
    ("enter.password_hint", "12 characters or more."),
];
