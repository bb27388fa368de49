//! What the browser offers: time, storage, the document. Outside a browser each function gives a
//! harmless answer, so that modules above can be tested on the host. Knows nothing of the product.

use std::time::Duration;

/// Milliseconds since 1970, by the browser's clock.
pub fn now_ms() -> f64 {
    #[cfg(target_arch = "wasm32")]
    return js_sys::Date::now();
    #[cfg(not(target_arch = "wasm32"))]
    0.0
}

/// Minutes to add to local time to get UTC at a moment, so negative east of Greenwich.
pub fn utc_offset_minutes(at_ms: f64) -> f64 {
    #[cfg(target_arch = "wasm32")]
    return js_sys::Date::new(&at_ms.into()).get_timezone_offset();
    #[cfg(not(target_arch = "wasm32"))]
    {
        let _ = at_ms;
        0.0
    }
}

/// The moment of a local date and time as a `datetime-local` field has it; none where it is none.
pub fn local_moment(text: &str) -> Option<f64> {
    #[cfg(target_arch = "wasm32")]
    let at = js_sys::Date::parse(text);
    #[cfg(not(target_arch = "wasm32"))]
    let at = if text.is_empty() { f64::NAN } else { 0.0 };
    at.is_finite().then_some(at)
}

/// A moment as a `datetime-local` field takes it, on the clock of the person's place.
pub fn local_text(at_ms: f64) -> String {
    let local = (at_ms - utc_offset_minutes(at_ms) * 60_000.0) as i64;
    chrono::DateTime::from_timestamp_millis(local)
        .map(|at| at.format("%Y-%m-%dT%H:%M").to_string())
        .unwrap_or_default()
}

/// The name of the person's time zone, such as `Europe/Madrid`.
pub fn time_zone() -> String {
    #[cfg(target_arch = "wasm32")]
    {
        let format = js_sys::Intl::DateTimeFormat::new(&js_sys::Array::new(), &js_sys::Object::new());
        let zone = js_sys::Reflect::get(&format.resolved_options(), &"timeZone".into());
        zone.ok().and_then(|zone| zone.as_string()).unwrap_or_default()
    }
    #[cfg(not(target_arch = "wasm32"))]
    "UTC".to_owned()
}

/// A word that no other call gives again: not a secret.
pub fn unique(prefix: &str) -> String {
    #[cfg(target_arch = "wasm32")]
    let chance = js_sys::Math::random();
    #[cfg(not(target_arch = "wasm32"))]
    let chance = 0.5;
    format!("{prefix}-{:x}-{:x}", now_ms() as u64, (chance * 9e15) as u64)
}

/// Waits without blocking.
pub async fn sleep(time: Duration) {
    let millis = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
    let promise = js_sys::Promise::new(&mut |resolve, _| {
        if let Some(window) = web_sys::window() {
            // A refused timer would leave the promise open; the browser refuses none.
            let _ = window.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, millis);
        }
    });
    // The promise only ever resolves.
    let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
}

fn window() -> Option<web_sys::Window> {
    cfg!(target_arch = "wasm32").then(web_sys::window).flatten()
}

/// The page's document.
pub fn document() -> Option<web_sys::Document> {
    window()?.document()
}

/// A value that this browser keeps for us; none where storage is forbidden.
pub fn stored(key: &str) -> Option<String> {
    window()?.local_storage().ok()??.get_item(key).ok()?
}

/// Keeps a value, or removes it. Where storage is forbidden the choice lasts until the reload.
pub fn store(key: &str, value: Option<&str>) {
    if let Some(storage) = window().and_then(|window| window.local_storage().ok().flatten()) {
        let _ = match value {
            Some(value) => storage.set_item(key, value),
            None => storage.remove_item(key),
        };
    }
}

/// The languages that the person's browser asks for, best first.
pub fn languages() -> Vec<String> {
    window()
        .map(|window| {
            window
                .navigator()
                .languages()
                .iter()
                .filter_map(|tag| tag.as_string())
                .collect()
        })
        .unwrap_or_default()
}

/// The scheme and host that this page came from, such as `https://cronium.example`.
pub fn origin() -> String {
    window()
        .and_then(|window| window.location().origin().ok())
        .unwrap_or_default()
}

/// The host name that this page came from.
pub fn host() -> String {
    window()
        .and_then(|window| window.location().host().ok())
        .unwrap_or_default()
}

/// The address of this page without the origin: path, query and fragment.
pub fn address() -> String {
    let Some(location) = window().map(|window| window.location()) else {
        return "/".to_owned();
    };
    [location.pathname(), location.search(), location.hash()]
        .into_iter()
        .filter_map(Result::ok)
        .collect()
}

/// The WebSocket address of a path on our own origin.
pub fn socket_url(path: &str) -> Option<String> {
    let location = window()?.location();
    let scheme = if location.protocol().ok()? == "https:" {
        "wss"
    } else {
        "ws"
    };
    Some(format!("{scheme}://{}{path}", location.host().ok()?))
}

/// Sets an attribute of the root element, or removes it.
pub fn root_attribute(name: &str, value: Option<&str>) {
    if let Some(root) = document().and_then(|document| document.document_element()) {
        let _ = match value {
            Some(value) => root.set_attribute(name, value),
            None => root.remove_attribute(name),
        };
    }
}

/// Sets the title of the window.
pub fn set_title(title: &str) {
    if let Some(document) = document() {
        document.set_title(title);
    }
}

/// The content of a `<meta name>` of the page.
pub fn meta(name: &str) -> Option<String> {
    document()?
        .query_selector(&format!("meta[name='{name}']"))
        .ok()??
        .get_attribute("content")
}

/// Removes an element by its id.
pub fn remove_element(id: &str) {
    if let Some(element) = document().and_then(|document| document.get_element_by_id(id)) {
        element.remove();
    }
}

/// Whether there is room for panes beside each other; the style sheet breaks at the same width.
pub fn is_wide() -> bool {
    let matches = |window: web_sys::Window| window.match_media("(min-width: 1001px)").ok().flatten();
    window().and_then(matches).is_none_or(|query| query.matches())
}

/// How the command key is written on this machine.
pub fn command_key() -> &'static str {
    let apple = window()
        .and_then(|window| window.navigator().platform().ok())
        .is_some_and(|name| name.starts_with("Mac"));
    if apple { "⌘" } else { "Ctrl " }
}

/// Opens an address of ours in a tab of its own.
pub fn open_tab(address: &str) {
    if let Some(window) = window() {
        // A browser that refuses has told the person itself.
        let _ = window.open_with_url_and_target(address, "_blank");
    }
}

/// Loads the page anew.
pub fn reload() {
    if let Some(window) = window() {
        // A browser that refuses keeps the page as it is.
        let _ = window.location().reload();
    }
}

/// Whether a point of the window lies outside of an element.
pub fn is_outside(id: &str, x: f64, y: f64) -> bool {
    let element = document().and_then(|document| document.get_element_by_id(id));
    element.is_some_and(|element| {
        let place = element.get_bounding_client_rect();
        x < place.left() || x > place.right() || y < place.top() || y > place.bottom()
    })
}

/// Whether a dialog is open, to which keys belong.
pub fn has_dialog() -> bool {
    document()
        .and_then(|document| document.query_selector("dialog[open]").ok().flatten())
        .is_some()
}

/// Whether an element has the focus.
pub fn has_focus(element: &web_sys::Element) -> bool {
    document().and_then(|document| document.active_element()).as_ref() == Some(element)
}

/// Moves the focus to an element by its id.
pub fn focus(id: &str) {
    use wasm_bindgen::JsCast as _;
    let element = document().and_then(|document| document.get_element_by_id(id));
    if let Some(element) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = element.focus();
    }
}

/// Scrolls a row sideways, as far as it takes to see one of its parts. The page stays where it is.
pub fn show_within(row: &str, part: &str) {
    let element = |id: &str| document()?.get_element_by_id(id);
    let (Some(row), Some(part)) = (element(row), element(part)) else {
        return;
    };
    let (around, at) = (row.get_bounding_client_rect(), part.get_bounding_client_rect());
    let past = (at.right() - around.right()).max(0.0) + (at.left() - around.left()).min(0.0);
    row.set_scroll_left(row.scroll_left() + past as i32);
}

/// Moves the focus to an element that the next drawing brings.
pub fn focus_soon(id: &'static str) {
    wasm_bindgen_futures::spawn_local(async move {
        for _ in 0..40 {
            sleep(Duration::from_millis(16)).await;
            if document().is_some_and(|document| document.get_element_by_id(id).is_some()) {
                focus(id);
                return;
            }
        }
    });
}

/// Moves the focus to the first field that is marked as wrong, as soon as one is on the page; of several forms to the
/// one that is being sent.
pub fn focus_invalid() {
    use wasm_bindgen::JsCast as _;
    let form = document()
        .and_then(|document| document.active_element())
        .and_then(|active| active.closest("main form").ok().flatten());
    let first = move |look: u32| {
        let document = document()?;
        // Where it has none the fault stands elsewhere, such as on another tab.
        if let Some(form) = form.as_ref().filter(|form| look < 10 && form.is_connected()) {
            let found = form.query_selector("[aria-invalid='true']").ok().flatten();
            return found?.dyn_into::<web_sys::HtmlElement>().ok();
        }
        let found = ["dialog[open] [aria-invalid='true']", "main [aria-invalid='true']"]
            .into_iter()
            .find_map(|wrong| document.query_selector(wrong).ok().flatten())?;
        found.dyn_into::<web_sys::HtmlElement>().ok()
    };
    wasm_bindgen_futures::spawn_local(async move {
        // The mark appears with the next drawing, or with the tab that the page turns to.
        for look in 0..40 {
            sleep(Duration::from_millis(16)).await;
            if let Some(field) = first(look) {
                let _ = field.focus();
                return;
            }
        }
    });
}

/// Closes every open menu and drawer.
pub fn close_popovers() {
    use wasm_bindgen::JsCast as _;
    let open = document().and_then(|document| document.query_selector_all(":popover-open").ok());
    let Some(open) = open else { return };
    for at in 0..open.length() {
        if let Some(element) = open
            .get(at)
            .and_then(|node| node.dyn_into::<web_sys::HtmlElement>().ok())
        {
            // Fails only for one that closed meanwhile.
            let _ = element.hide_popover();
        }
    }
}

/// A word that no other visit uses: the beginning of keys that tell requests apart.
pub fn mark() -> String {
    #[cfg(target_arch = "wasm32")]
    let chance = js_sys::Math::random();
    #[cfg(not(target_arch = "wasm32"))]
    let chance = 0.5;
    format!("{:x}-{:x}", now_ms() as u64, (chance * 2_f64.powi(52)) as u64)
}

/// Puts text on the clipboard; false where the browser refuses.
pub async fn copy(text: &str) -> bool {
    let Some(window) = window() else { return false };
    wasm_bindgen_futures::JsFuture::from(window.navigator().clipboard().write_text(text))
        .await
        .is_ok()
}

/// Clicks what the page does not show, such as the browser's own field for a file.
pub fn press(id: &str) {
    use wasm_bindgen::JsCast as _;
    let element = document().and_then(|document| document.get_element_by_id(id));
    if let Some(element) = element.and_then(|element| element.dyn_into::<web_sys::HtmlElement>().ok()) {
        element.click();
    }
}

/// The text of the file that was chosen in a field, which forgets it, so that it may be chosen again; None for none,
/// and for what is no text.
pub async fn chosen_text(id: &str) -> Option<String> {
    use wasm_bindgen::JsCast as _;
    let field: web_sys::HtmlInputElement = document()?.get_element_by_id(id)?.dyn_into().ok()?;
    let file = field.files()?.get(0)?;
    let text = wasm_bindgen_futures::JsFuture::from(file.text())
        .await
        .ok()?
        .as_string();
    field.set_value("");
    // What is no UTF-8 comes with marks in its place.
    text.filter(|text| !text.contains('\u{fffd}'))
}

/// Gives a text to the person as a file.
pub fn save(text: &str, name: &str, kind: &str) {
    use wasm_bindgen::{JsCast as _, JsValue};
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(kind);
    let parts = js_sys::Array::of1(&JsValue::from_str(text));
    let Ok(blob) = web_sys::Blob::new_with_str_sequence_and_options(&parts, &options) else {
        return;
    };
    let Ok(address) = web_sys::Url::create_object_url_with_blob(&blob) else {
        return;
    };
    let link = document().and_then(|document| document.create_element("a").ok());
    if let Some(link) = link.and_then(|link| link.dyn_into::<web_sys::HtmlAnchorElement>().ok()) {
        link.set_href(&address);
        link.set_download(name);
        link.click();
    }
    // Fails only for an address that is no longer one.
    let _ = web_sys::Url::revoke_object_url(&address);
}

/// A day as the language writes it in short, for example `17 Mar`.
pub fn date_label(at_ms: f64, language: &str) -> String {
    #[cfg(target_arch = "wasm32")]
    {
        let options = js_sys::Object::new();
        // Setting a field of a plain object can't fail.
        let _ = js_sys::Reflect::set(&options, &"day".into(), &"numeric".into());
        let _ = js_sys::Reflect::set(&options, &"month".into(), &"short".into());
        js_sys::Date::new(&at_ms.into())
            .to_locale_date_string(language, &options)
            .into()
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        let _ = language;
        format!("{at_ms}")
    }
}
