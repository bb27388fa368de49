//! The versions of an event, and what changed from one to the next.

use dioxus::prelude::*;

use super::changes;
use super::compare::{Changed, Said, settings};
use super::data::Version;
use super::diff::{Change, diff};
use super::form::Form;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::moment;
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{ErrorNotice, Icon, JobStatus, Skeleton, bytes, duration, toast, use_query};

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
    let text = chosen.text();
    let same = before.as_ref().is_some_and(|before| before.text() == text);
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
            if let Some(before) = &before {
                Settings { changed: settings(before, &chosen), same }
            }
            Diff { old: before.map(|before| before.text()), new: text, label: title.clone() }
        }
    }
}

/// How a setting is said, in words.
fn words(said: Said) -> String {
    match said {
        Said::Nothing => "–".to_owned(),
        Said::Text(text) if text.is_empty() => "–".to_owned(),
        Said::Text(text) => text,
        Said::Word(key) => t(key),
        Said::Words(keys) => keys.into_iter().map(t).collect::<Vec<_>>().join(", "),
        Said::Bytes(count) => bytes(count),
        Said::Time(time) => duration(time),
    }
}

#[component]
fn Settings(changed: Vec<Changed>, same: bool) -> Element {
    if changed.is_empty() {
        return rsx! {
            if same {
                p { class: "hint editor-error", {t("versions.nothing")} }
            }
        };
    }
    rsx! {
        dl { class: "kv ver-settings",
            for Changed { name , before , after } in changed {
                dt { key: "{name}", {t(name)} }
                dd { del { {words(before)} } " → " ins { {words(after)} } }
            }
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

/// A row of the comparison: a line of each side, where there is one.
#[derive(Debug, PartialEq, Eq)]
enum Pair<'a> {
    Lines(Option<(usize, &'a str)>, Option<(usize, &'a str)>),
    Gap,
}

/// Lines side by side: what was taken out stands beside what was put in its place.
fn pairs<'a>(changes: &[Change<'a>]) -> Vec<Pair<'a>> {
    let shown = in_sight(changes);
    let mut rows = Vec::new();
    let (mut was, mut is) = (Vec::new(), Vec::new());
    let flush =
        |rows: &mut Vec<Pair<'a>>, was: &mut Vec<(usize, &'a str)>, is: &mut Vec<(usize, &'a str)>| {
            for at in 0..was.len().max(is.len()) {
                rows.push(Pair::Lines(was.get(at).copied(), is.get(at).copied()));
            }
            was.clear();
            is.clear();
        };
    for (at, change) in changes.iter().enumerate() {
        match change {
            Change::Removed { old, text } => was.push((*old, *text)),
            Change::Added { new, text } => is.push((*new, *text)),
            Change::Same { old, new, text } => {
                flush(&mut rows, &mut was, &mut is);
                if shown[at] {
                    rows.push(Pair::Lines(Some((*old, *text)), Some((*new, *text))));
                } else if rows.last() != Some(&Pair::Gap) {
                    rows.push(Pair::Gap);
                }
            }
        }
    }
    flush(&mut rows, &mut was, &mut is);
    rows
}

/// A comparison side by side; without an old text, the new one alone.
#[component]
fn Diff(old: Option<String>, new: String, label: String) -> Element {
    let Some(old) = old else {
        return rsx! {
            ol { class: "diff", tabindex: "0", "aria-label": "{label}",
                for (at, text) in new.split('\n').enumerate() {
                    li { key: "{at}", span { class: "no", "{at + 1}" } span {} span {} span { "{text}" } }
                }
            }
        };
    };
    let changes = diff(&old, &new);
    rsx! {
        ol { class: "diff", tabindex: "0", "aria-label": "{label}",
            for (at, pair) in pairs(&changes).into_iter().enumerate() {
                match pair {
                    Pair::Gap => rsx! { li { key: "{at}", class: "gap", "⋯" } },
                    Pair::Lines(was, is) => {
                        let same = was.is_some() && was.map(|line| line.1) == is.map(|line| line.1);
                        rsx! {
                            li { key: "{at}", class: if same { "pair same" } else { "pair" },
                                Side { line: was.map(|(no, text)| (no, text.to_owned())), class: if same { "" } else { "was" }, sign: "−", word: t("versions.removed") }
                                Side { line: is.map(|(no, text)| (no, text.to_owned())), class: if same { "" } else { "is" }, sign: "+", word: t("versions.added") }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[component]
fn Side(line: Option<(usize, String)>, class: String, sign: String, word: String) -> Element {
    let Some((number, text)) = line else {
        return rsx! { span { class: "no none" } span { class: "sign none" } span { class: "tx none" } };
    };
    rsx! {
        span { class: "no {class}", "{number}" }
        if class.is_empty() {
            span { class: "sign" }
        } else {
            span { class: "sign {class}", role: "img", "aria-label": "{word}", "{sign}" }
        }
        span { class: "tx {class}", "{text}" }
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

    #[test]
    fn a_changed_line_stands_beside_what_it_was() {
        let changes = diff("a\nb\nc", "a\nx\ny\nc");
        assert_eq!(
            pairs(&changes),
            [
                Pair::Lines(Some((1, "a")), Some((1, "a"))),
                Pair::Lines(Some((2, "b")), Some((2, "x"))),
                Pair::Lines(None, Some((3, "y"))),
                Pair::Lines(Some((3, "c")), Some((4, "c"))),
            ]
        );
        let long = (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        let other = long.replace("\n20\n", "\nx\n");
        let changes = diff(&long, &other);
        let rows = pairs(&changes);
        assert_eq!(rows.iter().filter(|row| **row == Pair::Gap).count(), 2);
    }
}
