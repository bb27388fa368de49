//! Keys that work on every page: the palette, the sheet of shortcuts, and `g` with a letter.

use dioxus::prelude::*;

use super::help;
use super::palette;
use crate::browser;
use crate::i18n::Locale;
use crate::log::dom;
use crate::params::Params;
use crate::routes::Route;

/// How long after `g` a letter still belongs to it, in milliseconds.
const TOGETHER: f64 = 1_500.0;

/// Where `g` and a letter lead.
fn place(letter: &str, locale: Locale) -> Option<Route> {
    let query = Params::default();
    Some(match letter {
        "o" => Route::Overview { locale, query },
        "e" => Route::Events { locale, query },
        "r" => Route::Runs { locale, query },
        "m" => Route::Monitoring { locale },
        "s" => Route::Servers { locale, query },
        "t" => Route::Terminals { locale, query },
        "v" => Route::Variables { locale, query },
        "n" => Route::EventNew { locale, query },
        _ => return None,
    })
}

/// Hears the keys for as long as somebody is signed in.
pub(super) fn use_keys(locale: Locale) {
    let navigator = use_navigator();
    let mut begun = use_signal(|| f64::MIN);
    let mut language = use_signal(|| locale);
    if *language.peek() != locale {
        language.set(locale);
    }
    // Captured, so that the letter after `g` does not count as a key of the page.
    dom::use_listener("keydown", false, true, move |event| {
        // In a terminal what comes with Control is typed.
        if dom::in_terminal() && !dom::with_meta(&event) {
            return;
        }
        if dom::command_key(&event).is_some_and(|key| key.eq_ignore_ascii_case("k")) {
            event.prevent_default();
            palette::toggle();
            return;
        }
        if dom::typing() || browser::has_dialog() {
            return;
        }
        let Some(key) = dom::plain_key(&event) else { return };
        let now = browser::now_ms();
        let after_g = now - *begun.peek() < TOGETHER;
        begun.set(f64::MIN);
        match key.as_str() {
            "?" => {
                event.prevent_default();
                help::open();
            }
            "g" if !after_g => begun.set(now),
            letter if after_g => {
                if let Some(route) = place(letter, *language.peek()) {
                    event.prevent_default();
                    event.stop_propagation();
                    navigator.push(route);
                }
            }
            _ => {}
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lead_to_pages() {
        assert!(matches!(place("e", Locale::En), Some(Route::Events { .. })));
        assert!(matches!(
            place("r", Locale::Es),
            Some(Route::Runs {
                locale: Locale::Es,
                ..
            })
        ));
        assert!(matches!(place("s", Locale::En), Some(Route::Servers { .. })));
        assert!(matches!(place("t", Locale::En), Some(Route::Terminals { .. })));
        assert_eq!(place("x", Locale::En), None);
    }
}
