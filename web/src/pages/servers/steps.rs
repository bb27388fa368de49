//! The form of a server, step by step, and the page on which one is added.

use dioxus::prelude::*;

use super::data::Detail;
use super::fields::Details;
use super::form::use_form;
use super::keys::{Keys, use_comparison};
use super::wizard::{Failure, Flow, Step, UNREACHED, use_flow};
use crate::i18n::{Locale, t, tf};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::forms::Tick;
use crate::pages::guard::Guard;
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::ui::{Empty, Icon, JobStatus, toast};

/// The page on which a server is added.
#[component]
pub fn ServerNew(locale: Locale) -> Element {
    let navigator = use_navigator();
    use_crumbs(vec![
        Crumb::link(
            t("nav.servers"),
            Route::Servers {
                locale,
                query: Params::default(),
            },
        ),
        Crumb::here(t("nav.new_server")),
    ]);
    if !session::may(Scope::ManageServers) {
        return rsx! {
            Empty { icon: "lock", title: t("servers.not_yours"), text: t("servers.not_yours_text"),
                Link { class: "btn", to: Route::Servers { locale, query: Params::default() }, {t("servers.all")} }
            }
        };
    }
    let added = move |server: Detail| {
        let text = server
            .status
            .reason(server.status_reason.as_deref(), None)
            .unwrap_or_default();
        let colour = server.status.colour();
        toast(colour, tf("servers.added", &[("name", &server.name)]), text);
        navigator.replace(Route::server(locale, server.id.inner()));
    };
    rsx! {
        div { class: "page-head",
            div { class: "titles",
                div { class: "line", h1 { {t("nav.new_server")} } }
                p { class: "hint", {t("servers.new_text")} }
            }
        }
        div { class: "ev-scroll", tabindex: "0", role: "region", "aria-label": t("nav.new_server"),
            ServerForm { locale, server: None, onsaved: added, onreload: move |()| {} }
        }
    }
}

/// The form. `server` is the one that is changed; `onreload` is to begin anew with what it is by now.
#[component]
pub fn ServerForm(
    locale: Locale,
    server: Option<Detail>,
    onsaved: EventHandler<Detail>,
    onreload: EventHandler,
) -> Element {
    // What is changed stays what it was when that began, though the server goes on meanwhile.
    let base = use_hook(|| server.clone());
    let form = use_form(base.as_ref());
    let comparison = use_comparison();
    let flow = use_flow(form, comparison);
    let dirty = use_memo(move || form.dirty());
    let step = (flow.step)();
    let new = base.is_none();
    let (changed, confirmed) = (base.clone(), base.clone());
    let submit = move |event: FormEvent| {
        let server = changed.clone();
        async move {
            event.prevent_default();
            if let Some(server) = flow.go_on(server).await {
                onsaved.call(server);
            }
        }
    };
    let confirm = move |event: FormEvent| {
        let server = confirmed.clone();
        async move {
            event.prevent_default();
            if let Some(server) = flow.confirm(server).await {
                onsaved.call(server);
            }
        }
    };
    rsx! {
        Guard { dirty, ondiscard: move |()| form.discard() }
        if new || step != Step::Details {
            Progress { step }
        }
        match step {
            Step::Details => rsx! {
                form { class: "ev-form", novalidate: true, onsubmit: submit,
                    h2 { class: "sr", id: Step::Details.id(), tabindex: "-1", {Step::Details.words()} }
                    if (flow.conflict)() {
                        div { class: "banner", role: "alert", "data-status": "FAILED",
                            Icon { name: "alert" }
                            span { {t("servers.conflict")} }
                            span { class: "end",
                                button { class: "btn btn-sm", r#type: "button", onclick: move |_| onreload.call(()), {t("event.conflict_reload")} }
                            }
                        }
                    }
                    Details { form, server: base.clone() }
                    div { class: "srv-send",
                        if let Some(failure) = flow.unreached() {
                            Unreached { flow, failure }
                        }
                        Send { locale, flow, server: base }
                    }
                }
            },
            Step::Key => rsx! {
                form { class: "ev-form", novalidate: true, onsubmit: confirm,
                    section {
                        h2 { id: Step::Key.id(), tabindex: "-1", {Step::Key.words()} }
                        p { {t("servers.key_text")} }
                        Keys {
                            keys: flow.keys(),
                            pinned: base.and_then(|server| server.host_key_fingerprint),
                            comparison,
                        }
                    }
                    KeySend { flow, new }
                }
            },
            Step::Connect => rsx! {
                div { class: "ev-form",
                    section {
                        h2 { id: Step::Connect.id(), tabindex: "-1", {Step::Connect.words()} }
                        p { class: "srv-busy", role: "status", span { class: "spinner", "aria-hidden": "true" } {t("servers.connecting")} }
                    }
                }
            },
        }
    }
}

/// Where the person is among the steps.
#[component]
fn Progress(step: Step) -> Element {
    rsx! {
        ol { class: "srv-steps", "aria-label": t("servers.steps"),
            for (number, one) in (1_u8..).zip(Step::ALL) {
                li { key: "{number}", "aria-current": (one == step).then_some("step"),
                    span { class: "count", "{number}" }
                    {one.words()}
                }
            }
        }
    }
}

/// Why the host can't be reached, and the way to keep the server all the same.
#[component]
fn Unreached(flow: Flow, failure: Failure) -> Element {
    let mut anyway = flow.anyway;
    rsx! {
        Why { failure }
        Tick { on: anyway(), label: t("servers.anyway"), onchange: move |on| anyway.set(on) }
        if anyway() {
            p { class: "hint", {t("servers.anyway_hint")} }
        }
    }
}

/// Why a host could not be used. The focus can go there.
#[component]
pub fn Why(failure: Failure) -> Element {
    rsx! {
        div { class: "banner", id: UNREACHED, tabindex: "-1", role: "alert", "data-status": "FAILED",
            Icon { name: "alert" }
            span {
                "{failure.words}"
                if let Some(said) = &failure.said {
                    span { class: "srv-said", lang: "en", "{said}" }
                }
            }
        }
    }
}

/// What sends the details, and what is under way.
#[component]
fn Send(locale: Locale, flow: Flow, server: Option<Detail>) -> Element {
    let busy = (flow.busy)();
    let (word, under_way) = match &server {
        _ if flow.keeps_anyway() => (t("servers.save_anyway"), t("event.saving")),
        None => (t("servers.go_on"), t("servers.asking")),
        Some(_) => (t("event.save"), t("event.saving")),
    };
    let back = match server {
        None => Route::Servers {
            locale,
            query: Params::default(),
        },
        Some(server) => Route::server(locale, server.id.inner()),
    };
    rsx! {
        div { class: "toolbar",
            button { class: "btn btn-primary", r#type: "submit", "aria-busy": if busy { "true" }, "{word}" }
            Link { class: "btn btn-ghost", to: back, {t("dialog.cancel")} }
            span { class: "srv-busy", role: "status",
                if busy {
                    span { class: "spinner", "aria-hidden": "true" }
                    "{under_way}"
                }
            }
        }
    }
}

/// What is done with a key that was compared.
#[component]
fn KeySend(flow: Flow, new: bool) -> Element {
    let busy = (flow.busy)();
    rsx! {
        div { class: "toolbar",
            button { class: "btn btn-primary", r#type: "submit", "aria-busy": if busy { "true" },
                {t(if new { "servers.confirm_add" } else { "servers.confirm_save" })}
            }
            button { class: "btn", r#type: "button", onclick: move |_| flow.turn(Step::Details), {t("servers.back")} }
            button { class: "btn btn-ghost", r#type: "button", "aria-busy": if busy { "true" }, onclick: move |_| flow.ask_again(),
                Icon { name: "retry" }
                {t("servers.ask_again")}
            }
        }
    }
}

/// Says that a change was kept.
pub fn saved(server: &Detail) {
    toast(JobStatus::Succeeded, t("servers.saved"), server.name.clone());
}
