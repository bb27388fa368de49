//! A connection that looks whole and carries nothing is made anew.

use super::*;

fn adopted(now: Now) -> Machine {
    let origin = Origin::Adopted {
        last_seq: 0,
        started: true,
    };
    Machine::new(facts(), origin, now)
}

/// How often it is asked to attach anew in so many seconds of ticks.
fn asked(machine: &mut Machine, from: Now, seconds: u64) -> usize {
    let ticks = (1..=seconds).map(|n| later(from, n));
    let actions = ticks.flat_map(|at| machine.on(Input::Tick, at));
    actions.filter(|action| *action == Action::Reattach).count()
}

#[test]
fn a_runner_that_answers_nothing_is_attached_to_anew_until_it_does() {
    let now = clock::now();
    let mut machine = adopted(now);
    machine.on(hello(true), now);
    assert_eq!(asked(&mut machine, now, 14), 0);
    assert_eq!(asked(&mut machine, later(now, 14), 22), 3, "at 15, 25 and 35 s");
    machine.on(Input::Frame(FromRunner::Pong), later(now, 36));
    assert_eq!(asked(&mut machine, later(now, 36), 9), 0);
}

#[test]
fn a_process_that_stood_still_hears_first_what_was_said_meanwhile() {
    let now = clock::now();
    let mut machine = adopted(now);
    machine.on(hello(true), now);
    assert_eq!(asked(&mut machine, later(now, 29), 1), 0);
}

#[test]
fn what_has_not_started_is_left_to_its_own_limits() {
    let now = clock::now();
    let mut machine = fresh(now);
    machine.on(hello(false), now);
    machine.on(Input::Mail(Mail::Renewed), later(now, 10));
    assert_eq!(asked(&mut machine, now, 14), 0);
    machine.on(Input::Mail(Mail::Renewed), later(now, 14));
    assert_eq!(asked(&mut machine, later(now, 14), 14), 0);
}

#[test]
fn a_cancellation_that_met_a_dead_connection_is_said_again() {
    let now = clock::now();
    let mut machine = adopted(now);
    machine.on(hello(true), now);
    assert_eq!(
        story(&machine.on(Input::Mail(Mail::Cancel), now)),
        ["runner cancel"]
    );
    assert_eq!(
        story(&machine.on(Input::Gap, later(now, 1))),
        ["runner resume 0", "runner cancel"]
    );
}
