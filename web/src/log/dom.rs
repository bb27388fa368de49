//! What the viewer asks of the browser beyond what the framework offers: positions of scrolling,
//! heights of rows, keys pressed anywhere on the page. Knows nothing of logs.

use dioxus::prelude::*;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::Closure;

use crate::browser;

/// How an element is scrolled, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scrolled {
    pub top: f64,
    pub height: f64,
    pub view: f64,
    pub width: f64,
}

impl Scrolled {
    /// Whether the end is in view.
    pub fn at_end(self) -> bool {
        self.top + self.view >= self.height - 24.0
    }
}

fn element(id: &str) -> Option<web_sys::Element> {
    browser::document()?.get_element_by_id(id)
}

/// How an element is scrolled now.
pub fn scrolled(id: &str) -> Option<Scrolled> {
    let element = element(id)?;
    Some(Scrolled {
        top: f64::from(element.scroll_top()),
        height: f64::from(element.scroll_height()),
        view: f64::from(element.client_height()),
        width: f64::from(element.client_width()),
    })
}

/// Scrolls an element to a position from its top.
pub fn scroll_to(id: &str, top: f64) {
    if let Some(element) = element(id) {
        element.set_scroll_top(top as i32);
    }
}

/// Scrolls an element to its end.
pub fn scroll_to_end(id: &str) {
    if let Some(element) = element(id) {
        element.set_scroll_top(element.scroll_height());
    }
}

/// Heights of the children of an element that carry `data-row`, with that number.
pub fn row_heights(id: &str) -> Vec<(usize, f64)> {
    let rows = element(id).and_then(|element| element.query_selector_all("[data-row]").ok());
    let Some(rows) = rows else { return Vec::new() };
    let rows = (0..rows.length()).filter_map(|at| rows.item(at)?.dyn_into::<web_sys::Element>().ok());
    rows.filter_map(|row| {
        Some((
            row.get_attribute("data-row")?.parse().ok()?,
            row.get_bounding_client_rect().height(),
        ))
    })
    .collect()
}

fn session() -> Option<web_sys::Storage> {
    browser::document()?.default_view()?.session_storage().ok()?
}

/// Keeps a word for this tab until it is closed, or removes it.
pub fn keep(key: &str, value: Option<&str>) {
    if let Some(storage) = session() {
        // A full or forbidden storage only costs the place.
        let _ = match value {
            Some(value) => storage.set_item(key, value),
            None => storage.remove_item(key),
        };
    }
}

/// A word that this tab keeps.
pub fn kept(key: &str) -> Option<String> {
    session()?.get_item(key).ok()?
}

/// Whether what has the focus takes text.
pub fn typing() -> bool {
    let active = browser::document().and_then(|document| document.active_element());
    active.is_some_and(|element| {
        matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            || element.has_attribute("contenteditable")
    })
}

/// Whether what has the focus is a terminal, to which almost all keys belong.
pub fn in_terminal() -> bool {
    let active = browser::document().and_then(|document| document.active_element());
    active.is_some_and(|element| element.closest(".term-host").ok().flatten().is_some())
}

/// Whether a keyboard event comes with Command.
pub fn with_meta(event: &web_sys::Event) -> bool {
    event
        .dyn_ref::<web_sys::KeyboardEvent>()
        .is_some_and(web_sys::KeyboardEvent::meta_key)
}

/// The key of a keyboard event that comes with none of the modifiers that make it another command.
pub fn plain_key(event: &web_sys::Event) -> Option<String> {
    let event = event.dyn_ref::<web_sys::KeyboardEvent>()?;
    (!event.ctrl_key() && !event.meta_key() && !event.alt_key()).then(|| event.key())
}

/// The key of a keyboard event that comes with Control or Command alone.
pub fn command_key(event: &web_sys::Event) -> Option<String> {
    let event = event.dyn_ref::<web_sys::KeyboardEvent>()?;
    ((event.ctrl_key() || event.meta_key()) && !event.alt_key() && !event.shift_key()).then(|| event.key())
}

/// A listener on the document for as long as its owner lives.
pub struct Listener {
    kind: &'static str,
    closure: Closure<dyn FnMut(web_sys::Event)>,
    capture: bool,
    on_window: bool,
}

impl Listener {
    fn target(on_window: bool) -> Option<web_sys::EventTarget> {
        let document = browser::document()?;
        if on_window {
            document.default_view().map(Into::into)
        } else {
            Some(document.into())
        }
    }

    fn new(
        kind: &'static str,
        on_window: bool,
        capture: bool,
        run: impl FnMut(web_sys::Event) + 'static,
    ) -> Option<Self> {
        let target = Self::target(on_window)?;
        let closure = Closure::<dyn FnMut(web_sys::Event)>::new(run);
        let function = closure.as_ref().unchecked_ref();
        target
            .add_event_listener_with_callback_and_bool(kind, function, capture)
            .ok()?;
        Some(Self {
            kind,
            closure,
            capture,
            on_window,
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(target) = Self::target(self.on_window) {
            let function = self.closure.as_ref().unchecked_ref();
            // Removing a listener that is not there is no fault.
            let _ = target.remove_event_listener_with_callback_and_bool(self.kind, function, self.capture);
        }
    }
}

/// Hears an event of the window or the document while the component lives; `capture` hears it first.
pub fn use_listener(
    kind: &'static str,
    on_window: bool,
    capture: bool,
    run: impl FnMut(web_sys::Event) + 'static,
) {
    let run = use_hook(|| std::rc::Rc::new(std::cell::RefCell::new(run)));
    let runtime = use_hook(dioxus::core::Runtime::current);
    let scope = use_hook(dioxus::core::current_scope_id);
    use_hook(move || {
        std::rc::Rc::new(Listener::new(kind, on_window, capture, move |event| {
            runtime.in_scope(scope, || (run.borrow_mut())(event));
        }))
    });
}
