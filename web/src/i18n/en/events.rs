//! Texts of the events pages.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[];
