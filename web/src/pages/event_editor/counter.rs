//! How many runs of its limit an event has used, and counting them anew.

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use super::changes;
use super::form::Form;
use crate::api::{self, ApiError, schema};
use crate::i18n::{group_digits, t, tf};
use crate::pages::events::data::EventStatus;
use crate::pages::runs::data::{JobStatus, Refusal, UserError, settled};
use crate::pages::runs::say;
use crate::ui::{Dialog, Icon, toast};

/// The counter of an event, and its state, which the last run changes.
#[derive(cynic::QueryFragment, Clone, Copy, Debug, PartialEq)]
#[cynic(graphql_type = "Event")]
pub struct Tally {
    counted_runs: i32,
    max_executions: i32,
    status: EventStatus,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct CounterVariables {
    id: cynic::Id,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Query", variables = "CounterVariables")]
pub struct CounterQuery {
    #[arguments(id: $id)]
    event: Option<Tally>,
}

crate::api::listed!(Query CounterQuery, CounterVariables);

async fn counted(id: &str) -> Result<Option<Tally>, ApiError> {
    let variables = CounterVariables { id: id.into() };
    Ok(api::run(CounterQuery::build(variables)).await?.event)
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct ResetEventCounterInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct ResetVariables {
    input: ResetEventCounterInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct ResetEventCounterPayload {
    event: Option<Tally>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "ResetVariables")]
pub struct ResetCounter {
    #[arguments(input: $input)]
    reset_event_counter: ResetEventCounterPayload,
}

crate::api::listed!(Mutation ResetCounter, ResetVariables);

async fn reset(id: &str) -> Result<Tally, Refusal> {
    let variables = ResetVariables {
        input: ResetEventCounterInput { id: id.into() },
    };
    let payload = api::run(ResetCounter::build(variables))
        .await?
        .reset_event_counter;
    settled(payload.event, payload.user_errors)
}

/// Takes over what the server counted meanwhile; the draft stays as it is.
fn took(mut form: Form, now: Tally) {
    let same = form.event.peek().as_ref().is_none_or(|event| {
        (event.counted_runs, event.max_executions, event.status)
            == (now.counted_runs, now.max_executions, now.status)
    });
    if let (false, Some(event)) = (same, form.event.write().as_mut()) {
        (event.counted_runs, event.max_executions, event.status) =
            (now.counted_runs, now.max_executions, now.status);
    }
}

/// The counter of an event that has a limit; nothing for one that has none, or is not saved.
#[component]
pub fn Counter(form: Form, read_only: bool) -> Element {
    let mut asking = use_signal(|| false);
    // Runs were counted since the page was opened.
    use_future(move || async move {
        let id = form
            .event
            .peek()
            .as_ref()
            .map(|event| event.id.inner().to_owned());
        if let Some(id) = id
            && let Ok(Some(now)) = counted(&id).await
        {
            took(form, now);
        }
    });
    let held = form.event.read();
    let Some(event) = held.as_ref().filter(|event| event.max_executions > 0) else {
        return rsx! {};
    };
    let (used, most) = (event.counted_runs.max(0), event.max_executions);
    let digits = |number: i32| group_digits(u64::from(number.unsigned_abs()));
    let paused = event.status == EventStatus::Paused;
    let id = event.id.inner().to_owned();
    let activated = id.clone();
    rsx! {
        div { class: "ev-counter",
            span { class: "sub", {tf("counter.used", &[("n", &digits(used)), ("most", &digits(most))])} }
            progress { class: "progress", max: "{most}", value: "{used.min(most)}", "aria-label": t("counter.label") }
            if !read_only {
                button { class: "btn btn-sm", r#type: "button", disabled: used == 0, onclick: move |_| asking.set(true),
                    Icon { name: "history" }
                    {t("counter.reset")}
                }
            }
        }
        if used >= most {
            p { class: "hint", {t("counter.reached")} }
        }
        if asking() {
            Dialog {
                id: "reset-counter",
                title: t("counter.reset_title"),
                onclose: move |()| asking.set(false),
                foot: rsx! {
                    button { class: "btn", r#type: "button", onclick: move |_| asking.set(false), {t("dialog.cancel")} }
                    if paused {
                        button {
                            class: "btn",
                            r#type: "button",
                            onclick: move |_| {
                                let id = activated.clone();
                                async move {
                                    asking.set(false);
                                    match changes::set_status(&id, EventStatus::Active).await {
                                        Ok(event) => {
                                            let now = Tally {
                                                counted_runs: event.counted_runs,
                                                max_executions: event.max_executions,
                                                status: event.status,
                                            };
                                            took(form, now);
                                            toast(JobStatus::Succeeded, t("counter.done"), "");
                                        }
                                        Err(refusal) => say(t("event.status_failed"), &refusal),
                                    }
                                }
                            },
                            {t("counter.activate")}
                        }
                    }
                    button {
                        class: "btn btn-primary",
                        r#type: "button",
                        onclick: move |_| {
                            let id = id.clone();
                            async move {
                                asking.set(false);
                                match reset(&id).await {
                                    Ok(now) => {
                                        took(form, now);
                                        toast(JobStatus::Succeeded, t("counter.done"), "");
                                    }
                                    Err(refusal) => say(t("counter.failed"), &refusal),
                                }
                            }
                        },
                        {t("counter.reset")}
                    }
                },
                p { {tf("counter.reset_text", &[("n", &digits(used))])} }
                if paused {
                    p { {t("counter.paused")} }
                }
            }
        }
    }
}
