//! English.

mod admin;
mod common;
mod definitions;
pub(super) mod editor;
mod events;
mod log;
mod overview;
mod runs;
pub(super) mod servers;
mod signin;
mod targets;
pub(super) mod terminals;
mod variables;

use super::Texts;

pub(super) const ALL: &[Texts] = &[
    common::TEXTS,
    admin::TEXTS,
    signin::TEXTS,
    overview::TEXTS,
    events::TEXTS,
    definitions::TEXTS,
    runs::TEXTS,
    log::TEXTS,
    targets::TEXTS,
    variables::TEXTS,
];
