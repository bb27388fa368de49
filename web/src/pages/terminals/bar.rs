//! What can be done to the terminal in view: the size of its letters, reading aloud, copying, pasting, closing; and the
//! keys that small screens have not.

use dioxus::prelude::*;

use super::LEAVE;
use super::changes;
use super::held::{self, Flow, State};
use super::screen::{self, FONT_SIZES};
use super::seat::Seat;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::data::JobStatus;
use crate::pages::runs::say;
use crate::routes::Route;
use crate::ui::{Dialog, Icon, toast};

/// The next larger size of letters, or the next smaller one.
fn next_size(now: u32, larger: bool) -> Option<u32> {
    let mut sizes = FONT_SIZES.into_iter();
    if larger {
        sizes.find(|size| *size > now)
    } else {
        sizes.rfind(|size| *size < now)
    }
}

/// Does something with what draws a terminal, if it is there.
fn with_seat(id: &str, act: impl FnOnce(&Seat)) {
    if let Some(seat) = held::seat(id) {
        act(&seat);
    }
}

/// Copies what is selected in a terminal, or all of it, and says so.
fn copy(id: &str) {
    let Some(done) = held::seat(id).map(|seat| seat.screen().copy()) else {
        return;
    };
    spawn(async move {
        if done.await {
            toast(JobStatus::Succeeded, t("copy.done"), "");
        } else {
            toast(JobStatus::Failed, t("copy.failed"), "");
        }
    });
}

/// Pastes what is on the clipboard into a terminal.
fn paste(id: &str) {
    let Some(done) = held::seat(id).map(|seat| seat.screen().paste()) else {
        return;
    };
    spawn(async move {
        if !done.await {
            toast(
                JobStatus::Failed,
                t("terminals.paste_failed"),
                t("terminals.paste_failed_text"),
            );
        }
    });
}

/// A button with an icon and no word.
#[component]
fn Tool(
    icon: String,
    label: String,
    #[props(default)] class: String,
    #[props(default)] pressed: Option<bool>,
    onclick: EventHandler,
) -> Element {
    rsx! {
        button {
            class: "icon-btn icon-btn-sm {class}",
            r#type: "button",
            "aria-label": "{label}",
            title: "{label}",
            "aria-pressed": pressed.map(|on| if on { "true" } else { "false" }),
            onclick: move |_| onclick.call(()),
            Icon { name: icon }
        }
    }
}

/// Letters larger and smaller, for all terminals.
#[component]
pub fn Letters(onsize: EventHandler<u32>) -> Element {
    let mut size = use_signal(screen::font_size);
    let mut turn = move |larger: bool| {
        let now = *size.peek();
        if let Some(next) = next_size(now, larger) {
            size.set(next);
            screen::keep_font_size(next);
            onsize.call(next);
        }
    };
    rsx! {
        for (bigger, label, sign) in [(false, t("terminals.smaller"), "A−"), (true, t("terminals.larger"), "A+")] {
            button {
                key: "{sign}",
                class: "icon-btn icon-btn-sm term-letters",
                r#type: "button",
                title: "{label}",
                disabled: next_size(size(), bigger).is_none(),
                onclick: move |_| turn(bigger),
                span { "aria-hidden": "true", "{sign}" }
                span { class: "sr", "{label}" }
            }
        }
    }
}

/// The tools of the terminal in view. `onclosed` hears that it is let go of.
#[component]
pub fn Tools(locale: Locale, state: State, single: bool, onclosed: EventHandler) -> Element {
    let navigator = use_navigator();
    let mut asking = use_signal(|| false);
    let mut reader = use_signal(screen::reader);
    let id = state.session.id.inner().to_owned();
    let goes_on = !matches!(state.flow, Flow::Over | Flow::Gone);
    let mine = state.session.is_mine;
    let (copying, pasting, closing) = (id.clone(), id.clone(), id.clone());
    let own_page = Route::Terminal {
        locale,
        id: id.clone(),
    };
    rsx! {
        // Whoever leaves the terminal by its key is here.
        div { class: "term-tools", id: LEAVE, tabindex: "-1", role: "group", "aria-label": t("terminals.tools"),
            Letters { onsize: move |size: u32| {
                for seat in held::seats() {
                    seat.screen().set_font_size(size);
                }
            } }
            Tool {
                icon: "eye",
                label: t("terminals.reader"),
                pressed: reader(),
                onclick: move |()| {
                    let on = !*reader.peek();
                    reader.set(on);
                    screen::keep_reader(on);
                    for seat in held::seats() {
                        seat.screen().set_reader(on);
                    }
                },
            }
            Tool { icon: "copy", label: t("terminals.copy"), onclick: move |()| copy(&copying) }
            if mine && goes_on {
                Tool { icon: "follow", label: t("terminals.paste"), onclick: move |()| paste(&pasting) }
            }
            if !single {
                Tool { icon: "external", label: t("terminals.alone"), class: "md", onclick: move |()| {
                    navigator.push(own_page.clone());
                } }
            }
            if mine && (goes_on || !single) {
                Tool { icon: "x", label: t("terminals.close"), onclick: move |()| {
                    if goes_on {
                        asking.set(true);
                    } else {
                        held::release(&closing);
                        onclosed.call(());
                    }
                } }
            }
        }
        if asking() {
            Closing { id, name: state.session.name(), onclose: move |done: bool| {
                asking.set(false);
                if done {
                    onclosed.call(());
                }
            } }
        }
    }
}

/// Asks before what runs in a terminal is ended. `onclose` hears whether it was.
#[component]
fn Closing(id: String, name: String, onclose: EventHandler<bool>) -> Element {
    let mut busy = use_signal(|| false);
    rsx! {
        Dialog {
            id: "terminal-close",
            title: tf("terminals.close_title", &[("name", &name)]),
            onclose: move |()| onclose.call(false),
            foot: rsx! {
                button { class: "btn", r#type: "button", onclick: move |_| onclose.call(false), {t("dialog.cancel")} }
                button { class: "btn btn-danger-solid", r#type: "button", "aria-busy": if busy() { "true" },
                    onclick: move |_| {
                        let id = id.clone();
                        async move {
                            if busy() {
                                return;
                            }
                            busy.set(true);
                            match changes::close(&id).await {
                                Ok(()) => {
                                    held::release(&id);
                                    onclose.call(true);
                                }
                                Err(refusal) => {
                                    say(t("terminals.not_closed"), &refusal);
                                    onclose.call(false);
                                }
                            }
                            busy.set(false);
                        }
                    },
                    {t("terminals.close")}
                }
            },
            p { {t("terminals.close_text")} }
        }
    }
}

/// Keys that small screens have not. The focus stays in the terminal, so that its keyboard stays on the screen.
#[component]
pub fn Keys(state: State) -> Element {
    let id = state.session.id.inner().to_owned();
    let control = state.control;
    let keys = [
        ("escape", "Esc", None),
        ("tab", "Tab", None),
        ("left", "←", Some(t("terminals.key_left"))),
        ("up", "↑", Some(t("terminals.key_up"))),
        ("down", "↓", Some(t("terminals.key_down"))),
        ("right", "→", Some(t("terminals.key_right"))),
    ];
    let (armed, pasted) = (id.clone(), id.clone());
    rsx! {
        div { class: "term-keys", role: "group", "aria-label": t("terminals.keys"),
            button {
                class: "btn btn-sm",
                r#type: "button",
                "aria-pressed": if control { "true" } else { "false" },
                onmousedown: move |event| event.prevent_default(),
                onclick: move |_| held::press_control(&armed),
                "Ctrl"
            }
            for (key, sign, word) in keys {
                button {
                    key: "{key}",
                    class: "btn btn-sm",
                    r#type: "button",
                    onmousedown: move |event| event.prevent_default(),
                    onclick: {
                        let id = id.clone();
                        move |_| {
                            let control = held::take_control(&id);
                            with_seat(&id, |seat| seat.screen().press(key, control));
                        }
                    },
                    if let Some(word) = word {
                        span { "aria-hidden": "true", "{sign}" }
                        span { class: "sr", "{word}" }
                    } else {
                        "{sign}"
                    }
                }
            }
            button {
                class: "btn btn-sm",
                r#type: "button",
                onmousedown: move |event| event.prevent_default(),
                onclick: move |_| paste(&pasted),
                {t("terminals.paste")}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_grow_and_shrink_by_steps_and_end_somewhere() {
        assert_eq!((next_size(13, true), next_size(13, false)), (Some(15), Some(12)));
        assert_eq!((next_size(22, true), next_size(11, false)), (None, None));
    }
}
