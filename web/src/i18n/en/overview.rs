//! Texts of the overview and monitoring pages.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[];
