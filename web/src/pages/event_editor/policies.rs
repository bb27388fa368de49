//! How runs of an event are repeated, how they stand beside each other, and how many there may be. What is left as it
//! is takes one line.

use dioxus::prelude::*;

use super::counter::Counter;
use super::draft::policy::{OVERLAPS, Policy};
use super::draft::{Draft, span};
use super::fields::{Disclosure, Line};
use super::form::Form;
use crate::i18n::{t, tf, tn};
use crate::pages::forms::Tick;
use crate::ui::Icon;

/// The policies, one below the other.
#[component]
pub fn Policies(form: Form, read_only: bool) -> Element {
    let draft = form.draft.read();
    let policy = draft.policy.clone();
    let http = draft.is_http();
    let wrong = |path: &str| form.error_within(path).is_some();
    let attempts = match policy.attempts.trim().parse::<u64>() {
        Ok(1) => t("policy.never"),
        Ok(attempts) => tn("policy.attempts", attempts),
        Err(_) => "–".to_owned(),
    };
    let most = policy.max_executions.trim();
    let limited = !matches!(most, "" | "0");
    rsx! {
        section {
            h2 { {t("policy.title")} }
            div { class: "ev-mores",
                Disclosure {
                    title: t("policy.retry"),
                    now: attempts,
                    changed: policy.retries(),
                    wrong: wrong("retry"),
                    Retry { form, policy: policy.clone(), http }
                }
                Disclosure {
                    title: t("policy.overlap"),
                    now: beside(&policy),
                    changed: policy.places().is_some(),
                    wrong: wrong("overlap") || wrong("maxConcurrent"),
                    Overlap { form, policy: policy.clone() }
                }
                Disclosure {
                    title: t("policy.lost"),
                    now: if policy.idempotent { t("policy.lost_again") } else { t("policy.lost_stay") },
                    changed: policy.idempotent,
                    wrong: wrong("idempotent"),
                    label { class: "switch",
                        input { r#type: "checkbox", role: "switch", checked: policy.idempotent, onchange: move |event| form.edit("idempotent", |d| d.policy.idempotent = event.checked()) }
                        {t("policy.idempotent")}
                    }
                    p { class: "hint", {if http { t("policy.idempotent_http") } else { t("policy.idempotent_hint") }} }
                }
                Disclosure {
                    title: t("policy.limit"),
                    now: if limited { tf("policy.limit_of", &[("n", most)]) } else { t("policy.limit_none") },
                    changed: limited,
                    wrong: wrong("maxExecutions"),
                    Line {
                        form,
                        path: "maxExecutions",
                        label: t("policy.executions"),
                        hint: t("policy.executions_hint"),
                        optional: true,
                        numeric: true,
                        value: policy.max_executions.clone(),
                        onchange: move |value| form.edit("maxExecutions", |d| d.policy.max_executions = value),
                    }
                    Counter { form, read_only }
                }
            }
        }
    }
}

/// How many run at a time, and what becomes of the others.
fn beside(policy: &Policy) -> String {
    match policy.places() {
        None => t("policy.overlap_free"),
        Some(places) => tf(
            match policy.overlap.as_str() {
                "SKIP" => "policy.now_skip",
                "QUEUE_ONE" => "policy.now_queue_one",
                "REPLACE" => "policy.now_replace",
                _ => "policy.now_allow",
            },
            &[("n", &places)],
        ),
    }
}

#[component]
fn Retry(form: Form, policy: Policy, http: bool) -> Element {
    let set = move |path: &'static str, change: fn(&mut Policy, String)| {
        move |value: String| form.edit(path, |draft: &mut Draft| change(&mut draft.policy, value))
    };
    let waits = policy.waits().map(|waits| {
        let all: Vec<String> = waits.into_iter().map(span::write).collect();
        all.join(", ")
    });
    rsx! {
        Line {
            form,
            path: "retry.attempts",
            label: t("retry.attempts"),
            hint: t("retry.attempts_hint"),
            numeric: true,
            value: policy.attempts.clone(),
            onchange: set("retry.attempts", |p, v| p.attempts = v),
        }
        if policy.retries() {
            Reasons { form, policy: policy.clone(), http }
            div { class: "form-2",
                Line { form, path: "retry.initialDelay", label: t("retry.initial"), hint: t("retry.span"), value: policy.initial_delay.clone(), onchange: set("retry.initialDelay", |p, v| p.initial_delay = v) }
                Line { form, path: "retry.maxDelay", label: t("retry.longest"), value: policy.max_delay.clone(), onchange: set("retry.maxDelay", |p, v| p.max_delay = v) }
                Line { form, path: "retry.factor", label: t("retry.factor"), hint: t("retry.factor_hint"), numeric: true, value: policy.factor.clone(), onchange: set("retry.factor", |p, v| p.factor = v) }
            }
            label { class: "switch",
                input { r#type: "checkbox", role: "switch", checked: policy.jitter, onchange: move |event| form.edit("retry.jitter", |d| d.policy.jitter = event.checked()) }
                {t("retry.jitter")}
            }
            if let Some(waits) = waits {
                p { class: "hint", role: "status",
                    {tf(if policy.jitter { "retry.waits_at_most" } else { "retry.waits" }, &[("times", &waits)])}
                }
            }
        }
    }
}

/// After which ends a run is tried again.
#[component]
fn Reasons(form: Form, policy: Policy, http: bool) -> Element {
    let error = form.error("retry.on");
    let (code, codes, hint) = if http {
        ("retry.on_status", "retry.statuses", "retry.statuses_hint")
    } else {
        ("retry.on_code", "retry.codes", "retry.codes_hint")
    };
    rsx! {
        fieldset {
            class: "field",
            id: "f-retry-on",
            // Takes the focus where nothing is chosen: no single box is wrong.
            tabindex: if error.is_some() { "-1" },
            "aria-invalid": if error.is_some() { "true" },
            "aria-describedby": if error.is_some() { "f-retry-on-note" },
            legend { class: "label", {t("retry.on")} }
            div { class: "ev-choices",
                Tick { on: policy.on_infrastructure, label: t("retry.on_infrastructure"), onchange: move |on| form.edit("retry.on", |d| d.policy.on_infrastructure = on) }
                Tick { on: policy.on_timeout, label: t("retry.on_timeout"), onchange: move |on| form.edit("retry.on", |d| d.policy.on_timeout = on) }
                Tick { on: policy.on_exit_code, label: t(code), onchange: move |on| form.edit("retry.on", |d| d.policy.on_exit_code = on) }
            }
            if let Some(error) = &error {
                p { class: "error", id: "f-retry-on-note", role: "alert", Icon { name: "alert" } "{error}" }
            }
        }
        if policy.on_exit_code {
            Line {
                form,
                path: "retry.exitCodes",
                label: t(codes),
                hint: t(hint),
                optional: true,
                value: policy.exit_codes.clone(),
                onchange: move |value| form.edit("retry.exitCodes", |d| d.policy.exit_codes = value),
            }
        }
    }
}

/// The words of a choice and what it means.
fn words(overlap: &str) -> (&'static str, &'static str) {
    match overlap {
        "QUEUE_ONE" => ("overlap.queue_one", "overlap.queue_one_text"),
        "SKIP" => ("overlap.skip", "overlap.skip_text"),
        "REPLACE" => ("overlap.replace", "overlap.replace_text"),
        _ => ("overlap.allow", "overlap.allow_text"),
    }
}

#[component]
fn Overlap(form: Form, policy: Policy) -> Element {
    let free = policy.overlap == "ALLOW";
    rsx! {
        Line {
            form,
            path: "maxConcurrent",
            label: t("policy.concurrent"),
            hint: if free { t("policy.concurrent_free") } else { t("policy.concurrent_one") },
            optional: true,
            numeric: true,
            value: policy.max_concurrent.clone(),
            onchange: move |value| form.edit("maxConcurrent", |d| d.policy.max_concurrent = value),
        }
        fieldset { class: "field",
            legend { class: "label", {t("overlap.title")} }
            div { class: "ev-choices",
                for one in OVERLAPS {
                    div { key: "{one}", class: "ev-choice",
                        label { class: "check",
                            input {
                                r#type: "radio",
                                name: "overlap",
                                value: one,
                                checked: policy.overlap == one,
                                "aria-describedby": "f-overlap-{one}",
                                onchange: move |_| form.edit("overlap", |d| one.clone_into(&mut d.policy.overlap)),
                            }
                            {t(words(one).0)}
                        }
                        p { class: "hint", id: "f-overlap-{one}", {t(words(one).1)} }
                    }
                }
            }
        }
    }
}
