//! The small menus of the top bar: language, theme, account. On `popover`, the browser's own: it
//! closes them on Escape and on a click elsewhere.

use dioxus::prelude::*;

use super::theme::Theme;
use crate::i18n::{Locale, t, tf};
use crate::routes::Route;
use crate::session::{self, Viewer};
use crate::ui::{Icon, toast_error};

/// The choice of language: the same page in another one.
#[component]
pub fn LanguageMenu(#[props(default = "icon-btn md".to_owned())] class: String) -> Element {
    let route = use_route::<Route>();
    let current = Locale::current();
    let label = format!("{}: {}", t("language.title"), current.name());
    rsx! {
        button { class: "{class}", r#type: "button", "popovertarget": "menu-language", "aria-label": "{label}", title: "{label}",
            Icon { name: "globe" }
        }
        div { class: "menu menu-pop", id: "menu-language", "popover": "auto", role: "menu", "aria-label": t("language.title"),
            for locale in Locale::ALL {
                Link { key: "{locale}", class: "menu-item", to: route.clone().in_locale(locale), role: "menuitem",
                    Icon { name: if locale == current { "check" } else { "globe" } }
                    "{locale.name()}"
                }
            }
        }
    }
}

/// The choice of theme.
#[component]
pub fn ThemeMenu() -> Element {
    let theme = Theme::current();
    let label = format!("{}: {}", t("theme.title"), t(theme.key()));
    rsx! {
        button { class: "icon-btn", r#type: "button", "popovertarget": "menu-theme", "aria-label": "{label}", title: "{label}",
            Icon { name: theme.icon() }
        }
        div { class: "menu menu-pop", id: "menu-theme", "popover": "auto", role: "menu", "aria-label": t("theme.title"),
            for choice in Theme::ALL {
                button {
                    key: "{choice.key()}",
                    class: "menu-item",
                    r#type: "button",
                    role: "menuitemradio",
                    "aria-checked": if theme == choice { "true" } else { "false" },
                    "popovertarget": "menu-theme",
                    "popovertargetaction": "hide",
                    onclick: move |_| choice.activate(),
                    Icon { name: if theme == choice { "check" } else { choice.icon() } }
                    {t(choice.key())}
                }
            }
        }
    }
}

fn initials(viewer: &Viewer) -> String {
    let source = if viewer.name.trim().is_empty() {
        &viewer.email
    } else {
        &viewer.name
    };
    let letters: String = source
        .split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .collect();
    letters.to_uppercase()
}

/// Who is signed in, and the way out.
#[component]
pub(super) fn AccountMenu(locale: Locale, viewer: Viewer) -> Element {
    let name = if viewer.name.trim().is_empty() {
        viewer.email.clone()
    } else {
        viewer.name.clone()
    };
    // The spoken name holds the visible letters, so that who speaks to the browser can say them.
    let label = format!(
        "{} · {}",
        tf("account.title", &[("name", &name)]),
        initials(&viewer)
    );
    rsx! {
        button { class: "avatar", r#type: "button", "popovertarget": "menu-account", "aria-label": "{label}", title: "{label}",
            {initials(&viewer)}
        }
        div { class: "menu menu-pop", id: "menu-account", "popover": "auto",
            p { class: "menu-title", "{name}" }
            p { class: "menu-title", "{viewer.email} · " {viewer.assigned_role.words()} }
            div { class: "menu-sep", role: "separator" }
            div { role: "menu", "aria-label": "{label}",
                Link { class: "menu-item", role: "menuitem", to: Route::Account { locale },
                    Icon { name: "key" }
                    {t("account.page")}
                }
                button {
                    class: "menu-item",
                    r#type: "button",
                    role: "menuitem",
                    onclick: move |_| async move {
                        if let Err(error) = session::sign_out().await {
                            toast_error(t("account.sign_out"), &error);
                        }
                    },
                    Icon { name: "external" }
                    {t("account.sign_out")}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_come_from_the_name_or_the_address() {
        let viewer = |name: &str| Viewer {
            id: cynic::Id::new("1"),
            email: "root@example.org".to_owned(),
            name: name.to_owned(),
            assigned_role: session::RoleName {
                name: "ADMIN".to_owned(),
                built_in: true,
            },
            locale: "en".to_owned(),
            permissions: Vec::new(),
        };
        assert_eq!(initials(&viewer("Marta de la Rosa")), "MD");
        assert_eq!(initials(&viewer(" ")), "R");
    }
}
