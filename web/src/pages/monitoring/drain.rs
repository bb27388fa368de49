//! Letting an orchestrator finish its work and take no more, or take some again: asked for with what follows in view.

use cynic::MutationBuilder as _;
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::i18n::{t, tf, tn};
use crate::pages::runs::data::{Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::status::{self, Orchestrator};
use crate::ui::{Dialog, Icon, JobStatus, toast};

#[derive(cynic::InputObject)]
struct SetOrchestratorDrainingInput {
    id: cynic::Id,
    draining: bool,
}

#[derive(cynic::QueryVariables)]
struct DrainVariables {
    input: SetOrchestratorDrainingInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "DrainVariables")]
struct SetOrchestratorDraining {
    #[arguments(input: $input)]
    set_orchestrator_draining: SetOrchestratorDrainingPayload,
}

crate::api::listed!(Mutation SetOrchestratorDraining, DrainVariables);

#[derive(cynic::QueryFragment)]
struct SetOrchestratorDrainingPayload {
    orchestrator: Option<Drained>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Orchestrator")]
#[expect(dead_code, reason = "that it is there says enough")]
struct Drained {
    id: cynic::Id,
}

async fn set_draining(id: cynic::Id, draining: bool) -> Result<(), Refusal> {
    let input = SetOrchestratorDrainingInput { id, draining };
    let answer = api::run(SetOrchestratorDraining::build(DrainVariables { input }))
        .await?
        .set_orchestrator_draining;
    settled(answer.orchestrator.map(|_| ()), answer.user_errors)
}

/// The button of an orchestrator.
#[component]
pub fn DrainButton(name: String, draining: bool, onclick: EventHandler) -> Element {
    let word = if draining {
        t("monitoring.resume")
    } else {
        t("monitoring.drain")
    };
    rsx! {
        button {
            class: "btn btn-sm",
            r#type: "button",
            "aria-label": "{word}: {name}",
            title: if draining { t("monitoring.resume_text") } else { t("monitoring.drain_text") },
            onclick: move |_| onclick.call(()),
            "{word}"
        }
    }
}

/// Asks first. `others` of the other ones take work, and `waiting` runs are in the queue.
#[component]
pub fn DrainDialog(one: Orchestrator, others: usize, waiting: i32, onclose: EventHandler) -> Element {
    // What is asked stays what it was, though the orchestrator goes on meanwhile.
    let draining = use_hook(|| one.draining);
    let mut busy = use_signal(|| false);
    let id = one.id.clone();
    let confirm = move |_| {
        let id = id.clone();
        async move {
            if busy() {
                return;
            }
            busy.set(true);
            match set_draining(id, !draining).await {
                Ok(()) if draining => toast(JobStatus::Succeeded, t("monitoring.resumed"), ""),
                Ok(()) => toast(
                    JobStatus::Succeeded,
                    t("monitoring.drained_toast"),
                    t("monitoring.drain_text"),
                ),
                Err(refusal) => say(t("account.not_saved"), &refusal),
            }
            // What the page shows follows by itself; at once is better than within seconds.
            let _ = status::load().await;
            onclose.call(());
        }
    };
    let (title, word) = if draining {
        ("monitoring.resume_title", "monitoring.resume_do")
    } else {
        ("monitoring.drain_title", "monitoring.drain_do")
    };
    let whole = |count: i32| u64::try_from(count).unwrap_or(0);
    rsx! {
        Dialog {
            id: "drain",
            title: tf(title, &[("name", &one.name)]),
            onclose,
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(()), {t("dialog.cancel")} }
                button { class: "btn btn-primary", r#type: "button", "aria-busy": if busy() { "true" }, onclick: confirm, {t(word)} }
            },
            if draining {
                p { {t(if one.connected { "monitoring.resume_text" } else { "monitoring.resume_away" })} }
                if waiting > 0 {
                    p { {tn("monitoring.waiting", whole(waiting))} }
                }
            } else {
                p {
                    {if one.running > 0 { tn("monitoring.drain_running", whole(one.running)) } else { t("monitoring.drain_idle") }}
                    " "
                    {t("monitoring.drain_stays")}
                }
                if others == 0 {
                    p { class: "banner", "data-status": "PARTIAL", Icon { name: "alert" } span { {t("monitoring.drain_last")} } }
                }
            }
        }
    }
}
