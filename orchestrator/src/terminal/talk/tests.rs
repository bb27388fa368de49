use super::*;

/// A clock that goes as it is told to.
struct Clock(Now);

impl Clock {
    fn new() -> Self {
        Self(Now {
            at: Instant::now(),
            us: 1_000_000,
        })
    }

    fn after(&mut self, ms: u64) -> Now {
        self.0.at += Duration::from_millis(ms);
        self.0.us += i64::try_from(ms).unwrap() * 1000;
        self.0
    }
}

/// Numbers and texts of what is shown.
fn outputs(words: &[FromTerminal]) -> Vec<(u64, String)> {
    let of = |word: &FromTerminal| match word {
        FromTerminal::Output { number, data, .. } => {
            Some((*number, String::from_utf8(data.clone()).unwrap()))
        }
        _ => None,
    };
    words.iter().filter_map(of).collect()
}

fn output(number: u64, text: &str) -> (u64, String) {
    (number, text.to_owned())
}

/// One that has shown these, each as a piece.
fn shown(texts: &[&str]) -> (Talk, Clock) {
    let (mut talk, mut clock) = (Talk::new(), Clock::new());
    talk.open();
    for text in texts {
        talk.show(text.as_bytes(), clock.after(10));
    }
    (talk, clock)
}

#[test]
fn a_key_is_shown_at_once_and_a_burst_is_gathered() {
    let (mut talk, mut clock) = (Talk::new(), Clock::new());
    talk.show(b"a", clock.after(0));
    assert_eq!(outputs(&talk.words()), [output(1, "a")]);
    for text in ["b", "c"] {
        talk.show(text.as_bytes(), clock.after(1));
        assert_eq!(talk.words(), []);
    }
    let due = talk.due().unwrap();
    let now = clock.after(3);
    assert_eq!(due, now.at);
    talk.cut(now);
    assert_eq!(talk.due(), None);
    let at_us = now.us;
    let data = b"bc".to_vec();
    assert_eq!(
        talk.words(),
        [FromTerminal::Output {
            number: 2,
            at_us,
            data
        }]
    );
    // After a pause.
    talk.show(b"d", clock.after(5));
    assert_eq!(outputs(&talk.words()), [output(3, "d")]);
}

#[test]
fn pieces_are_short_and_cut_between_characters() {
    let (mut talk, mut clock) = (Talk::new(), Clock::new());
    let text = format!("x{}", "é".repeat(MAX_PIECE));
    talk.show(text.as_bytes(), clock.after(0));
    let pieces = outputs(&talk.words());
    let lengths: Vec<_> = pieces.iter().map(|(_, text)| text.len()).collect();
    assert_eq!(lengths, [MAX_PIECE - 1, MAX_PIECE, 2]);
    let whole: String = pieces.into_iter().map(|(_, text)| text).collect();
    assert_eq!(whole, text);
    // What comes soon after is gathered, but not without end.
    talk.show(&vec![b'x'; MAX_PIECE - 1], clock.after(1));
    assert_eq!(talk.words(), []);
    talk.show(b"xx", clock.after(1));
    assert_eq!(outputs(&talk.words()).len(), 2);
}

#[test]
fn no_more_is_shown_than_has_room_until_it_is_seen() {
    let (mut talk, mut clock) = (Talk::new(), Clock::new());
    let chunk = vec![b'x'; filter::most(CHUNK)];
    let mut sent = 0;
    while talk.has_room() {
        talk.show(&chunk, clock.after(10));
        sent += outputs(&talk.words())
            .iter()
            .map(|(_, text)| text.len())
            .sum::<usize>();
    }
    assert!(sent <= WINDOW && sent > WINDOW - 2 * chunk.len(), "{sent}");
    talk.seen(2);
    assert!(talk.has_room());
    talk.seen(talk.last);
    assert_eq!(talk.unseen, 0);
}

#[test]
fn many_small_pieces_have_no_more_room_than_few_large_ones() {
    let (mut talk, mut clock) = (Talk::new(), Clock::new());
    let mut shown = 0;
    while talk.has_room() {
        // After a pause each is a piece of its own.
        talk.show(b"x", clock.after(10));
        shown += 1;
    }
    assert_eq!(talk.pieces.len(), shown);
    assert!(shown <= WINDOW / (PIECE_COST + 1), "{shown}");
    talk.seen(talk.last);
    assert_eq!(talk.unseen, 0);
}

#[test]
fn after_a_new_connection_nothing_is_missing_and_nothing_comes_twice() {
    let (mut talk, mut clock) = shown(&["a", "b", "c"]);
    assert_eq!(outputs(&talk.words()).len(), 3);
    talk.seen(1);
    talk.cut_off();
    talk.show(b"d", clock.after(10));
    assert_eq!(talk.words(), [], "nobody listens");
    talk.go_on(2, 0);
    let words = talk.words();
    assert_eq!(words.first(), Some(&FromTerminal::Opened));
    assert_eq!(outputs(&words), [output(3, "c"), output(4, "d")]);
    assert_eq!(talk.words(), []);
    // What it has already is not kept any longer, and what was seen before is not there any more.
    assert_eq!(talk.pieces.len(), 2);
    talk.go_on(0, 0);
    assert_eq!(outputs(&talk.words()), [output(3, "c"), output(4, "d")]);
    talk.go_on(9, 0);
    assert_eq!(outputs(&talk.words()), []);
    assert_eq!(talk.unseen, 0);
}

#[test]
fn what_is_typed_counts_once_and_in_order() {
    let (mut talk, _) = shown(&[]);
    assert_eq!(talk.words(), [FromTerminal::Opened]);
    assert_eq!(talk.input(2, 1), Typing::PassedOver, "the first is not there");
    assert_eq!(talk.input(1, 1), Typing::Next);
    assert_eq!(talk.input(1, 1), Typing::PassedOver);
    assert_eq!(talk.input(2, 1), Typing::Next);
    assert_eq!(talk.words(), []);
    talk.typed(2);
    assert_eq!(talk.words(), [FromTerminal::Typed { number: 2 }]);
    assert_eq!(talk.words(), []);
    // Whoever says it again is told again.
    assert_eq!(talk.input(2, 1), Typing::PassedOver);
    assert_eq!(talk.words(), [FromTerminal::Typed { number: 2 }]);
    talk.cut_off();
    talk.go_on(0, 1);
    assert!(talk.words().contains(&FromTerminal::Typed { number: 2 }));
    talk.cut_off();
    talk.go_on(0, 2);
    assert_eq!(talk.words(), [FromTerminal::Opened]);
}

#[test]
fn what_nobody_takes_may_not_be_typed_without_end() {
    let (mut talk, _) = shown(&[]);
    assert_eq!(talk.input(1, MOST_TYPED), Typing::Next);
    assert_eq!(talk.input(2, 1), Typing::TooMuch);
    talk.typed(1);
    assert_eq!(talk.input(2, 1), Typing::Next);
}

#[test]
fn the_end_comes_after_everything_and_again_where_it_was_not_heard() {
    let (mut talk, mut clock) = shown(&["a"]);
    assert_eq!(talk.words().len(), 2);
    talk.show(b"b", clock.after(0));
    talk.end(End::Closed);
    talk.end(End::Exited { code: Some(0) });
    assert_eq!(talk.words(), [], "something is still gathered");
    talk.cut(clock.after(5));
    let words = talk.words();
    assert_eq!(outputs(&words), [output(2, "b")]);
    assert_eq!(words.last(), Some(&FromTerminal::Ended(End::Closed)));
    assert_eq!(talk.words(), []);
    talk.repeat_end();
    assert_eq!(talk.words(), [FromTerminal::Ended(End::Closed)]);
    talk.cut_off();
    talk.go_on(2, 0);
    assert_eq!(
        talk.words(),
        [FromTerminal::Opened, FromTerminal::Ended(End::Closed)]
    );
}
