//! What comes through, by name; and what holds for any bytes.

use proptest::prelude::*;

use super::*;

fn shown_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut filter, mut shown) = (Filter::default(), Vec::new());
    for piece in pieces {
        filter.pass(piece, &mut shown);
    }
    filter.end(&mut shown);
    shown
}

fn shown(bytes: &[u8]) -> Vec<u8> {
    shown_of([bytes])
}

#[track_caller]
fn assert_shows(bytes: impl AsRef<[u8]>, meant: impl AsRef<[u8]>) {
    let (bytes, meant) = (bytes.as_ref(), meant.as_ref());
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    assert_eq!(text(&shown(bytes)), text(meant), "for {}", text(bytes));
    // However it is cut.
    for at in 0..=bytes.len() {
        let (one, two) = bytes.split_at(at);
        assert_eq!(text(&shown_of([one, two])), text(meant), "cut at {at}");
    }
    assert_eq!(text(&shown_of(bytes.chunks(1))), text(meant), "byte by byte");
}

#[track_caller]
fn assert_passes(bytes: impl AsRef<[u8]>) {
    assert_shows(bytes.as_ref(), bytes.as_ref());
}

#[test]
fn what_programs_draw_with_passes_as_it_is() {
    for drawn in [
        "plain text\r\nnext\tline\x08\x07",
        "\x1b[1;31mred\x1b[0m \x1b[38;2;255;128;0mtrue\x1b[48:2::1:2:3mcolour\x1b[m",
        "\x1b[2J\x1b[H\x1b[10;20H\x1b[K\x1b[1A\x1b[3;20r\x1b[4h\x1b[2 q",
        "\x1b[?1049h\x1b[?2004h\x1b[?1000;1006h\x1b[?25l\x1b[>4;2m\x1b[!p",
        "\x1b[6n\x1b[c\x1b[>c\x1b[5n\x1b[?2026$p",
        "\x1b7\x1b8\x1b=\x1b>\x1bM\x1bc\x1b(0lqqk\x1b(B\x1b)0\x0e\x0f\x1b#8",
        "é 本語 🦀 \u{a0}",
    ] {
        assert_passes(drawn);
    }
}

#[test]
fn the_clipboard_is_neither_read_nor_written() {
    for attack in [
        "\x1b]52;c;ZWNobyBwd25lZA==\x07",
        "\x1b]52;c;?\x1b\\",
        "\x1b]52;c;?\u{9c}",
        "\u{9d}52;c;ZWNobw==\u{9c}",
        "\u{9d}52;c;ZWNobw==\x07",
        "\x1b]5\n2;c;ZWNobw==\x07",
        "\x1b]052;c;ZWNobw==\x07",
        "\x1b]1337;Copy=:ZWNobw==\x07",
        "\x1b]50;?\x07",
        "\x1b]4;1;?\x07",
        "\x1b]10;?\x07",
        "\x1b]7;file:///etc\x07",
        "\x1b]9;hello\x07",
        "\x1b]777;notify;a;b\x07",
        "\x1b]\x07",
        "\x1b];\x07",
        "\x1b]l title\x1b\\",
    ] {
        assert_shows(format!("a{attack}b"), "ab");
    }
}

/// A byte that is no character is no control for a terminal that reads UTF-8, and stays none: what follows is text.
#[test]
fn controls_of_eight_bits_outside_of_characters_are_no_controls() {
    assert_shows(b"a\x9d52;c;ZWNobw==\x9cb", "a\u{fffd}52;c;ZWNobw==\u{fffd}b");
    assert_shows(b"a\x9b21tb\x90c\x9f", "a\u{fffd}21tb\u{fffd}c\u{fffd}");
    // As a longer form of the same character, which none is.
    assert_shows(b"a\xe0\x82\x9d52;c;?\x07", "a\u{fffd}\u{fffd}\u{fffd}52;c;?\x07");
}

#[test]
fn controls_of_eight_bits_are_what_they_are_with_esc() {
    assert_shows("a\u{9b}31mb\u{9b}21tc", "a\x1b[31mbc");
    assert_shows(
        "a\u{90}$qm\u{9c}b\u{98}x\u{9c}c\u{9e}x\u{9c}d\u{9f}x\u{9c}e",
        "abcde",
    );
    assert_shows("a\u{85}b\u{84}c\u{9c}d", "abcd");
}

#[test]
fn characters_whose_later_bytes_look_like_controls_are_whole() {
    // Among their bytes are 0x90, 0x9b, 0x9c, 0x9d, 0x9e and 0x9f.
    assert_passes("А本œŜěş一🐝ސ\u{1d11e}");
    assert_shows("\x1b]0;А本œŜ🐝\x07", "\x1b]0;А本œŜ🐝\x1b\\");
}

#[test]
fn bytes_that_are_no_characters_are_shown_as_such() {
    assert_shows(b"caf\xe9 \xc3", "caf\u{fffd} \u{fffd}");
    assert_shows(b"\xf0\x9f\x1b[1m", "\u{fffd}\x1b[1m");
    assert_shows(b"\x1b[3\xe41m", "\u{fffd}1m");
}

#[test]
fn titles_are_short_and_plain() {
    assert_shows("\x1b]2;vim: a.rs\x07", "\x1b]2;vim: a.rs\x1b\\");
    assert_shows("\x1b]0;\x1b\\", "\x1b]0;\x1b\\");
    assert_shows(
        "\x1b]1;a\tb\nc\x01\u{202e}d\u{200b}e\x7f\x07",
        "\x1b]1;abcde\x1b\\",
    );
    let long = "é".repeat(MAX_COMMAND / 3);
    assert_shows(
        format!("\x1b]0;{long}\x07"),
        format!("\x1b]0;{}\x1b\\", "é".repeat(200)),
    );
}

#[test]
fn links_lead_to_pages_only() {
    let link = |address: &str| format!("\x1b]8;id=a1;{address}\x1b\\text\x1b]8;;\x1b\\");
    for good in ["http://a", "https://example.org/a?b=c;d#e", "HTTPS://example.org"] {
        assert_passes(link(good));
    }
    for bad in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,x",
        "ssh://a",
        "https:/a",
        "https://",
        "http://a b",
        "http://é",
        " https://a",
    ] {
        assert_shows(link(bad), "text\x1b]8;;\x1b\\");
    }
    assert_shows(
        link(&format!("https://{}", "a".repeat(2048))),
        "text\x1b]8;;\x1b\\",
    );
    assert_shows("\x1b]8;id=a b;https://a\x07", "\x1b]8;;https://a\x1b\\");
    assert_shows("\x1b]8;https://a\x07", "");
}

#[test]
fn nothing_is_asked_that_would_be_answered_with_text() {
    for attack in [
        // Settings (DECRQSS), terminal information (XTGETTCAP), keys (DECUDK), pictures.
        "\x1bP$qm\x1b\\",
        "\x1bP+q544e\x1b\\",
        "\x1bP0;1|17/0d\x1b\\",
        "\x1bPq#0;2;0;0;0~\x1b\\",
        "\x1b_Ga=T;AAAA\x1b\\",
        "\x1b^private\x1b\\",
        "\x1bXstart\x1b\\",
        // Titles of window and icon, the stack of titles, size and place of the window.
        "\x1b[21t",
        "\x1b[20t",
        "\x1b[22;0t\x1b[23;0t",
        "\x1b[8;10;10t",
        "\x1b[3;0;0t\x1b[>2t",
        // What stands on the screen, and printing it.
        "\x1b[1;1;1;1;10;10*y",
        "\x1b[5i\x1b[4i\x1b[?5i",
        // What the terminal is called; reading and answering in another encoding.
        "\x05",
        "\x1b%@\x1b%G",
        "\x1b F\x1b G",
        "\x1b$B",
    ] {
        assert_shows(format!("a{attack}b"), "ab");
    }
}

#[test]
fn a_string_in_a_string_ends_it() {
    assert_shows("a\x1b]0;one\x1b]52;c;eA==\x07b", "ab");
    assert_shows("a\x1b]0;one\x1b[31mb", "a\x1b[31mb");
    assert_shows("a\x1bPone\x1b]0;two\x07b", "a\x1b]0;two\x1b\\b");
    assert_shows("a\x1b]52;c;\u{9d}0;two\x07b", "a\x1b]0;two\x1b\\b");
    assert_shows("a\x1bPone\x07still\x1b\\b", "ab");
    assert_shows("a\x1b]0;one\x1b\x1b\\b", "ab");
    for end in ['\x18', '\x1a'] {
        assert_shows(
            format!("a\x1b]0;one{end}b\x1b[3{end}c\x1b{end}d\x1bPx{end}e"),
            "abcde",
        );
    }
}

#[test]
fn controls_within_a_sequence_are_done_at_once() {
    assert_shows("a\x1b[3\r\n1mb", "a\r\n\x1b[31mb");
    assert_shows("a\x1b[3\x051mb\x1b\x08Mc", "a\x1b[31mb\x08\x1bMc");
}

#[test]
fn what_never_ends_takes_no_room_and_shows_nothing() {
    let endless = vec![b'x'; 10 * MAX_COMMAND];
    for begin in [
        "\x1b]0;",
        "\x1b]52;c;",
        "\x1bP",
        "\x1b_",
        "\x1b[",
        "\x1b(",
        "\x1b[1",
    ] {
        let (mut filter, mut shown) = (Filter::default(), Vec::new());
        filter.pass(begin.as_bytes(), &mut shown);
        // Digits and blanks end nothing.
        let more = if begin.ends_with('(') {
            [b' '; 999]
        } else {
            [b'1'; 999]
        };
        for _ in 0..10 {
            filter.pass(&more, &mut shown);
        }
        assert!(shown.is_empty(), "{begin:?}");
        assert!(filter.held.capacity() <= 2 * MAX_COMMAND, "{begin:?}");
    }
    // A command that is too long ends as commands do.
    let long = [
        b"a\x1b]0;".as_slice(),
        &endless,
        b"\x07b\x1b]0;",
        &endless,
        b"\x1b\\c",
    ]
    .concat();
    assert_eq!(shown(&long), b"abc");
}

#[test]
fn nothing_is_done_more_often_than_anybody_could_see() {
    assert_shows(
        "\x1b[2147483647bx\x1b[00000000000000000005C",
        "\x1b[32767bx\x1b[5C",
    );
    assert_shows("\x1b[99999;000;1H", "\x1b[99999;0;1H");
}

#[test]
fn sequences_out_of_form_are_passed_over() {
    assert_shows("a\x1b[1 2mb", "ab");
    assert_shows("a\x1bYb\x1b\\c", "abc");
}

#[test]
fn no_more_comes_out_than_is_said() {
    let worst = [0xff_u8; 1000];
    assert!(shown(&worst).len() <= most(worst.len()));
    let mut filter = Filter::default();
    let mut before = Vec::new();
    filter.pass(format!("\x1b]0;{}", "é".repeat(200)).as_bytes(), &mut before);
    let mut after = Vec::new();
    filter.pass(b"\x07", &mut after);
    assert!(before.is_empty() && after.len() <= most(1));
}

/// Reads what came out as strictly as a terminal might: text, ten controls, and whole sequences of known kinds.
fn assert_harmless(shown: &[u8]) {
    let text = std::str::from_utf8(shown).expect("whole characters");
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\x1b' => rest = sequence(rest),
            '\x07'..='\x0f' | ' '..='~' => {}
            c => assert!(c >= '\u{a0}', "{c:?} in {text:?}"),
        }
    }
}

/// What follows the sequence.
fn sequence(rest: &str) -> &str {
    let first = rest.chars().next().expect("more than ESC");
    match first {
        '[' => {
            let end = rest[1..]
                .find(|c: char| ('@'..='~').contains(&c))
                .expect("an end")
                + 1;
            let last = &rest[end..=end];
            assert!(
                rest[1..end].bytes().all(|byte| (b' '..=b'?').contains(&byte)),
                "{rest:?}"
            );
            assert!(last != "t" && last != "i", "{rest:?}");
            &rest[end + 1..]
        }
        ']' => {
            let (command, after) = rest[1..].split_once("\x1b\\").expect("an end");
            assert!(!command.chars().any(char::is_control), "{command:?}");
            let (what, said) = command.split_once(';').expect("what it is");
            match what {
                "0" | "1" | "2" => assert!(said.chars().count() <= 200),
                "8" => {
                    let address = said.split_once(';').expect("an address").1.to_lowercase();
                    assert!(address.is_empty() || address.starts_with("http"), "{address:?}");
                }
                _ => panic!("{command:?}"),
            }
            after
        }
        '(' | ')' | '*' | '+' | '#' => &rest[2..],
        '6'..='9'
        | '='
        | '>'
        | 'D'
        | 'E'
        | 'H'
        | 'M'
        | 'N'
        | 'O'
        | 'Z'
        | 'c'
        | 'n'
        | 'o'
        | '|'
        | '}'
        | '~' => &rest[1..],
        other => panic!("ESC {other:?}"),
    }
}

/// Parts of which sequences are made, and anything else.
fn any_output() -> impl Strategy<Value = Vec<u8>> {
    let parts: [&[u8]; 36] = [
        b"\x1b",
        b"\x1b[",
        b"\x1b]",
        b"\x1bP",
        b"\x1b_",
        b"\x1b^",
        b"\x1bX",
        b"\x1b\\",
        b"\x07",
        b"\x18",
        b"\x1a",
        b"\x05",
        b"\x00",
        b"\x9b",
        b"\x9c",
        b"\x9d",
        b"\xc2\x9b",
        b"\xc2\x9c",
        b"\xc2\x9d",
        b"\xc2\x90",
        b"\xc2",
        b"\xe6\x9c\xac",
        b"\xf0\x9f",
        b"52;c;?",
        b"0;title",
        b"8;;https://a",
        b"8;;javascript:x",
        b"21t",
        b"1;31m",
        b"?1049h",
        b"99999999999b",
        b"5i",
        b"$q",
        b"(0",
        b"%@",
        b"text",
    ];
    let part = prop_oneof![
        4 => prop::sample::select(parts.map(<[u8]>::to_vec).to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_output_is_harmless_when_it_comes_out(bytes in any_output()) {
        assert_harmless(&shown(&bytes));
    }

    #[test]
    fn any_bytes_are_harmless_when_they_come_out(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        assert_harmless(&shown(&bytes));
    }

    #[test]
    fn how_it_is_cut_makes_no_difference(bytes in any_output(), pieces in prop::collection::vec(1_usize..9, 1..40)) {
        let mut rest = bytes.as_slice();
        let mut cut = Vec::new();
        for length in pieces {
            let (piece, more) = rest.split_at(length.min(rest.len()));
            cut.push(piece);
            rest = more;
        }
        cut.push(rest);
        prop_assert_eq!(shown_of(cut), shown(&bytes));
    }

    #[test]
    fn what_came_out_comes_out_again(bytes in any_output()) {
        let once = shown(&bytes);
        prop_assert_eq!(shown(&once), once);
    }
}
