//! On which of an event's servers a run takes place: on all, unless somebody says otherwise.

use std::collections::BTreeSet;

use dioxus::prelude::*;

use crate::i18n::t;
use crate::pages::forms::Tick;
use crate::pages::targets::ServerName;
use crate::ui::Icon;

/// All servers were left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoServer;

/// What a run is asked for: None stands for all servers.
pub fn chosen(
    servers: &[ServerName],
    left_out: &BTreeSet<String>,
) -> Result<Option<Vec<cynic::Id>>, NoServer> {
    let stay = |one: &&ServerName| !left_out.contains(one.id.inner());
    let left: Vec<cynic::Id> = servers.iter().filter(stay).map(|one| one.id.clone()).collect();
    match left.len() {
        count if count == servers.len() => Ok(None),
        0 => Err(NoServer),
        _ => Ok(Some(left)),
    }
}

/// The servers of an event, each with a tick; nothing where there is nothing to choose. `onchange` hears of each
/// change.
#[component]
pub fn ServerTicks(
    id: String,
    servers: Vec<ServerName>,
    left_out: Signal<BTreeSet<String>>,
    error: Option<String>,
    onchange: EventHandler,
) -> Element {
    if servers.len() < 2 {
        return rsx! {};
    }
    let all = left_out.read().is_empty();
    let ids: Vec<String> = servers.iter().map(|one| one.id.inner().to_owned()).collect();
    rsx! {
        fieldset {
            class: "field run-on",
            id: "{id}",
            // Takes the focus where nothing is chosen: no single box is wrong.
            tabindex: if error.is_some() { "-1" },
            "aria-invalid": if error.is_some() { "true" },
            "aria-describedby": if error.is_some() { "{id}-note" },
            legend { class: "label", {t("targets.title")} }
            button {
                class: "btn btn-ghost btn-sm fit",
                r#type: "button",
                onclick: move |_| {
                    let mut left_out = left_out;
                    left_out.set(if all { ids.iter().cloned().collect() } else { BTreeSet::new() });
                    onchange.call(());
                },
                {t(if all { "targets.none" } else { "targets.all" })}
            }
            div { class: "run-on-list",
                for server in servers {
                    Tick {
                        key: "{server.id.inner()}",
                        on: !left_out.read().contains(server.id.inner()),
                        label: server.name.clone(),
                        onchange: move |on| {
                            let (mut left_out, id) = (left_out, server.id.inner().to_owned());
                            if on {
                                left_out.write().remove(&id);
                            } else {
                                left_out.write().insert(id);
                            }
                            onchange.call(());
                        },
                    }
                }
            }
            if let Some(error) = &error {
                p { class: "error", id: "{id}-note", role: "alert", Icon { name: "alert" } "{error}" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_not_asked_for() {
        let server = |id: &str| ServerName {
            id: id.into(),
            name: id.to_owned(),
        };
        let all = [server("a"), server("b")];
        let without = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(chosen(&all, &without(&[])), Ok(None));
        assert_eq!(chosen(&all, &without(&["a"])), Ok(Some(vec!["b".into()])));
        assert_eq!(chosen(&all, &without(&["a", "b"])), Err(NoServer));
        assert_eq!(chosen(&[], &without(&[])), Ok(None), "it runs elsewhere");
    }
}
