//! Variables and secrets.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[
    ("nav.variables", "Variables"),
    ("scope.read_variables", "Ver variables"),
    ("scope.manage_variables", "Gestionar variables y secretos"),
    ("audit.action.create_variable", "Variable creada"),
    ("audit.action.update_variable", "Variable cambiada"),
    ("audit.action.delete_variable", "Variable eliminada"),
    ("audit.action.export_secrets", "Secretos exportados"),
];
