//! Variables and secrets.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[
    ("nav.variables", "Variables"),
    ("scope.read_variables", "See variables"),
    ("scope.manage_variables", "Manage variables and secrets"),
    ("audit.action.create_variable", "Variable created"),
    ("audit.action.update_variable", "Variable changed"),
    ("audit.action.delete_variable", "Variable deleted"),
    ("audit.action.export_secrets", "Secrets exported"),
];
