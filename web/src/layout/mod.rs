//! What surrounds every page: the language of the address, the sign-in gate, navigation and top bar.
//! Knows which pages exist; knows nothing of what is on them.

mod crumbs;
mod menus;
mod shell;
mod theme;

pub use crumbs::{Crumb, use_crumbs};
pub use menus::{LanguageMenu, ThemeMenu};
pub use shell::{LocaleFrame, Shell};
pub use theme::Theme;
