//! A test run of the script as it stands, with its log beside the editor.

use std::time::Duration;

use dioxus::prelude::*;

use super::data;
use super::form::Form;
use crate::api::Json;
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::log::{LogViewer, MergedLog};
use crate::pages::input::InputForm;
use crate::pages::run::data::JobDetail;
use crate::pages::run::json::JsonBlock;
use crate::pages::run::lanes::{self, Lane};
use crate::pages::run::use_job;
use crate::pages::runs::data::JobStatus;
use crate::pages::runs::{actions, say};
use crate::routes::Route;
use crate::ui::{Empty, ErrorNotice, Icon, StatusIcon, StatusPill, duration, elapsed, use_now};

/// The test run of a page.
#[derive(Clone, Copy, PartialEq)]
pub struct TestRun {
    form: Form,
    job: Signal<Option<String>>,
    busy: Signal<bool>,
    running: Signal<bool>,
}

/// Makes the state of a test run.
pub fn use_test_run(form: Form) -> TestRun {
    TestRun {
        form,
        job: use_signal(|| None),
        busy: use_signal(|| false),
        running: use_signal(|| false),
    }
}

impl TestRun {
    /// Runs the script as it stands. False when something of the form is wrong.
    pub async fn start(mut self) -> bool {
        if *self.busy.peek() {
            return true;
        }
        let Some(checked) = self.form.check(false) else {
            return false;
        };
        self.busy.set(true);
        let draft = self.form.draft.peek().clone();
        let event = self
            .form
            .event
            .peek()
            .as_ref()
            .map(|event| event.id.inner().to_owned());
        match data::test(event.as_deref(), &draft, checked).await {
            Ok(job) => {
                self.form.errors.write().clear();
                self.running.set(true);
                self.job.set(Some(job.id.into_inner()));
            }
            Err(refusal) => self.form.refuse(t("test.failed"), &refusal),
        }
        self.busy.set(false);
        self.form.errors.peek().is_empty()
    }
}

/// The pane of the test run.
#[component]
pub fn TestPane(locale: Locale, form: Form, test: TestRun, may_run: bool, onrun: EventHandler) -> Element {
    let draft = form.draft.read();
    let schema: Option<Json> = serde_json::from_str(&draft.input_schema).ok();
    let job = (test.job)();
    let running = (test.running)() && job.is_some();
    let stopping = job.clone();
    rsx! {
        section { class: "ev-test", "aria-label": t("test.title"),
            div { class: "ev-bar",
                h2 { {t("test.title")} }
                if form.dirty() {
                    span { class: "badge", {if draft.is_http() { t("test.unsaved_http") } else { t("test.unsaved") }} }
                }
                span { class: "end",
                    if running {
                        button {
                            class: "btn btn-sm",
                            r#type: "button",
                            onclick: move |_| {
                                let id = stopping.clone().unwrap_or_default();
                                async move {
                                    if let Err(refusal) = actions::cancel(&id).await {
                                        say(t("runs.cancel_failed"), &refusal);
                                    }
                                }
                            },
                            Icon { name: "stop" }
                            {t("test.stop")}
                        }
                    }
                    button {
                        class: "btn btn-sm btn-primary",
                        r#type: "button",
                        disabled: (test.busy)() || running || !may_run,
                        "aria-busy": if (test.busy)() { "true" },
                        "aria-keyshortcuts": "Control+Enter Meta+Enter",
                        onclick: move |_| onrun.call(()),
                        Icon { name: "play" }
                        {t("test.run")}
                        kbd { "{browser::command_key()}↵" }
                    }
                }
            }
            InputForm {
                id: "test-input",
                schema,
                text: draft.input.clone(),
                errors: form.input_errors(),
                onchange: move |text: String| form.edit("input", |draft| draft.input = text),
            }
            if let Some(id) = job {
                TestJob { key: "{id}", locale, id: id.clone(), running: test.running, typical: form.event.read().as_ref().and_then(|event| event.jobs.typical()) }
            } else {
                Empty { icon: "play", title: t("test.none"), text: if draft.is_http() { t("test.none_http") } else { t("test.none_text") } }
            }
        }
    }
}

#[component]
fn TestJob(
    locale: Locale,
    id: ReadSignal<String>,
    running: Signal<bool>,
    typical: Option<Duration>,
) -> Element {
    let mut job = use_job(id);
    let now = use_now(Duration::from_millis(500));
    use_effect(move || {
        let over = job.data.read().iter().flatten().any(|job| job.status.is_final());
        if over && *running.peek() {
            running.set(false);
        }
    });
    let held = job.data.read();
    let Some(held) = held.iter().flatten().next() else {
        return rsx! {
            if let Some(error) = (job.error)() {
                ErrorNotice { error, onretry: move |()| job.reload() }
            } else {
                div { class: "ev-state", role: "status", StatusPill { status: JobStatus::Queued } }
            }
        };
    };
    let length = match (held.started_at, held.status.is_final()) {
        (_, true) => held
            .duration
            .as_ref()
            .and_then(crate::api::IsoDuration::get)
            .map(duration),
        (Some(at), false) => Some(duration(elapsed(at, now()))),
        (None, false) => Some(tf(
            "runs.queued_for",
            &[("time", &duration(elapsed(held.created_at, now())))],
        )),
    };
    rsx! {
        div { class: "ev-state",
            span { role: "status", StatusPill { status: held.status } }
            if let Some(length) = length {
                span { class: "num", "{length}" }
            }
            match (typical, held.started_at) {
                (Some(typical), Some(at)) if !held.status.is_final() => rsx! {
                    span { class: "sub", {tf("test.about", &[("time", &duration(typical))])} }
                    progress { class: "progress", max: "1", value: "{share(elapsed(at, now()), typical)}", "aria-label": t("test.progress") }
                },
                _ => rsx! {
                    span { class: "sub ev-reason", lang: "en", title: held.status_reason.clone(), {held.status_reason.clone().unwrap_or_default()} }
                },
            }
            Link { class: "num", to: Route::run(locale, held.id.inner()), "#{held.number}" }
        }
        Given { locale, job: held.clone() }
    }
}

/// What the test run wrote and gave.
#[component]
fn Given(locale: Locale, job: JobDetail) -> Element {
    let navigator = use_navigator();
    let lanes = lanes::lanes(&job.executions);
    let several = lanes.len() > 1;
    let id = job.id.inner().to_owned();
    let origins = lanes::origins(&lanes, |query| Route::Run {
        locale,
        id: id.clone(),
        query,
        hash: String::new(),
    });
    let given: Vec<(String, Json)> = lanes
        .iter()
        .filter_map(|lane| {
            let output = lane.last()?.output.clone().or_else(|| job.output.clone())?;
            (!output.is_null()).then(|| (lane.name().to_owned(), output))
        })
        .collect();
    let last = lanes.iter().filter_map(Lane::last).next_back().cloned();
    rsx! {
        if several {
            ul { class: "ev-servers", tabindex: "0", "aria-label": t("targets.title"),
                for lane in lanes.iter() {
                    li { key: "{lane.id()}", StatusIcon { status: lane.status() } {lane.name()} }
                }
            }
            // A list of one: a viewer keeps the log that it began with, and only in a list does its key give it up.
            for id in [id] {
                MergedLog {
                    key: "{id}",
                    job: id.clone(),
                    origins: origins.clone(),
                    label: t("test.log"),
                    id: "test-log",
                    compact: true,
                    onown: move |address: String| {
                        navigator.push(address);
                    },
                }
            }
        } else if let Some(execution) = last {
            for execution in [execution] {
                LogViewer {
                    key: "{execution.id.inner()}",
                    execution: execution.id.inner().to_owned(),
                    label: t("test.log"),
                    id: "test-log",
                    compact: true,
                }
            }
        } else {
            div { class: "log log-compact", p { class: "empty", role: "status", {t("test.waiting")} } }
        }
        for (name, value) in given {
            details { key: "{name}", class: "ev-out", open: !several,
                summary {
                    {t("test.output")}
                    if several {
                        " · {name}"
                    }
                }
                JsonBlock { value }
            }
        }
    }
}

/// How much of the usual time is over, as a share for the bar.
fn share(over: Duration, typical: Duration) -> String {
    let share = over.as_secs_f64() / typical.as_secs_f64().max(0.001);
    format!("{:.3}", share.min(1.0))
}
