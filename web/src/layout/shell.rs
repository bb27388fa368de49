//! The frame of every signed-in page, and the gate before it.

use dioxus::prelude::*;

use super::counts::{self, Counts};
use super::crumbs::Crumbs;
use super::help::{Help, HelpButton};
use super::keys::use_keys;
use super::menus::{AccountMenu, LanguageMenu, ThemeMenu};
use super::palette::{Palette, SearchButton};
use crate::browser;
use crate::i18n::{Locale, group_digits, t};
use crate::pages::RunAsked;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope, Session};
use crate::status;
use crate::ui::{BrandMark, ErrorNotice, Icon, JobStatus, Skeleton, StatusDot, use_query};

/// Makes the language of the address the language of the page.
#[component]
pub fn LocaleFrame(locale: Locale) -> Element {
    // Before the first child renders, so that no word appears in another language first.
    use_hook(|| locale.activate());
    use_effect(use_reactive((&locale,), |(locale,)| locale.activate()));
    rsx! { Outlet::<Route> {} }
}

/// Lets the signed-in through to the page, and leads everybody else to the sign-in page.
#[component]
pub fn Shell(locale: Locale) -> Element {
    let mut load = use_query(session::load);
    let navigator = use_navigator();
    use_effect(move || {
        if matches!(*session::SESSION.read(), Session::Anonymous { .. }) {
            let query = Params::default().with("back", &browser::address());
            navigator.replace(Route::SignIn {
                locale: Locale::current(),
                query,
            });
        }
    });
    let Some(viewer) = session::viewer() else {
        return rsx! {
            main { class: "main", id: "content",
                if let Some(error) = (load.error)() {
                    ErrorNotice { error, onretry: move |()| load.reload() }
                } else {
                    Skeleton {}
                }
            }
        };
    };
    rsx! {
        a { class: "skip", href: "#content", {t("app.skip")} }
        div { class: "shell",
            aside { class: "sidebar", Brand { locale } Navigation { locale } Health { locale } }
            header { class: "topbar",
                button { class: "icon-btn only-narrow", r#type: "button", "popovertarget": "phone-nav", "aria-label": t("nav.open"), title: t("nav.open"),
                    Icon { name: "menu" }
                }
                Crumbs {}
                SearchButton {}
                LanguageMenu {}
                ThemeMenu {}
                HelpButton {}
                AccountMenu { locale, viewer }
            }
            PhoneDrawer { locale }
            PageFrame { locale }
            BottomNavigation { locale }
        }
        Palette { locale }
        Help {}
        RunAsked { locale }
    }
}

#[component]
fn PageFrame(locale: Locale) -> Element {
    use_future(status::follow);
    use_future(session::watch);
    use_keys(locale);
    let route = use_route::<Route>();
    use_resource(use_reactive((&route,), |_| counts::load()));
    // Whoever chose a page in a menu or in the drawer is done with it.
    use_effect(use_reactive((&route,), |_| browser::close_popovers()));
    // Work pages fill the window and scroll inside their panes.
    let class = match route {
        Route::Events { .. }
        | Route::EventNew { .. }
        | Route::EventEditor { .. }
        | Route::Runs { .. }
        | Route::Run { .. }
        | Route::Servers { .. }
        | Route::ServerNew { .. }
        | Route::Server { .. }
        | Route::Terminals { .. }
        | Route::Terminal { .. }
        | Route::Variables { .. }
        | Route::Users { .. }
        | Route::AuditLog { .. } => "main main-flush",
        _ => "main",
    };
    rsx! {
        main { class, id: "content", tabindex: "-1",
            OfflineBanner {}
            Outlet::<Route> {}
        }
    }
}

#[component]
fn OfflineBanner() -> Element {
    rsx! {
        if !*session::ONLINE.read() {
            div { class: "banner banner-offline", "data-status": "PARTIAL", role: "status",
                Icon { name: "alert" }
                span { b { {t("offline.title")} } " " {t("offline.text")} }
            }
        }
    }
}

#[component]
fn Brand(locale: Locale) -> Element {
    rsx! {
        Link { class: "brand", to: Route::Overview { locale, query: Params::default() }, BrandMark {} {t("app.name")} }
    }
}

pub(super) struct Place {
    pub icon: &'static str,
    pub key: &'static str,
    pub to: Route,
    here: bool,
}

/// The pages of the administration, as far as the person may open them.
pub(super) fn admin_places(locale: Locale, route: Option<&Route>) -> Vec<Place> {
    let may = session::may;
    let all = [
        (
            may(Scope::ManageUsers),
            Place {
                icon: "admin",
                key: "nav.users",
                to: Route::Users {
                    locale,
                    query: Params::default(),
                },
                here: matches!(route, Some(Route::Users { .. })),
            },
        ),
        (
            may(Scope::ManageRoles),
            Place {
                icon: "key",
                key: "nav.roles",
                to: Route::Roles { locale },
                here: matches!(route, Some(Route::Roles { .. })),
            },
        ),
        (
            may(Scope::ManageSettings),
            Place {
                icon: "tool",
                key: "nav.settings",
                to: Route::SettingsPage { locale },
                here: matches!(route, Some(Route::SettingsPage { .. })),
            },
        ),
        (
            may(Scope::ReadAuditLog),
            Place {
                icon: "history",
                key: "nav.audit",
                to: Route::AuditLog {
                    locale,
                    query: Params::default(),
                },
                here: matches!(route, Some(Route::AuditLog { .. })),
            },
        ),
    ];
    all.into_iter()
        .filter_map(|(may, place)| may.then_some(place))
        .collect()
}

/// The pages of everyday work and of the system, as far as the person may open them.
fn places(locale: Locale, route: &Route) -> (Vec<Place>, Vec<Place>) {
    let query = Params::default;
    let may = session::may;
    let kept = |places: Vec<(bool, Place)>| -> Vec<Place> {
        let places = places.into_iter();
        places.filter_map(|(may, place)| may.then_some(place)).collect()
    };
    let operate = vec![
        (
            true,
            Place {
                icon: "overview",
                key: "nav.overview",
                to: Route::Overview {
                    locale,
                    query: query(),
                },
                here: matches!(route, Route::Overview { .. }),
            },
        ),
        (
            may(Scope::ReadEvents),
            Place {
                icon: "event",
                key: "nav.events",
                to: Route::Events {
                    locale,
                    query: query(),
                },
                here: matches!(
                    route,
                    Route::Events { .. } | Route::EventNew { .. } | Route::EventEditor { .. }
                ),
            },
        ),
        (
            may(Scope::ReadJobs),
            Place {
                icon: "runs",
                key: "nav.runs",
                to: Route::Runs {
                    locale,
                    query: query(),
                },
                here: matches!(route, Route::Runs { .. } | Route::Run { .. }),
            },
        ),
        (
            may(Scope::ReadServers),
            Place {
                icon: "server",
                key: "nav.servers",
                to: Route::Servers {
                    locale,
                    query: query(),
                },
                here: matches!(
                    route,
                    Route::Servers { .. } | Route::ServerNew { .. } | Route::Server { .. }
                ),
            },
        ),
        (
            may(Scope::OpenTerminals),
            Place {
                icon: "terminal",
                key: "nav.terminals",
                to: Route::Terminals {
                    locale,
                    query: query(),
                },
                here: matches!(route, Route::Terminals { .. } | Route::Terminal { .. }),
            },
        ),
        (
            may(Scope::ReadVariables),
            Place {
                icon: "variable",
                key: "nav.variables",
                to: Route::Variables {
                    locale,
                    query: query(),
                },
                here: matches!(route, Route::Variables { .. }),
            },
        ),
    ];
    let system = vec![
        (
            may(Scope::ReadSystem),
            Place {
                icon: "monitor",
                key: "nav.monitoring",
                to: Route::Monitoring { locale },
                here: matches!(route, Route::Monitoring { .. }),
            },
        ),
        (
            may(Scope::ReadSystem) && may(Scope::ReadEvents) && may(Scope::ReadJobs),
            Place {
                icon: "spark",
                key: "nav.first_run",
                to: Route::FirstRun { locale },
                here: matches!(route, Route::FirstRun { .. }),
            },
        ),
    ];
    (kept(operate), kept(system))
}

#[component]
fn Navigation(locale: Locale) -> Element {
    let route = use_route::<Route>();
    let counts = counts::read();
    let (operate, system) = places(locale, &route);
    let admin = admin_places(locale, Some(&route));
    rsx! {
        nav { class: "side-scroll", "aria-label": t("nav.main"),
            for (title, group) in [("nav.operate", operate), ("nav.system", system), ("nav.admin", admin)].into_iter().filter(|(_, group)| !group.is_empty()) {
                div { key: "{title}", class: "nav-group",
                    p { class: "nav-title", {t(title)} }
                    ul { "aria-label": t(title),
                        for place in group {
                            li { key: "{place.key}",
                                Link { class: "nav", to: place.to, "aria-current": place.here.then_some("page"),
                                    Icon { name: place.icon }
                                    {t(place.key)}
                                    if let Some(count) = count_of(place.key, &counts) {
                                        span { class: "end", "aria-hidden": "true", {group_digits(count)} }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The figure beside a place: how many events there are, how many runs go on.
fn count_of(key: &str, counts: &Counts) -> Option<u64> {
    let count = match key {
        "nav.events" => counts.events,
        "nav.runs" => counts.active,
        _ => 0,
    };
    u64::try_from(count).ok().filter(|count| *count > 0)
}

/// The navigation of narrow windows, behind the menu button.
#[component]
fn PhoneDrawer(locale: Locale) -> Element {
    rsx! {
        div { class: "phone-nav", id: "phone-nav", "popover": "auto", role: "dialog", "aria-label": t("nav.main"),
            div { class: "phone-nav-head",
                Brand { locale }
                button { class: "icon-btn", r#type: "button", "popovertarget": "phone-nav", "popovertargetaction": "hide", "aria-label": t("nav.close"), title: t("nav.close"),
                    Icon { name: "x" }
                }
            }
            Navigation { locale }
            Health { locale }
        }
    }
}

#[component]
fn BottomNavigation(locale: Locale) -> Element {
    let route = use_route::<Route>();
    let (operate, system) = places(locale, &route);
    rsx! {
        nav { class: "bottom-nav", "aria-label": t("nav.quick"),
            // The drawer has the rest.
            for place in operate.into_iter().chain(system).take(5) {
                Link { key: "{place.key}", to: place.to, "aria-current": place.here.then_some("page"),
                    Icon { name: place.icon }
                    {t(place.key)}
                }
            }
        }
    }
}

#[component]
fn Health(locale: Locale) -> Element {
    if !session::may(Scope::ReadSystem) {
        return rsx! {};
    }
    let (status, key) = match status::STATUS.read().as_ref().map(|status| status.healthy) {
        Some(true) => (JobStatus::Succeeded, "health.good"),
        Some(false) => (JobStatus::Partial, "health.bad"),
        None => (JobStatus::Queued, "health.unknown"),
    };
    rsx! {
        div { class: "side-foot",
            StatusDot { status }
            Link { class: "name", to: Route::Monitoring { locale }, {t(key)} }
        }
    }
}
