//! The terminal as it is drawn, by a library that is fetched when the first one is needed. Speaks to its glue,
//! `web/assets/terminal.js`, by methods and by events of its element; knows no terminal of the product.

use futures::channel::mpsc::UnboundedSender;
use futures::future::LocalBoxFuture;
use serde::Serialize;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::browser;

/// Under which name the glue gives itself to the page.
const GLUE: &str = "croniumTerminal";
/// Under which name this browser keeps the size of the letters.
const FONT: &str = "cronium-terminal-font";
/// Under which name this browser keeps whether a screen reader is to hear what is shown.
const READER: &str = "cronium-terminal-reader";
/// Sizes of letters in pixels.
pub const FONT_SIZES: [u32; 6] = [11, 12, 13, 15, 18, 22];

/// What a terminal on the page is to be like.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Looks {
    pub columns: i32,
    pub rows: i32,
    /// What it is called for screen readers.
    pub label: String,
    /// Id of the element that tells how it is used.
    pub hint: Option<String>,
    /// Id of the element that has the focus when somebody leaves it by its key.
    pub leave: String,
    /// Under which name this browser keeps which of its windows was used last: that one replies to the program. None
    /// where nobody types.
    pub turn: Option<String>,
    /// Its size is told, and not that of the page.
    pub fixed: bool,
    pub read_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Options<'a> {
    #[serde(flatten)]
    looks: &'a Looks,
    font_size: u32,
    reader: bool,
}

/// What a person did at a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Typed(String),
    /// Nobody typed it: the terminal replies to its program.
    Replied(String),
    /// There is room for so many columns and rows.
    Sized(i32, i32),
    /// It is turned to, here or by a button beside it.
    Used,
}

/// The size of letters that was chosen last.
pub fn font_size() -> u32 {
    let kept = browser::stored(FONT).and_then(|size| size.parse().ok());
    kept.filter(|size| FONT_SIZES.contains(size)).unwrap_or(13)
}

/// Keeps the size of letters.
pub fn keep_font_size(size: u32) {
    browser::store(FONT, Some(&size.to_string()));
}

/// Whether a screen reader is to hear what is shown.
pub fn reader() -> bool {
    browser::stored(READER).is_some()
}

/// Keeps whether a screen reader is to hear what is shown.
pub fn keep_reader(on: bool) {
    browser::store(READER, on.then_some("1"));
}

fn property(of: &JsValue, name: &str) -> Option<JsValue> {
    let found = js_sys::Reflect::get(of, &name.into()).ok()?;
    (!found.is_undefined()).then_some(found)
}

fn call(of: &JsValue, name: &str, arguments: &[JsValue]) -> Option<JsValue> {
    let function: js_sys::Function = property(of, name)?.dyn_into().ok()?;
    let all = js_sys::Array::new();
    for argument in arguments {
        all.push(argument);
    }
    function.apply(of, &all).ok()
}

/// What a call gives later; None where it failed.
async fn later(called: Option<JsValue>) -> Option<JsValue> {
    let promise: js_sys::Promise = called?.dyn_into().ok()?;
    JsFuture::from(promise).await.ok()
}

/// The glue, once it is there; None where it did not arrive.
async fn glue() -> Option<JsValue> {
    let window: JsValue = web_sys::window()?.into();
    if let Some(glue) = property(&window, GLUE) {
        return Some(glue);
    }
    let document = browser::document()?;
    let script = document.create_element("script").ok()?;
    script.set_attribute("type", "module").ok()?;
    script
        .set_attribute("src", &browser::meta("cronium-terminal")?)
        .ok()?;
    let arrival = js_sys::Promise::new(&mut |resolve, _| {
        for kind in ["load", "error"] {
            // No element refuses a listener.
            let _ = script.add_event_listener_with_callback(kind, &resolve);
        }
    });
    document
        .query_selector("head")
        .ok()??
        .append_child(&script)
        .ok()?;
    // The promise only ever resolves.
    let _ = JsFuture::from(arrival).await;
    script.remove();
    property(&window, GLUE)
}

fn heard(kind: &str, detail: &str) -> Option<Heard> {
    Some(match kind {
        "typed" => Heard::Typed(detail.to_owned()),
        "replied" => Heard::Replied(detail.to_owned()),
        "sized" => {
            let (columns, rows) = detail.split_once(' ')?;
            Heard::Sized(columns.parse().ok()?, rows.parse().ok()?)
        }
        "used" => Heard::Used,
        _ => return None,
    })
}

/// A terminal on the page. It is out of view until it is shown somewhere, and gone when this is dropped.
pub struct Screen {
    inner: JsValue,
    _listener: Closure<dyn FnMut(web_sys::Event)>,
}

impl Screen {
    /// Opens one out of view; None where the library did not arrive.
    pub async fn open(looks: &Looks, out: UnboundedSender<Heard>) -> Option<Self> {
        let glue = glue().await?;
        let options = Options {
            looks,
            font_size: font_size(),
            reader: reader(),
        };
        let options = js_sys::JSON::parse(&serde_json::to_string(&options).ok()?).ok()?;
        let inner = later(call(&glue, "open", &[options])).await?;
        let host: web_sys::Element = property(&inner, "host")?.dyn_into().ok()?;
        let listener = Closure::<dyn FnMut(web_sys::Event)>::new(move |event: web_sys::Event| {
            let detail = property(&event, "detail").and_then(|detail| detail.as_string());
            if let Some(news) = heard(&event.type_(), &detail.unwrap_or_default()) {
                // Nobody listens to a terminal that has ended.
                let _ = out.unbounded_send(news);
            }
        });
        for kind in ["typed", "replied", "sized", "used"] {
            host.add_event_listener_with_callback(kind, listener.as_ref().unchecked_ref())
                .ok()?;
        }
        Some(Self {
            inner,
            _listener: listener,
        })
    }

    fn call(&self, name: &str, arguments: &[JsValue]) -> Option<JsValue> {
        call(&self.inner, name, arguments)
    }

    /// Puts it into an element of the page.
    pub fn show(&self, id: &str) {
        if let Some(parent) = browser::document().and_then(|document| document.get_element_by_id(id)) {
            self.call("show", &[parent.into()]);
        }
    }

    /// Takes it out of view. It goes on.
    pub fn hide(&self) {
        self.call("hide", &[]);
    }

    /// Shows bytes, in base64; done once they were taken in. What is `old` is not replied to.
    pub fn write(&self, data: &str, old: bool) -> LocalBoxFuture<'static, ()> {
        let taken = self.call("write", &[data.into(), old.into()]);
        Box::pin(async move {
            later(taken).await;
        })
    }

    /// Gives it a size, once all that came before is shown.
    pub fn resize(&self, columns: i32, rows: i32) -> LocalBoxFuture<'static, ()> {
        let taken = self.call("resize", &[columns.into(), rows.into()]);
        Box::pin(async move {
            later(taken).await;
        })
    }

    /// A key by its name, as the program wants to hear it.
    pub fn press(&self, key: &str, control: bool) {
        self.call("press", &[key.into(), control.into()]);
    }

    pub fn set_font_size(&self, size: u32) {
        self.call("setFontSize", &[size.into()]);
    }

    pub fn set_reader(&self, on: bool) {
        self.call("setReader", &[on.into()]);
    }

    /// Copies what is selected, or all; false where the browser refuses.
    pub fn copy(&self) -> LocalBoxFuture<'static, bool> {
        let done = self.call("copyAll", &[]);
        Box::pin(async move { later(done).await.is_some_and(|done| done.is_truthy()) })
    }

    /// Pastes what is on the clipboard; false where the browser refuses.
    pub fn paste(&self) -> LocalBoxFuture<'static, bool> {
        let done = self.call("pasteCopied", &[]);
        Box::pin(async move { later(done).await.is_some_and(|done| done.is_truthy()) })
    }

    pub fn focus(&self) {
        self.call("focus", &[]);
    }

    /// Empties it.
    pub fn reset(&self) {
        self.call("reset", &[]);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.call("dispose", &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_glue_tells_is_understood() {
        assert_eq!(heard("typed", "ls\r"), Some(Heard::Typed("ls\r".to_owned())));
        assert_eq!(
            heard("replied", "\u{1b}[0n"),
            Some(Heard::Replied("\u{1b}[0n".to_owned()))
        );
        assert_eq!(heard("sized", "132 43"), Some(Heard::Sized(132, 43)));
        assert_eq!(heard("used", ""), Some(Heard::Used));
        for (kind, detail) in [("sized", "132"), ("sized", "wide high"), ("rang", "")] {
            assert_eq!(heard(kind, detail), None, "{kind} {detail}");
        }
    }

    #[test]
    fn the_glue_has_every_method_and_event_that_is_used() {
        let glue = include_str!("../../../assets/terminal.js");
        for method in [
            "show",
            "hide",
            "write",
            "resize",
            "press",
            "setFontSize",
            "setReader",
            "copyAll",
            "pasteCopied",
            "focus",
            "reset",
            "dispose",
            "open",
        ] {
            assert!(
                glue.contains(&format!("  {method}(")) || glue.contains(&format!("async {method}(")),
                "{method}"
            );
        }
        for event in ["typed", "replied", "sized", "used"] {
            assert!(glue.contains(&format!("#tell('{event}'")), "{event}");
        }
        assert!(glue.contains(GLUE));
    }

    #[test]
    fn options_are_named_as_the_glue_reads_them() {
        let looks = Looks {
            columns: 80,
            rows: 24,
            label: "Terminal".to_owned(),
            hint: None,
            leave: "after".to_owned(),
            turn: None,
            fixed: true,
            read_only: true,
        };
        let options = Options {
            looks: &looks,
            font_size: 13,
            reader: false,
        };
        let serde_json::Value::Object(told) = serde_json::to_value(&options).unwrap() else {
            panic!("no object");
        };
        let glue = include_str!("../../../assets/terminal.js");
        let read = glue
            .split("constructor({")
            .nth(1)
            .unwrap()
            .split('}')
            .next()
            .unwrap();
        let mut read: Vec<&str> = read.split(',').map(str::trim).collect();
        read.sort_unstable();
        let mut told: Vec<&str> = told.keys().map(String::as_str).collect();
        told.sort_unstable();
        assert_eq!(told, read);
    }
}
