use chrono::TimeDelta;
use cronium_protocol::host::{HostTrouble, TroubleKind};

use super::*;
use crate::kernel::Error;
use crate::kernel::clock::from_micros;

fn now() -> Timestamp {
    from_micros(1_700_000_000_000_000)
}

fn standing(place: Where) -> Standing {
    Standing {
        status: TerminalStatus::Open,
        place,
        taken: true,
        taken_secs: 100.0,
        silent_secs: 4.0,
        idle_at: now() + TimeDelta::minutes(5),
        until: now() + TimeDelta::hours(1),
        viewed_at: now() - TimeDelta::seconds(5),
    }
}

const SERVER: Where = Where::Server { usable: true };
const RUN: Where = Where::Container {
    runs: true,
    own: true,
};

fn all() -> Permissions {
    Action::ALL.into_iter().collect()
}

fn without(action: Action) -> Permissions {
    all().iter().filter(|other| *other != action).collect()
}

#[test]
fn what_may_go_on_goes_on() {
    for place in [
        SERVER,
        RUN,
        Where::Container {
            runs: true,
            own: false,
        },
    ] {
        assert_eq!(standing(place).over(Some(all()), now()), None, "{place:?}");
    }
    let opening = Standing {
        status: TerminalStatus::Opening,
        taken: false,
        silent_secs: 14.0,
        ..standing(SERVER)
    };
    assert_eq!(opening.over(Some(all()), now()), None);
}

#[test]
fn a_right_that_is_gone_ends_it_whatever_else_holds() {
    let foreign = Where::Container {
        runs: true,
        own: false,
    };
    for (place, allowed, why) in [
        (SERVER, None, Why::SignedOut),
        (SERVER, Some(without(Action::OpenTerminals)), Why::NoRight),
        (SERVER, Some(without(Action::ReadServers)), Why::NoRight),
        (RUN, Some(without(Action::CancelJob)), Why::NoRight),
        (foreign, Some(without(Action::AllResources)), Why::NoRight),
        (Where::Server { usable: false }, Some(all()), Why::NoServer),
        (
            Where::Container {
                runs: false,
                own: true,
            },
            Some(all()),
            Why::RunEnded,
        ),
    ] {
        assert_eq!(standing(place).over(allowed, now()), Some(why), "{place:?}");
    }
    assert_eq!(
        standing(RUN).over(Some(without(Action::ReadServers)), now()),
        None
    );
    assert_eq!(
        standing(SERVER).over(Some(without(Action::CancelJob)), now()),
        None
    );
}

#[test]
fn time_ends_it_at_its_limits_and_not_before() {
    let at = |seconds: i64| now() + TimeDelta::seconds(seconds);
    let base = standing(SERVER);
    for (changed, when, why) in [
        (base.clone(), 299, None),
        (base.clone(), 300, Some(Why::Idle)),
        (
            Standing {
                idle_at: at(9_000),
                ..base.clone()
            },
            3_599,
            None,
        ),
        (
            Standing {
                idle_at: at(9_000),
                ..base.clone()
            },
            3_600,
            Some(Why::TooLong),
        ),
    ] {
        let watched = Standing {
            viewed_at: at(when),
            ..changed
        };
        assert_eq!(watched.over(Some(all()), at(when)), why, "{when}");
    }
    assert_eq!(base.over(Some(all()), at(29)), None);
    assert_eq!(base.over(Some(all()), at(30)), Some(Why::Unwatched));
}

#[test]
fn an_orchestrator_that_does_not_come_or_is_gone_ends_it() {
    let opening = Standing {
        status: TerminalStatus::Opening,
        ..standing(SERVER)
    };
    for (changed, why) in [
        (
            Standing {
                taken: false,
                silent_secs: 16.0,
                ..opening.clone()
            },
            Why::Untaken,
        ),
        (
            Standing {
                taken: false,
                silent_secs: 16.0,
                place: RUN,
                ..opening.clone()
            },
            Why::UntakenInside,
        ),
        (
            Standing {
                taken_secs: 61.0,
                ..opening.clone()
            },
            Why::Unopened,
        ),
        (
            Standing {
                silent_secs: 31.0,
                ..opening
            },
            Why::Lost,
        ),
        (
            Standing {
                silent_secs: 31.0,
                ..standing(RUN)
            },
            Why::Lost,
        ),
    ] {
        assert_eq!(changed.over(Some(all()), now()), Some(why));
    }
}

#[test]
fn a_piece_is_typed_once_and_in_its_turn() {
    use TerminalStatus::{Ended, Open, Opening};
    for (status, last, seq, expected) in [
        (Open, 7, 7, Untaken::Repeated),
        (Ended, 7, 1, Untaken::Repeated),
        (Open, 7, 9, Untaken::Gap),
        (Open, 32, 33, Untaken::Full),
        (Opening, 0, 1, Untaken::Early),
        (Ended, 7, 8, Untaken::Over),
    ] {
        assert_eq!(untaken(status, last, seq), expected, "{status:?} {last} {seq}");
    }
}

#[test]
fn there_is_room_for_what_the_opener_has_read_and_a_little_more() {
    let mut window = Window::default();
    assert_eq!(window.seen(0), None);
    for number in 1..=4 {
        window.keep(number, number as i64 * LAG / 2);
    }
    assert_eq!(window.seen(0), Some(2));
    assert_eq!(window.seen(0), None, "that is no news");
    assert_eq!(window.seen(LAG / 2 - 1), None);
    assert_eq!(window.seen(LAG / 2), Some(3));
    assert_eq!(window.seen(9 * LAG), Some(4));
    window.keep(4, 2 * LAG);
    assert_eq!(window.seen(9 * LAG), None, "it was told");
}

#[test]
fn what_was_begun_before_a_gap_is_ended_once_where_output_goes_on() {
    let mut gaps = Gaps::after(4);
    // A number, whether it shows something, and whether it ends what was begun.
    for (seq, shows, ends) in [
        (5, true, false),
        (7, true, true),
        (8, true, false),
        // A change of the size has no output.
        (20, false, false),
        (21, false, false),
        (22, true, true),
        (23, false, false),
        (24, true, false),
    ] {
        assert_eq!(gaps.end_at(seq, shows), ends, "{seq}");
    }
}

fn faults(check: impl FnOnce(&mut Checks)) -> Vec<String> {
    let mut checks = Checks::default();
    check(&mut checks);
    match checks.done() {
        Err(Error::Invalid(errors)) => errors.into_iter().map(|e| e.field.join(".")).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn sizes_and_pieces_of_input_have_their_limits() {
    for (columns, rows, fields) in [
        (80, 24, &[][..]),
        (1000, 1, &[]),
        (0, 24, &["columns"]),
        (1001, 24, &["columns"]),
        (80, -1, &["rows"]),
        (70_000, 70_000, &["columns", "rows"]),
    ] {
        let found = faults(|checks| check_size(columns, rows, checks));
        assert_eq!(found, fields);
    }
    let most = "x".repeat(MAX_PIECE);
    for (data, seq, fields) in [
        (most.as_str(), 1, &[][..]),
        ("", 1, &["data"]),
        (&*format!("{most}x"), 0, &["data", "seq"]),
    ] {
        assert_eq!(faults(|checks| check_input(data, seq, checks)), fields);
    }
}

#[test]
fn an_end_is_told_in_one_plain_line() {
    let trouble = |found: HostTrouble| format!("{:?}", found.kind);
    let reason = |end| Ending::told(end, trouble).reason;
    assert_eq!(reason(End::Exited { code: Some(0) }), "The shell ended.");
    let failed = Ending::told(End::Exited { code: Some(3) }, trouble);
    assert_eq!(
        (failed.reason.as_str(), failed.exit_code),
        ("The shell ended with exit status 3.", Some(3))
    );
    let found = HostTrouble {
        kind: TroubleKind::Denied,
        told: None,
    };
    assert_eq!(reason(End::Trouble(found)), "Denied");
    let odd = format!("\u{1b}[31mno\u{202e}\n{}", "x".repeat(900));
    let told = reason(End::Failed { told: odd });
    assert!(naming::is_plain(&told) && told.chars().count() < 400, "{told}");
    assert!(told.contains("([31mno"));
    let quiet = reason(End::NoContainer { told: String::new() });
    assert!(!quiet.contains('('), "{quiet}");
}
