//! Texts of the log viewer.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[];
