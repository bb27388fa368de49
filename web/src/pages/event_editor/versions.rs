//! The versions of an event, and what changed from one to the next.

use dioxus::prelude::*;

use super::changes;
use super::data::Version;
use super::diff::{Change, diff};
use super::form::Form;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::moment;
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{ErrorNotice, Icon, JobStatus, Skeleton, toast, use_query};

/// Lines around a change that stay in sight.
const AROUND: usize = 4;

/// The tab of versions.
#[component]
pub fn Versions(locale: Locale, form: Form, query: Params, may_change: bool) -> Element {
    let mut older = use_signal(Vec::<Version>::new);
    let mut next = use_signal(|| None::<String>);
    let mut list = use_query(move || {
        // A new version makes the list another one.
        let id = form
            .event
            .read()
            .as_ref()
            .map(|event| event.id.inner().to_owned())
            .unwrap_or_default();
        async move {
            let page = changes::versions(&id, None).await?;
            older.write().clear();
            next.set(page.as_ref().and_then(|p| {
                p.page_info
                    .end_cursor
                    .clone()
                    .filter(|_| p.page_info.has_next_page)
            }));
            Ok(page.map(|page| page.nodes).unwrap_or_default())
        }
    });
    let event = form.event.read();
    let Some(event) = &*event else { return rsx! {} };
    let id = event.id.inner().to_owned();
    let held = list.data.read();
    let Some(first) = &*held else {
        return rsx! {
            if let Some(error) = (list.error)() {
                ErrorNotice { error, onretry: move |()| list.reload() }
            } else {
                Skeleton { lines: 6 }
            }
        };
    };
    let mut versions: Vec<Version> = first.iter().chain(older.read().iter()).cloned().collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.number));
    let asked = query.get("version").and_then(|number| number.parse::<i32>().ok());
    let at = asked
        .and_then(|number| versions.iter().position(|v| v.number == number))
        .unwrap_or(0);
    let chosen = versions.get(at).cloned();
    let before = versions.get(at + 1).cloned();
    let current = event.version.number;
    let listed = id.clone();
    rsx! {
        div { class: "ver",
            nav { class: "ver-list", "aria-label": t("versions.list"),
                for version in versions.iter() {
                    Link {
                        key: "{version.number}",
                        to: Route::EventEditor { locale, id: listed.clone(), query: query.with("version", &version.number.to_string()) },
                        "aria-current": (Some(version.number) == chosen.as_ref().map(|v| v.number)).then_some("true"),
                        span { class: "line",
                            b { "v{version.number}" }
                            if version.number == current {
                                " "
                                span { class: "badge badge-accent", {t("versions.current")} }
                            }
                        }
                        span { class: "sub",
                            {moment(version.created_at)}
                            if let Some(person) = &version.created_by { " · {person.name}" }
                        }
                        if let Some(comment) = version.comment.as_ref().filter(|c| !c.is_empty()) {
                            span { class: "sub", "{comment}" }
                        }
                    }
                }
                if let Some(cursor) = next() {
                    button {
                        class: "btn btn-ghost btn-wide",
                        r#type: "button",
                        onclick: move |_| {
                            let (id, cursor) = (id.clone(), cursor.clone());
                            async move {
                                if let Ok(Some(page)) = changes::versions(&id, Some(cursor)).await {
                                    next.set(page.page_info.end_cursor.clone().filter(|_| page.page_info.has_next_page));
                                    older.write().extend(page.nodes);
                                }
                            }
                        },
                        {t("versions.more")}
                    }
                }
            }
            if let Some(chosen) = chosen {
                Comparison { key: "{chosen.number}", form, chosen, before, current, may_change }
            }
        }
    }
}

#[component]
fn Comparison(
    form: Form,
    chosen: Version,
    before: Option<Version>,
    current: i32,
    may_change: bool,
) -> Element {
    let mut busy = use_signal(|| false);
    let number = chosen.number.to_string();
    let title = match &before {
        Some(before) => tf(
            "versions.compare",
            &[("old", &before.number.to_string()), ("new", &number)],
        ),
        None => tf("versions.first", &[("number", &number)]),
    };
    let same = before
        .as_ref()
        .is_some_and(|before| before.source == chosen.source);
    let restored = chosen.clone();
    rsx! {
        section { class: "ver-diff", "aria-label": "{title}",
            div { class: "ev-bar",
                h2 { "{title}" }
                if chosen.number != current && may_change {
                    span { class: "end",
                        button {
                            class: "btn btn-sm",
                            r#type: "button",
                            disabled: busy(),
                            onclick: move |_| {
                                let version = restored.clone();
                                async move {
                                    let event = form.event.peek().clone();
                                    let Some(event) = event else { return };
                                    busy.set(true);
                                    match changes::restore(event.id.inner(), &version.id, event.version.number).await {
                                        Ok(event) => {
                                            toast(JobStatus::Succeeded, tf("versions.restored", &[("number", &version.number.to_string())]), "");
                                            form.show(event);
                                        }
                                        Err(refusal) => form.refuse(t("versions.restore_failed"), &refusal),
                                    }
                                    busy.set(false);
                                }
                            },
                            Icon { name: "history" }
                            {tf("versions.restore", &[("number", &number)])}
                        }
                    }
                }
            }
            if same {
                p { class: "hint editor-error", {t("versions.same")} }
            }
            Diff { old: before.map(|before| before.source), new: chosen.source, label: title.clone() }
        }
    }
}

/// Which of the lines to draw: changes, and some lines around them.
fn in_sight(changes: &[Change<'_>]) -> Vec<bool> {
    let mut seen = vec![false; changes.len()];
    for (at, change) in changes.iter().enumerate() {
        if !matches!(change, Change::Same { .. }) {
            let end = (at + AROUND + 1).min(changes.len());
            seen[at.saturating_sub(AROUND)..end].fill(true);
        }
    }
    if seen.iter().all(|seen| !seen) {
        seen.fill(true);
    }
    seen
}

/// A comparison line by line; without an old text, the new one alone.
#[component]
fn Diff(old: Option<String>, new: String, label: String) -> Element {
    let compared = old.unwrap_or_else(|| new.clone());
    let changes = diff(&compared, &new);
    let shown = in_sight(&changes);
    let number = |n: Option<usize>| n.map(|n| n.to_string()).unwrap_or_default();
    let mut rows = Vec::new();
    for (at, (change, seen)) in changes.iter().zip(&shown).enumerate() {
        if *seen {
            rows.push(match change {
                Change::Same { old, new, text } => ("", Some(*old), Some(*new), " ", *text),
                Change::Removed { old, text } => ("del", Some(*old), None, "−", *text),
                Change::Added { new, text } => ("add", None, Some(*new), "+", *text),
            });
        } else if at == 0 || shown[at - 1] {
            rows.push(("gap", None, None, "", "⋯"));
        }
    }
    rsx! {
        ol { class: "diff", tabindex: "0", "aria-label": "{label}",
            for (at, (class, old, new, sign, text)) in rows.into_iter().enumerate() {
                li { key: "{at}", class,
                    span { class: "no", {number(old)} }
                    span { class: "no", {number(new)} }
                    span { class: "sign",
                        "aria-label": match class {
                            "add" => Some(t("versions.added")),
                            "del" => Some(t("versions.removed")),
                            _ => None,
                        },
                        role: if class == "add" || class == "del" { "img" },
                        "{sign}"
                    }
                    span { "{text}" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_far_from_a_change_are_folded() {
        let old = (0..30).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        let new = old.replace("\n15\n", "\nx\n");
        let changes = diff(&old, &new);
        let seen = in_sight(&changes);
        assert_eq!(seen.iter().filter(|seen| **seen).count(), 2 * AROUND + 2);
        assert!(in_sight(&diff("a", "a"))[0]);
    }
}
