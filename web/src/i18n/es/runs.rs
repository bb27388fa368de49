//! Texts of the runs pages.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[];
