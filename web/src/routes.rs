//! Every address of the dashboard. The locale, filters and selections are part of the address, so
//! that a link shows a colleague the same thing. Knows no data.

use dioxus::prelude::*;

use crate::i18n::Locale;
use crate::layout::{LocaleFrame, Shell};
use crate::pages::{
    Account, AuditLog, EventEditor, EventNew, Events, FirstRun, Missing, Monitoring, NotFound, Overview,
    ResetPassword, Roles, Root, Run, Runs, Server, ServerNew, Servers, SettingsPage, SignIn, SignUp,
    Terminal, Terminals, Users, Variables,
};
use crate::params::Params;

/// One address. `query` holds what follows the question mark, `hash` what follows the `#`.
#[derive(Routable, Clone, Debug, PartialEq)]
#[rustfmt::skip]
pub enum Route {
    #[route("/")]
    Root {},
    #[nest("/:locale")]
        #[layout(LocaleFrame)]
            #[route("/sign-in?:..query")]
            SignIn { locale: Locale, query: Params },
            #[route("/sign-up?:..query")]
            SignUp { locale: Locale, query: Params },
            #[route("/reset-password?:..query")]
            ResetPassword { locale: Locale, query: Params },
            #[layout(Shell)]
                #[route("/?:..query")]
                Overview { locale: Locale, query: Params },
                #[route("/first-run")]
                FirstRun { locale: Locale },
                #[route("/events?:..query")]
                Events { locale: Locale, query: Params },
                #[route("/events/new?:..query")]
                EventNew { locale: Locale, query: Params },
                #[route("/events/:id?:..query")]
                EventEditor { locale: Locale, id: String, query: Params },
                #[route("/runs?:..query")]
                Runs { locale: Locale, query: Params },
                #[route("/runs/:id?:..query#:hash")]
                Run { locale: Locale, id: String, query: Params, hash: String },
                #[route("/servers?:..query")]
                Servers { locale: Locale, query: Params },
                #[route("/servers/new")]
                ServerNew { locale: Locale },
                #[route("/servers/:id?:..query")]
                Server { locale: Locale, id: String, query: Params },
                #[route("/terminals?:..query")]
                Terminals { locale: Locale, query: Params },
                #[route("/terminals/:id")]
                Terminal { locale: Locale, id: String },
                #[route("/variables?:..query")]
                Variables { locale: Locale, query: Params },
                #[route("/monitoring")]
                Monitoring { locale: Locale },
                #[route("/account")]
                Account { locale: Locale },
                #[route("/users?:..query")]
                Users { locale: Locale, query: Params },
                #[route("/roles")]
                Roles { locale: Locale },
                #[route("/settings")]
                SettingsPage { locale: Locale },
                #[route("/audit?:..query")]
                AuditLog { locale: Locale, query: Params },
                #[route("/:..path")]
                Missing { locale: Locale, path: Vec<String> },
            #[end_layout]
        #[end_layout]
    #[end_nest]
    #[route("/:..path")]
    NotFound { path: Vec<String> },
}

impl Route {
    /// The same address in another language.
    #[must_use]
    pub fn in_locale(self, to: Locale) -> Self {
        match self {
            Self::SignIn { query, .. } => Self::SignIn { locale: to, query },
            Self::SignUp { query, .. } => Self::SignUp { locale: to, query },
            Self::ResetPassword { query, .. } => Self::ResetPassword { locale: to, query },
            Self::Overview { query, .. } => Self::Overview { locale: to, query },
            Self::FirstRun { .. } => Self::FirstRun { locale: to },
            Self::Events { query, .. } => Self::Events { locale: to, query },
            Self::EventNew { query, .. } => Self::EventNew { locale: to, query },
            Self::EventEditor { id, query, .. } => Self::EventEditor {
                locale: to,
                id,
                query,
            },
            Self::Runs { query, .. } => Self::Runs { locale: to, query },
            Self::Run { id, query, hash, .. } => Self::Run {
                locale: to,
                id,
                query,
                hash,
            },
            Self::Servers { query, .. } => Self::Servers { locale: to, query },
            Self::ServerNew { .. } => Self::ServerNew { locale: to },
            Self::Server { id, query, .. } => Self::Server {
                locale: to,
                id,
                query,
            },
            Self::Terminals { query, .. } => Self::Terminals { locale: to, query },
            Self::Terminal { id, .. } => Self::Terminal { locale: to, id },
            Self::Variables { query, .. } => Self::Variables { locale: to, query },
            Self::Monitoring { .. } => Self::Monitoring { locale: to },
            Self::Account { .. } => Self::Account { locale: to },
            Self::Users { query, .. } => Self::Users { locale: to, query },
            Self::Roles { .. } => Self::Roles { locale: to },
            Self::SettingsPage { .. } => Self::SettingsPage { locale: to },
            Self::AuditLog { query, .. } => Self::AuditLog { locale: to, query },
            Self::Missing { path, .. } => Self::Missing { locale: to, path },
            Self::Root {} => Self::Overview {
                locale: to,
                query: Params::default(),
            },
            Self::NotFound { path } => Self::NotFound { path },
        }
    }

    /// A run's page, without filters.
    #[must_use]
    pub fn run(locale: Locale, id: &str) -> Self {
        Self::Run {
            locale,
            id: id.to_owned(),
            query: Params::default(),
            hash: String::new(),
        }
    }

    /// A server's page, on its first tab.
    #[must_use]
    pub fn server(locale: Locale, id: &str) -> Self {
        Self::Server {
            locale,
            id: id.to_owned(),
            query: Params::default(),
        }
    }

    /// The page of open terminals, with this one in view.
    #[must_use]
    pub fn terminals(locale: Locale, id: &str) -> Self {
        Self::Terminals {
            locale,
            query: Params::default().with("tab", id),
        }
    }

    /// An event's page, on its first tab.
    #[must_use]
    pub fn event(locale: Locale, id: &str) -> Self {
        Self::EventEditor {
            locale,
            id: id.to_owned(),
            query: Params::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_reading_and_writing() {
        for address in [
            "/en/runs?status=FAILED",
            "/es/events/abc?tab=versions",
            "/en/runs/xyz#L120",
            "/en/events/new",
            "/es/servers?status=ONLINE",
            "/en/servers/new",
            "/es/servers/abc?tab=settings",
            "/en/terminals?tab=abc",
            "/es/terminals?view=all&state=ENDED",
            "/en/terminals/abc",
            "/es/variables?scope=SHARED",
            "/es/monitoring",
            "/en/account",
            "/en/users?status=ACTIVE",
            "/es/roles",
            "/en/settings",
            "/es/audit?outcome=DENIED",
            "/es/sign-up?token=abc",
            "/en/reset-password?token=abc",
        ] {
            let route: Route = address.parse().unwrap();
            assert!(
                !matches!(route, Route::NotFound { .. } | Route::Missing { .. }),
                "{address} is not found"
            );
            let again: Route = route.to_string().parse().unwrap();
            assert_eq!(route, again, "{address}");
            // An empty query keeps its question mark.
            let written = route.to_string().replace("?#", "#");
            assert!(written.starts_with(address), "{address} became {route}");
        }
    }

    #[test]
    fn a_line_link_reaches_the_run() {
        let Route::Run { id, hash, .. } = "/en/runs/xyz#L120".parse().unwrap() else {
            panic!("not a run");
        };
        assert_eq!((id.as_str(), hash.as_str()), ("xyz", "L120"));
    }

    #[test]
    fn an_unknown_language_is_not_found() {
        assert!(matches!("/xx/runs".parse().unwrap(), Route::NotFound { .. }));
        assert!(matches!(
            "/en/no/such/page".parse().unwrap(),
            Route::Missing { .. }
        ));
    }
}
