//! Which whole sequences a terminal is told, and in what words. It must not know how they are found.

use std::ops::RangeInclusive;

use super::ESCAPE;

/// Longest title, in characters.
const MAX_TITLE: usize = 200;
/// Longest address of a link, and longest text beside it.
const MAX_LINK: usize = 2048;
const MAX_LINK_PARAMETERS: usize = 250;
/// Numbers are cut to this: a terminal may do something as often as it is told to.
const MAX_NUMBER: &[u8] = b"32767";

/// ESC, then `between`, then `last`. Save and restore, keypad modes, lines and tabs, sets of characters, reset. Not
/// those that make the terminal read or answer in another encoding.
pub fn is_escape(between: &[u8], last: u8) -> bool {
    match between {
        [] => b"6789=>DEHMNOZcno|}~".contains(&last),
        [b'(' | b')' | b'*' | b'+'] => last.is_ascii_alphanumeric() || b"=<>`".contains(&last),
        [b'#'] => matches!(last, b'3'..=b'6' | b'8'),
        _ => false,
    }
}

/// A control sequence: `held` between ESC [ and `last`. All but those that move or ask for the window (`t`), print what
/// is shown (`i`), or tell what stands somewhere (`* y`).
pub fn control(held: &[u8], last: u8, shown: &mut Vec<u8>) {
    let is_parameter = |byte: &u8| (b'0'..=b'?').contains(byte);
    let (parameters, between) = held.split_at(held.iter().take_while(|byte| is_parameter(byte)).count());
    if between.iter().any(is_parameter) || matches!(last, b't' | b'i') || (between == b"*" && last == b'y') {
        return;
    }
    shown.extend_from_slice(&[ESCAPE, b'[']);
    for part in parameters.chunk_by(|one, next| one.is_ascii_digit() && next.is_ascii_digit()) {
        shown.extend_from_slice(number(part));
    }
    shown.extend_from_slice(between);
    shown.push(last);
}

/// Digits as they are meant, or another byte as it is.
fn number(part: &[u8]) -> &[u8] {
    let zeros = part.iter().take_while(|byte| **byte == b'0').count();
    match &part[zeros.min(part.len() - 1)..] {
        long if long.len() > MAX_NUMBER.len() => MAX_NUMBER,
        whole => whole,
    }
}

/// A command of the operating system: titles and links.
pub fn command(held: &[u8], shown: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(held);
    let told = match text.split_once(';') {
        Some((what @ ("0" | "1" | "2"), title)) => Some(format!("{what};{}", printable(title))),
        Some(("8", link)) => link.split_once(';').and_then(|(parameters, address)| {
            is_address(address).then(|| format!("8;{};{address}", link_parameters(parameters)))
        }),
        _ => None,
    };
    if let Some(told) = told {
        shown.extend_from_slice(&[ESCAPE, b']']);
        shown.extend_from_slice(told.as_bytes());
        shown.extend_from_slice(&[ESCAPE, b'\\']);
    }
}

/// Without what turns or hides the text around it: a title stands in the page, not in the terminal.
fn printable(title: &str) -> String {
    const HIDE: [RangeInclusive<char>; 4] = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
    ];
    let shows = |c: &char| !c.is_control() && !HIDE.iter().any(|range| range.contains(c));
    title.chars().filter(shows).take(MAX_TITLE).collect()
}

/// A page somewhere, or the end of a link.
fn is_address(address: &str) -> bool {
    let begins = |scheme: &str| {
        let start = address.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme)) && address.len() > scheme.len()
    };
    let is_plain = address.len() <= MAX_LINK && address.bytes().all(|byte| byte.is_ascii_graphic());
    address.is_empty() || (is_plain && (begins("http://") || begins("https://")))
}

/// What makes one link of its parts; nothing where it is odd.
fn link_parameters(parameters: &str) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=:._-".contains(&byte);
    if parameters.len() <= MAX_LINK_PARAMETERS && parameters.bytes().all(plain) {
        parameters
    } else {
        ""
    }
}
