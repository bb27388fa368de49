//! What surrounds every page: the language of the address, the sign-in gate, navigation and top bar.
//! Knows which pages exist; knows nothing of what is on them.

mod counts;
mod crumbs;
mod help;
mod keys;
mod menus;
mod palette;
mod shell;
mod theme;

pub use crumbs::{Crumb, use_crumbs};
pub use menus::{LanguageMenu, ThemeMenu};
pub use shell::{LocaleFrame, Shell};
pub use theme::Theme;
