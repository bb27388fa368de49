//! Where scripts run, as several pages say it.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[
    ("targets.title", "Servidores"),
    ("targets.servers.one", "{n} servidor"),
    ("targets.servers.other", "{n} servidores"),
    ("targets.all", "Elegir todos"),
    ("targets.none", "No elegir ninguno"),
    ("targets.required", "Elija al menos un servidor."),
    ("refused.servers.required", "Elija al menos un servidor."),
    (
        "refused.servers.invalid",
        "Este evento ya no se ejecuta en todos estos servidores. Vuelva a cargar la página y elija de nuevo.",
    ),
    ("servers.status.online", "En línea"),
    ("servers.status.unreachable", "Inaccesible"),
    ("servers.status.key_changed", "La clave del equipo cambió"),
    ("servers.status.sign_in_refused", "Acceso rechazado"),
    ("servers.status.unconfirmed", "Clave sin confirmar"),
    ("servers.status.unknown", "Aún sin comprobar"),
];
