//! The keyboard among the boxes of a table: the arrow keys lead from row to row.

use wasm_bindgen::JsCast as _;

use crate::browser;

/// The box that heads the table.
pub const HEAD: &str = "runs-select-all";

/// Moves the focus from the box of a row to that of the next or the last one, and gives the row's id; None where the
/// focus is on no box, or there is no such row.
pub fn step(down: bool) -> Option<String> {
    let row = browser::document()?.active_element()?.closest("tr").ok()??;
    let next = if down {
        row.next_element_sibling()
    } else {
        row.previous_element_sibling()
    }?;
    let found = next.query_selector("input.box").ok()??;
    let found: web_sys::HtmlInputElement = found.dyn_into().ok()?;
    // Fails only for an element that left the page meanwhile.
    let _ = found.focus();
    Some(found.value())
}

/// Whether the focus is on the box of a row.
pub fn on_box() -> bool {
    let active = browser::document().and_then(|document| document.active_element());
    active.is_some_and(|active| active.matches("tbody input.box").unwrap_or(false))
}

/// Shows the box that heads a table as neither on nor off.
pub fn show_mixed(mixed: bool) {
    let head = browser::document().and_then(|document| document.get_element_by_id(HEAD));
    if let Some(head) = head.and_then(|head| head.dyn_into::<web_sys::HtmlInputElement>().ok()) {
        head.set_indeterminate(mixed);
    }
}
