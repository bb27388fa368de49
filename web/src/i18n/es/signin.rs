//! Texts of the sign-in page and the first-run checklist.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[
    ("signin.title", "Iniciar sesión"),
    ("signin.lead", "en Cronium, {host}"),
    ("signin.email", "Correo electrónico"),
    ("signin.password", "Contraseña"),
    ("signin.show", "Mostrar la contraseña"),
    ("signin.hide", "Ocultar la contraseña"),
    ("signin.submit", "Iniciar sesión"),
    ("signin.busy", "Iniciando sesión…"),
    (
        "signin.ended",
        "Su sesión ha terminado. Vuelva a iniciarla para seguir donde estaba.",
    ),
    (
        "signin.first_run",
        "Esta instalación es nueva. La contraseña del primer administrador está en el registro del servidor.",
    ),
    ("signin.email_missing", "Escriba su correo electrónico."),
    ("signin.password_missing", "Escriba su contraseña."),
    (
        "signin.offline",
        "El servidor no ha respondido. Sus datos se conservan; inténtelo de nuevo.",
    ),
    (
        "signin.rate_limited",
        "Demasiados intentos. Espere un minuto e inténtelo de nuevo.",
    ),
];
