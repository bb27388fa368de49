//! One variable: to be read, changed or made.

use dioxus::prelude::*;

use super::data::{self, SetVariableInput, Variable, VariableScope};
use super::{choices, places};
use crate::i18n::{Locale, t, tf};
use crate::pages::forms::{Choice, Entry, Faults, Tick};
use crate::pages::runs::data::Refusal;
use crate::routes::Route;
use crate::ui::{Dialog, ErrorNotice, Field, JobStatus, Skeleton, toast, use_query};

/// The events that use a variable, as links.
#[component]
pub(super) fn UsedBy(locale: Locale, variable: Variable) -> Element {
    let id = variable.id.clone();
    let mut used = use_query(move || data::used_by(id.clone()));
    let held = used.data.read();
    rsx! {
        match (&*held, (used.error)()) {
            (_, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| used.reload() } },
            (None, _) => rsx! { Skeleton { lines: 1 } },
            (Some(events), _) if events.is_empty() => rsx! { p { class: "hint", {t("vars.unused")} } },
            (Some(events), _) => rsx! {
                ul { class: "vars-used", "aria-label": t("vars.used_by"),
                    for event in events.iter() {
                        li { key: "{event.id.inner()}", Link { to: Route::event(locale, event.id.inner()), "{event.name}" } }
                    }
                }
            },
        }
    }
}

/// Key, scope, value, whether it is secret, and what it is for.
#[component]
pub(super) fn Edit(locale: Locale, variable: Option<Variable>, onclose: EventHandler<bool>) -> Element {
    let known = variable.clone();
    let old = move || known.clone();
    let may_change = variable.as_ref().is_none_or(Variable::may_change);
    let was_secret = variable.as_ref().is_some_and(|one| one.secret);
    let first = variable.as_ref();
    let key = use_signal(|| first.map(|one| one.key.clone()).unwrap_or_default());
    let scope = use_signal(|| {
        first
            .map_or(VariableScope::Own, |one| one.scope)
            .name()
            .to_owned()
    });
    let mut value = use_signal(|| first.and_then(|one| one.value.clone()).unwrap_or_default());
    let mut touched = use_signal(|| false);
    let mut secret = use_signal(|| was_secret);
    let description = use_signal(|| first.map(|one| one.description.clone()).unwrap_or_default());
    let mut wrong = use_signal(Faults::default);
    let mut busy = use_signal(|| false);
    let title = match &variable {
        None => t("vars.new"),
        Some(one) => one.key.clone(),
    };
    let submit = move |event: FormEvent| {
        let old = old();
        async move {
            event.prevent_default();
            if busy() {
                return;
            }
            busy.set(true);
            // A secret that nobody wrote anew keeps its value.
            let kept = was_secret && !touched();
            let input = SetVariableInput {
                id: old.as_ref().map(|one| one.id.clone()),
                key: key().trim().to_owned(),
                scope: VariableScope::from_name(&scope()),
                value: Some(value()).filter(|_| !kept),
                secret: Some(secret()),
                description: Some(description()),
                expected_version: Some(old.as_ref().map_or(0, |one| one.version)),
            };
            match data::set(input).await {
                Ok(variable) => {
                    toast(JobStatus::Succeeded, t("vars.saved"), variable.key);
                    onclose.call(true);
                }
                Err(Refusal::Refused(errors)) if errors.iter().any(|one| one.path() == "expectedVersion") => {
                    toast(JobStatus::Failed, t("vars.not_saved"), t("vars.conflict"));
                }
                Err(refusal) => wrong.set(Faults::of("vars.not_saved", &refusal)),
            }
            busy.set(false);
        }
    };
    let scopes = {
        let mut scopes = places();
        scopes.extend(
            variable
                .as_ref()
                .map(|one| one.scope)
                .filter(|scope| !places().contains(scope)),
        );
        choices(&scopes)
    };
    let value_error = wrong.read().at("value");
    let value_hint = match (was_secret, secret()) {
        (true, true) => t("vars.keep_hint"),
        (true, false) => t("vars.open_hint"),
        _ => t("vars.value_hint"),
    };
    let blank = if was_secret {
        "••••••••"
    } else {
        ""
    };
    let facts = variable.as_ref().map(|one| {
        let by = one.updated_by.as_ref().map(|by| by.name.clone());
        by.map_or_else(String::new, |by| tf("vars.changed_by", &[("name", &by)]))
    });
    rsx! {
        Dialog { id: "variable", title, onclose: move |()| onclose.call(false),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(false), {t(if may_change { "dialog.cancel" } else { "dialog.close" })} }
                if may_change {
                    button { class: "btn btn-primary", r#type: "submit", form: "variable-form", "aria-busy": if busy() { "true" }, {t("event.save")} }
                }
            },
            if may_change {
                form { class: "form", id: "variable-form", novalidate: true, onsubmit: submit,
                    Entry { id: "variable-key", label: t("vars.key"), class: "input mono", value: key, error: wrong.read().at("key"), hint: t("vars.key_hint") }
                    Choice { id: "variable-scope", label: t("vars.scope"), value: scope, error: wrong.read().at("scope"), choices: scopes,
                        hint: match VariableScope::from_name(&scope()) {
                            Some(VariableScope::Shared) => t("vars.scope_hint.shared"),
                            Some(VariableScope::Global) => t("vars.scope_hint.global"),
                            _ => t("vars.scope_hint.own"),
                        },
                    }
                    Field { id: "variable-value", label: t("vars.value"), error: value_error.clone(), hint: value_hint,
                        textarea {
                            class: "textarea mono",
                            id: "variable-value",
                            rows: "4",
                            spellcheck: "false",
                            autocomplete: "off",
                            placeholder: blank,
                            "aria-invalid": value_error.is_some().then_some("true"),
                            "aria-describedby": "variable-value-note",
                            value: "{value}",
                            oninput: move |event| {
                                value.set(event.value());
                                touched.set(true);
                            },
                        }
                    }
                    Tick { on: secret(), label: t("vars.is_secret"), onchange: move |on| secret.set(on) }
                    Entry { id: "variable-description", label: t("roles.description"), value: description, error: wrong.read().at("description"), optional: true }
                }
            } else if let Some(one) = &variable {
                dl { class: "kv",
                    dt { {t("vars.scope")} }
                    dd { super::ScopeBadge { scope: one.scope } }
                    if let Some(owner) = &one.owner {
                        dt { {t("vars.owner")} }
                        dd { "{owner.name}" }
                    }
                    if !one.description.is_empty() {
                        dt { {t("roles.description")} }
                        dd { "{one.description}" }
                    }
                }
                if let Some(text) = &one.value {
                    pre { class: "code vars-text", tabindex: "0", role: "region", "aria-label": t("vars.value"), "{text}" }
                } else {
                    p { class: "hint", {t("vars.never_shown")} }
                }
            }
            if let Some(one) = variable {
                details { class: "more", open: true,
                    summary { {t("vars.used_by")} }
                    UsedBy { locale, variable: one }
                }
            }
            if let Some(facts) = facts.filter(|facts| !facts.is_empty()) {
                p { class: "hint", "{facts}" }
            }
        }
    }
}
