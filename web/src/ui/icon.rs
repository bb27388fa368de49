//! Icons from the sprite. An icon alone says nothing to a screen reader: the word stands beside it
//! or in the control's label.

use dioxus::prelude::*;

use crate::browser;

thread_local! {
    static SPRITE: String = browser::meta("cronium-icons").unwrap_or_else(|| "/assets/icons.svg".to_owned());
}

/// One icon by its name in the sprite; `class` adds to the size classes `i`, `i-sm`, `i-lg`.
#[component]
pub fn Icon(name: String, #[props(default = "i".to_owned())] class: String) -> Element {
    let address = SPRITE.with(|sprite| format!("{sprite}#{name}"));
    rsx! {
        svg { class: "{class}", "aria-hidden": "true", r#use { href: "{address}" } }
    }
}

/// The product's mark, with its hand in the accent colour.
#[component]
pub fn BrandMark() -> Element {
    rsx! {
        svg { class: "i brand-mark", view_box: "0 0 16 16", "aria-hidden": "true",
            path { d: "M13.2 11.5A6.2 6.2 0 1 1 13.2 4.5", stroke_width: "2" }
            path { class: "mark-hand", d: "M8 8h6", stroke_width: "2" }
        }
    }
}
