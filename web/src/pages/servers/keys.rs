//! The host's key, compared by a person before anything secret is said to the host: the way to tell it from whoever
//! sits in between.

use dioxus::prelude::*;

use super::changes::HostKey;
use crate::browser;
use crate::i18n::t;
use crate::log::copy;
use crate::pages::forms::{CopyField, Tick};
use crate::ui::{Field, Icon};

/// What a person says about the keys that a host shows.
#[derive(Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The fingerprint of the key that is meant.
    pub chosen: Signal<String>,
    /// What the host itself printed, as pasted.
    pasted: Signal<String>,
    /// Whether they say that they have compared it.
    same: Signal<bool>,
    pub fault: Signal<Option<String>>,
}

/// What a pasted text says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pasted {
    Nothing,
    /// This fingerprint is among those that the host shows.
    Same(String),
    Different,
}

/// Looks for the fingerprint in a line of `ssh-keygen -l`, or in one alone.
fn read(text: &str, keys: &[HostKey]) -> Pasted {
    if text.trim().is_empty() {
        return Pasted::Nothing;
    }
    let mut words = text.split_whitespace();
    let found = words.find(|word| keys.iter().any(|key| key.fingerprint == *word));
    found.map_or(Pasted::Different, |word| Pasted::Same(word.to_owned()))
}

/// The file of a host's key, as OpenSSH keeps it.
fn file_of(algorithm: &str) -> &'static str {
    match algorithm {
        "ssh-rsa" => "/etc/ssh/ssh_host_rsa_key.pub",
        name if name.starts_with("ecdsa-") => "/etc/ssh/ssh_host_ecdsa_key.pub",
        _ => "/etc/ssh/ssh_host_ed25519_key.pub",
    }
}

/// Makes the state, with nothing said.
pub fn use_comparison() -> Comparison {
    Comparison {
        chosen: use_signal(String::new),
        pasted: use_signal(String::new),
        same: use_signal(|| false),
        fault: use_signal(|| None),
    }
}

impl Comparison {
    /// Begins with the keys that a host shows: the strongest comes first. Whatever was said of others is forgotten.
    pub fn begin(mut self, keys: &[HostKey]) {
        let first = keys
            .first()
            .map(|key| key.fingerprint.clone())
            .unwrap_or_default();
        self.chosen.set(first);
        self.pasted.write().clear();
        self.same.set(false);
        self.fault.set(None);
    }

    /// The fingerprint that was compared; None where it was not, which stands at the field then.
    pub fn confirmed(mut self, keys: &[HostKey]) -> Option<String> {
        let fault = match read(&self.pasted.peek(), keys) {
            Pasted::Same(fingerprint) => return Some(fingerprint),
            Pasted::Different => t("servers.key_differs"),
            Pasted::Nothing if *self.same.peek() => return Some(self.chosen.peek().clone()),
            Pasted::Nothing => t("servers.key_uncompared"),
        };
        self.fault.set(Some(fault));
        browser::focus_invalid();
        None
    }
}

/// The keys with what it takes to compare them. `pinned` is the fingerprint that was trusted until now, if another.
#[component]
pub fn Keys(keys: Vec<HostKey>, pinned: Option<String>, comparison: Comparison) -> Element {
    let Comparison {
        mut chosen,
        mut pasted,
        mut same,
        mut fault,
    } = comparison;
    let found = read(&pasted.read(), &keys);
    // Where nothing was pasted their word is asked for.
    let nothing = found == Pasted::Nothing;
    let meant = chosen();
    let algorithm = keys
        .iter()
        .find(|key| key.fingerprint == meant)
        .map(|key| key.algorithm.clone())
        .unwrap_or_default();
    let several = keys.len() > 1;
    let error = fault();
    let all = keys.clone();
    rsx! {
        if let Some(pinned) = pinned {
            dl { class: "kv srv-pinned",
                dt { {t("servers.pinned_key")} }
                dd { code { class: "mono", "{pinned}" } }
            }
        }
        fieldset { class: "field",
            legend { class: "label", {t("servers.shown_key")} }
            ul { class: "srv-keys",
                for key in keys {
                    li { key: "{key.fingerprint}",
                        if several {
                            label { class: "check",
                                input {
                                    r#type: "radio",
                                    name: "host-key",
                                    checked: key.fingerprint == meant,
                                    onchange: {
                                        let fingerprint = key.fingerprint.clone();
                                        move |_| {
                                            chosen.set(fingerprint.clone());
                                            same.set(false);
                                        }
                                    },
                                }
                                HostKeyText { of: key.clone() }
                            }
                        } else {
                            HostKeyText { of: key.clone() }
                        }
                        button {
                            class: "icon-btn icon-btn-sm",
                            r#type: "button",
                            "aria-label": "{t(\"run.copy\")}: {key.algorithm}",
                            title: "{t(\"run.copy\")}: {key.algorithm}",
                            onclick: {
                                let fingerprint = key.fingerprint.clone();
                                move |_| copy(fingerprint.clone())
                            },
                            Icon { name: "copy" }
                        }
                    }
                }
            }
        }
        // Another key asks for another command: a field of one that is gone would keep its text.
        for command in [format!("ssh-keygen -lf {}", file_of(&algorithm))] {
            CopyField { key: "{command}", id: "host-key-command", label: t("servers.on_the_host"), value: command, hint: t("servers.on_the_host_hint") }
        }
        Field { id: "host-key-pasted", label: t("servers.pasted"), error: error.clone(), hint: t("servers.pasted_hint"), optional: true,
            input {
                class: "input mono",
                id: "host-key-pasted",
                value: "{pasted}",
                autocomplete: "off",
                spellcheck: "false",
                "aria-invalid": error.is_some().then_some("true"),
                "aria-describedby": "host-key-pasted-note",
                oninput: move |event| {
                    pasted.set(event.value());
                    fault.set(None);
                    if let Pasted::Same(fingerprint) = read(&pasted.peek(), &all) {
                        chosen.set(fingerprint);
                    }
                },
            }
        }
        div { role: "status",
            match found {
                Pasted::Same(_) => rsx! {
                    p { class: "status", "data-status": "SUCCEEDED", Icon { name: "s-succeeded" } {t("servers.key_same")} }
                },
                Pasted::Different => rsx! {
                    p { class: "status", "data-status": "FAILED", Icon { name: "alert" } {t("servers.key_other")} }
                },
                Pasted::Nothing => rsx! {},
            }
        }
        if nothing {
            Tick {
                on: same(),
                label: t("servers.key_compared"),
                onchange: move |on| {
                    same.set(on);
                    fault.set(None);
                },
            }
        }
    }
}

/// Algorithm and fingerprint of a key.
#[component]
fn HostKeyText(of: HostKey) -> Element {
    rsx! {
        span { class: "srv-key",
            span { class: "sub mono", "{of.algorithm}" }
            code { class: "mono", "{of.fingerprint}" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<HostKey> {
        [("ssh-ed25519", "SHA256:one"), ("ssh-rsa", "SHA256:two")]
            .map(|(algorithm, fingerprint)| HostKey {
                algorithm: algorithm.to_owned(),
                fingerprint: fingerprint.to_owned(),
            })
            .to_vec()
    }

    #[test]
    fn a_line_of_ssh_keygen_says_which_key_it_is() {
        let line = "3072 SHA256:two root@db (RSA)";
        assert_eq!(read(line, &keys()), Pasted::Same("SHA256:two".to_owned()));
        assert_eq!(
            read(" SHA256:one\n", &keys()),
            Pasted::Same("SHA256:one".to_owned())
        );
        assert_eq!(
            read("256 SHA256:other root@db (ED25519)", &keys()),
            Pasted::Different
        );
        assert_eq!(read("SHA256:on", &keys()), Pasted::Different);
        assert_eq!(read(" ", &keys()), Pasted::Nothing);
    }

    #[test]
    fn each_kind_of_key_has_its_file() {
        assert!(file_of("ssh-ed25519").contains("ed25519"));
        assert!(file_of("ecdsa-sha2-nistp256").contains("ecdsa"));
        assert!(file_of("ssh-rsa").contains("rsa"));
    }
}
