//! A runner that can't be reached goes on, and is not waited for longer than that makes sense.

use super::*;

const WHY: &str = "nobody answers";

fn out_of_reach() -> Input {
    Input::OutOfReach(WHY.into())
}

fn not_killed() -> Input {
    Input::NotKilled(WHY.into())
}

fn outcome(actions: &[Action]) -> Option<Outcome> {
    actions.iter().find_map(|action| match action {
        Action::Server(AgentToServer::Finish { outcome, .. }) => Some((**outcome).clone()),
        _ => None,
    })
}

#[tokio::test]
async fn a_run_out_of_reach_goes_on_when_it_is_heard_again() {
    let now = clock::now();
    let mut m = running(now);
    for secs in 1..60 {
        assert_eq!(outcome(&m.on(out_of_reach(), later(now, secs))), None);
        assert_eq!(outcome(&m.on(Input::Tick, later(now, secs))), None);
    }
    assert_eq!(story(&m.on(Input::Gap, later(now, 60))), ["runner resume 0"]);
    m.on(hello(true), later(now, 60));
    assert_eq!(story(&m.on(log(1), later(now, 60))), ["log"]);
    assert!(story(&m.on(exit(0, 1), later(now, 61))).contains(&"finish Succeeded".to_owned()));
}

#[tokio::test]
async fn a_cancel_out_of_reach_ends_unconfirmed() {
    let now = clock::now();
    let mut m = running(now);
    m.on(out_of_reach(), now);
    m.on(Input::Mail(Mail::Cancel), now);
    let told = story(&m.on(Input::Tick, later(now, 12)));
    assert!(told.contains(&"kill".to_owned()), "{told:?}");
    let ended = outcome(&m.on(not_killed(), later(now, 12))).unwrap();
    assert_eq!(ended.kind, OutcomeKind::Cancelled);
    assert!(ended.reason.unwrap().contains(WHY));
    assert_eq!(ended.cancel.unwrap(), CancelReport::default());
    let left = story(&m.on(Input::Mail(Mail::FinishAck), later(now, 13)));
    assert!(left.contains(&"done(cancelled)".to_owned()), "{left:?}");
}

#[tokio::test]
async fn one_kill_that_fails_ends_a_cancelled_run() {
    let now = clock::now();
    let mut m = running(now);
    m.on(Input::Mail(Mail::Cancel), now);
    m.on(Input::Tick, later(now, 12));
    let ended = outcome(&m.on(not_killed(), later(now, 12))).unwrap();
    assert_eq!(ended.kind, OutcomeKind::Cancelled);
    // The word to end was on its way to it.
    let sent = CancelReport {
        signal_sent: true,
        ..CancelReport::default()
    };
    assert_eq!(ended.cancel, Some(sent));
}

#[tokio::test]
async fn one_kill_that_fails_is_bad_luck_for_a_run_whose_time_is_over() {
    let now = clock::now();
    let mut m = running(now);
    assert!(story(&m.on(Input::Tick, later(now, 100))).contains(&"kill".to_owned()));
    assert_eq!(m.on(not_killed(), later(now, 100)), []);
    m.on(Input::Frame(FromRunner::Pong), later(now, 101));
    assert_eq!(m.on(not_killed(), later(now, 105)), [], "it was heard in between");
    let ended = outcome(&m.on(not_killed(), later(now, 110))).unwrap();
    assert_eq!(ended.kind, OutcomeKind::Lost);
}

#[tokio::test]
async fn a_run_whose_time_is_over_out_of_reach_is_lost() {
    let now = clock::now();
    let mut m = running(now);
    m.on(out_of_reach(), later(now, 20));
    assert!(!story(&m.on(Input::Tick, later(now, 99))).contains(&"kill".to_owned()));
    assert!(story(&m.on(Input::Tick, later(now, 100))).contains(&"kill".to_owned()));
    let ended = outcome(&m.on(not_killed(), later(now, 100))).unwrap();
    assert_eq!(ended.kind, OutcomeKind::Lost);
    assert!(ended.reason.unwrap().contains(WHY));
}

#[tokio::test]
async fn a_run_that_has_stopped_itself_by_now_is_not_waited_for() {
    let now = clock::now();
    let mut facts = facts();
    facts.timeout = Duration::from_hours(24);
    let origin = Origin::Adopted {
        last_seq: 0,
        started: true,
    };
    let mut m = Machine::new(facts, origin, now);
    m.begin();
    m.on(out_of_reach(), now);
    m.on(out_of_reach(), later(now, 300));
    assert_eq!(outcome(&m.on(Input::Tick, later(now, 669))), None);
    let ended = outcome(&m.on(Input::Tick, later(now, 670))).unwrap();
    assert_eq!(ended.kind, OutcomeKind::Lost);
    assert!(m.is_runner_gone());
}

#[tokio::test]
async fn an_end_that_is_known_is_told_though_its_lines_are_out_of_reach() {
    let now = clock::now();
    let mut m = running(now);
    m.on(log(1), now);
    m.on(exit(0, 2), now);
    m.on(UP, now);
    m.on(out_of_reach(), now);
    assert_eq!(outcome(&m.on(Input::Tick, later(now, 600))), None);
    let ended = outcome(&m.on(Input::Tick, later(now, 670))).unwrap();
    assert_eq!(ended.kind, OutcomeKind::Succeeded);
}

#[tokio::test]
async fn contact_that_is_lost_before_the_start_soon_counts_as_not_started() {
    let now = clock::now();
    for (trouble, told) in [(out_of_reach(), WHY), (Input::Gap, "before the start")] {
        let mut m = fresh(now);
        m.on(hello(false), now);
        m.on(trouble, now);
        assert_eq!(outcome(&m.on(Input::Tick, later(now, 9))), None);
        let ended = outcome(&m.on(Input::Tick, later(now, 10))).unwrap();
        assert_eq!(ended.kind, OutcomeKind::NotStarted);
        assert!(ended.reason.unwrap().contains(told));
    }
    // One that has the payload only waits for the server's word.
    let mut m = fresh(now);
    m.on(hello(false), now);
    m.on(Input::Frame(FromRunner::StartRequest), now);
    m.on(Input::Gap, now);
    m.on(Input::Mail(Mail::Renewed), later(now, 9));
    assert_eq!(outcome(&m.on(Input::Tick, later(now, 11))), None);
}
