//! Where scripts run, as several pages say it.

use crate::i18n::Texts;

pub(super) const TEXTS: Texts = &[
    ("targets.title", "Servers"),
    ("targets.servers.one", "{n} server"),
    ("targets.servers.other", "{n} servers"),
    ("targets.all", "Choose all"),
    ("targets.none", "Choose none"),
    ("targets.required", "Choose at least one server."),
    ("refused.servers.required", "Choose at least one server."),
    (
        "refused.servers.invalid",
        "This event does not run on all of these servers any more. Load the page anew and choose again.",
    ),
    ("servers.status.online", "Online"),
    ("servers.status.unreachable", "Unreachable"),
    ("servers.status.key_changed", "Host key changed"),
    ("servers.status.sign_in_refused", "Sign-in refused"),
    ("servers.status.unconfirmed", "Host key not confirmed"),
    ("servers.status.unknown", "Not checked yet"),
];
