//! Texts of the pages of people who are not signed in.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[
    ("signin.title", "Iniciar sesión"),
    ("signin.lead", "en Cronium, {host}"),
    ("signin.email", "Correo electrónico"),
    ("signin.password", "Contraseña"),
    ("signin.show", "Mostrar la contraseña"),
    ("signin.hide", "Ocultar la contraseña"),
    ("signin.submit", "Iniciar sesión"),
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
    ("signin.code", "Código"),
    (
        "signin.code_hint",
        "De su aplicación de autenticación, o un código de recuperación.",
    ),
    ("signin.forgotten", "¿Ha olvidado su contraseña?"),
    ("signin.new_here", "Crear una cuenta"),
    ("enter.busy", "Un momento…"),
    ("enter.back", "Volver a iniciar sesión"),
    ("enter.reset_title", "Contraseña nueva"),
    (
        "enter.reset_lead",
        "Al guardarla se cierra la sesión en todos los dispositivos.",
    ),
    ("enter.reset_submit", "Guardar la contraseña"),
    (
        "enter.reset_done",
        "Su contraseña nueva está guardada. Inicie sesión con ella.",
    ),
    ("enter.ask_lead", "Le enviamos un enlace a su correo electrónico."),
    ("enter.ask_submit", "Enviar el enlace"),
    (
        "enter.mail_sent",
        "Si esta dirección es conocida o puede registrarse, hay un correo con un enlace en camino.",
    ),
    ("enter.signup_title", "Crear una cuenta"),
    ("enter.signup_lead", "Elija una contraseña para terminar."),
    (
        "enter.signup_ask_lead",
        "Primero le enviamos un enlace a su correo electrónico.",
    ),
    ("enter.signup_submit", "Crear la cuenta"),
    (
        "enter.name_hint",
        "Déjelo vacío para conservar el nombre de su invitación.",
    ),
    ("enter.active", "Su cuenta está lista. Inicie sesión."),
    (
        "enter.pending",
        "Su cuenta espera a un administrador. Podrá iniciar sesión cuando la apruebe.",
    ),
    (
        "enter.closed",
        "Aquí hace falta una invitación: pídala a un administrador.",
    ),
    (
        "refused.token.invalid",
        "Este enlace ya se usó, es demasiado antiguo o no está completo. Pida otro.",
    ),
    (
        "refused.code.invalid",
        "Este código es incorrecto, antiguo o ya se usó. Use el actual.",
    ),
    ("refused.email.invalid", "Esto no es un correo electrónico."),
    ("refused.email.required", "Escriba su correo electrónico."),
    ("signin.or", "o"),
    ("signin.continue_with", "Continuar con {name}"),
    ("signin.code_title", "Un paso más"),
    ("signin.code_lead", "Su cuenta tiene un segundo factor."),
    (
        "oidc.not_configured",
        "Esta forma de entrar ya no está configurada.",
    ),
    (
        "oidc.stale",
        "Este acceso tardó demasiado o empezó en otro sitio. Inténtelo de nuevo.",
    ),
    (
        "oidc.denied",
        "No ha entrado allí. Inténtelo de nuevo o use su contraseña.",
    ),
    (
        "oidc.unreachable",
        "El proveedor no responde. Inténtelo en un momento o use su contraseña.",
    ),
    (
        "oidc.unusable",
        "La respuesta del proveedor no sirve. Un administrador encontrará el motivo en el registro del servidor.",
    ),
    (
        "oidc.failed",
        "El acceso falló por nuestra parte. Inténtelo de nuevo.",
    ),
    (
        "oidc.no_email",
        "El proveedor no dio ningún correo. Pregunte a un administrador.",
    ),
    (
        "oidc.email_unverified",
        "El proveedor no ha verificado su correo. Verifíquelo allí primero.",
    ),
    (
        "oidc.domain_not_allowed",
        "Los correos de este dominio no tienen acceso aquí.",
    ),
    (
        "oidc.closed",
        "Aquí no hay una cuenta para usted, y así no se crea ninguna.",
    ),
    (
        "oidc.needs_invitation",
        "Necesita una invitación. Pídala a un administrador.",
    ),
    (
        "oidc.pending",
        "Su cuenta espera la aprobación de un administrador.",
    ),
    (
        "oidc.disabled",
        "Su cuenta está desactivada. Pregunte a un administrador.",
    ),
    (
        "oidc.linked_elsewhere",
        "La cuenta con su correo pertenece a otro acceso del proveedor. Pregunte a un administrador.",
    ),
    ("enter.password_hint", "12 caracteres o más."),
];
