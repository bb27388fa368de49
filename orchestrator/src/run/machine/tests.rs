//! The order of messages is the promise: each test plays one story and reads the actions.

mod hearing;
mod lost;

use cronium_protocol::agent::Claim;
use cronium_protocol::log::{Line, LogBlock, Stream};
use cronium_protocol::manifest::Refusal;

use super::*;
use crate::clock;
use crate::executor::Autopsy;

const UP: Input = Input::Up { takes_back: true };

fn claim() -> Claim {
    Claim {
        execution_id: uuid::Uuid::from_u128(1),
        epoch: 1,
    }
}

fn facts() -> Facts {
    Facts {
        claim: claim(),
        timeout: Duration::from_secs(30),
        grace: Duration::from_secs(10),
        memory_bytes: 128 << 20,
        image_digest: None,
        setup_at_us: Some(1),
        started_at_us: None,
        lease: Duration::from_secs(15),
        takes_back: true,
    }
}

fn fresh(now: Now) -> Machine {
    let payload = ToRunner::Payload {
        manifest: vec![1],
        signature: vec![2],
        archive: vec![3],
    };
    Machine::new(facts(), Origin::Fresh(Box::new(payload)), now)
}

fn hello(started: bool) -> Input {
    Input::Frame(FromRunner::Hello {
        protocol: 1,
        started,
        last_seq: 0,
    })
}

fn log(seq: u64) -> Input {
    let line = Line {
        seq,
        at_us: 1,
        stream: Stream::Stdout,
        text: "x".into(),
    };
    let block = LogBlock { lines: vec![line] }.encode();
    Input::Frame(FromRunner::Log { block })
}

fn exit(code: i32, last_seq: u64) -> Input {
    Input::Frame(FromRunner::Exit {
        report: ExitReport {
            started_at_us: 2,
            ended_at_us: 3,
            code: Some(code),
            signal: None,
            timed_out: false,
            cancelled: false,
            escalated: false,
            out_of_memory: false,
            processes_refused: 0,
            spawn_error: None,
            failure: None,
            output: None,
            output_error: None,
            log_truncated: false,
        },
        usage: UsageReport::default(),
        last_seq,
    })
}

fn later(now: Now, secs: u64) -> Now {
    Now {
        at: now.at + Duration::from_secs(secs),
        us: now.us + secs as i64 * 1_000_000,
    }
}

/// Names of the actions, short enough to read as a story.
fn story(actions: &[Action]) -> Vec<String> {
    let name = |action: &Action| match action {
        Action::Runner(ToRunner::Resume { after_seq, .. }) => format!("runner resume {after_seq}"),
        Action::Runner(ToRunner::Start { granted }) => format!("runner start {granted}"),
        Action::Runner(ToRunner::Payload { .. }) => "runner payload".into(),
        Action::Runner(message) => format!("runner {message:?}").to_lowercase(),
        Action::Server(AgentToServer::Finish { outcome, .. }) => format!("finish {:?}", outcome.kind),
        Action::Server(AgentToServer::Phase { phase, .. }) => format!("phase {phase:?}"),
        Action::Server(AgentToServer::Log { .. }) => "log".into(),
        Action::Server(AgentToServer::StartRequest { .. }) => "ask".into(),
        Action::Server(other) => format!("server {other:?}"),
        Action::Started => "started".into(),
        other => format!("{other:?}").to_lowercase(),
    };
    actions.iter().map(name).collect()
}

fn running(now: Now) -> Machine {
    let mut machine = fresh(now);
    machine.on(hello(false), now);
    machine.on(Input::Frame(FromRunner::StartRequest), now);
    machine.on(Input::Mail(Mail::Grant { granted: true }), now);
    machine.on(Input::Frame(FromRunner::Started { at_us: 2 }), now);
    machine
}

#[tokio::test]
async fn a_good_run_from_hello_to_bye() {
    let now = clock::now();
    let mut m = fresh(now);
    let mut told = Vec::new();
    for input in [
        hello(false),
        Input::Frame(FromRunner::StartRequest),
        Input::Mail(Mail::Grant { granted: true }),
        Input::Frame(FromRunner::Started { at_us: 2 }),
        log(1),
        Input::Mail(Mail::LogAck { seq: 1 }),
        exit(0, 1),
        Input::Mail(Mail::FinishAck),
    ] {
        told.extend(story(&m.on(input, now)));
    }
    assert_eq!(
        told,
        [
            "runner payload",
            "ask",
            "runner start true",
            "started",
            "phase Started",
            "log",
            "runner ack { seq: 1 }",
            "phase Ended",
            "finish Succeeded",
            "runner bye",
            "done(succeeded)",
        ]
    );
}

#[tokio::test]
async fn permission_is_asked_for_while_the_runner_unpacks_and_given_when_it_asks() {
    let now = clock::now();
    let unpacking = || {
        let mut m = fresh(now);
        assert_eq!(story(&m.on(hello(false), now)), ["runner payload", "ask"]);
        let granted = m.on(Input::Mail(Mail::Grant { granted: true }), now);
        assert_eq!(story(&granted), [""; 0], "it has not unpacked yet");
        m
    };
    let asks = || Input::Frame(FromRunner::StartRequest);
    let mut m = unpacking();
    assert_eq!(story(&m.on(UP, now)), ["phase Setup"], "it is granted already");
    assert_eq!(story(&m.on(asks(), now)), ["runner start true"]);
    let mut late = unpacking();
    assert_eq!(
        story(&late.on(asks(), later(now, 20))),
        [""; 0],
        "the lease is over"
    );
    assert_eq!(
        story(&late.on(Input::Mail(Mail::Renewed), later(now, 21))),
        ["ask"]
    );
    let granted = late.on(Input::Mail(Mail::Grant { granted: true }), later(now, 21));
    assert_eq!(story(&granted), ["runner start true"]);
    // Whatever happens before it asks, nothing has started.
    let refusal = Refusal::Signature;
    let refused = Input::Frame(FromRunner::Refused { refusal });
    assert_eq!(
        story(&unpacking().on(refused, now)),
        ["finish NotStarted", "kill"]
    );
    let gone = Input::Gone {
        autopsy: Autopsy::default(),
        stderr: String::new(),
    };
    assert_eq!(story(&unpacking().on(gone, now)), ["finish NotStarted"]);
    // An older server would not take it back: it is asked when the runner asks.
    let mut facts = facts();
    facts.takes_back = false;
    let mut older = Machine::new(facts, fresh(now).origin, now);
    assert_eq!(story(&older.on(hello(false), now)), ["runner payload"]);
    assert_eq!(
        story(&older.on(Input::Up { takes_back: false }, now)),
        ["phase Setup"]
    );
    assert_eq!(story(&older.on(asks(), now)), ["ask"]);
    // The same where an older one takes the place of the one that assigned it.
    let mut rolled_back = fresh(now);
    rolled_back.on(hello(false), now);
    assert_eq!(
        story(&rolled_back.on(Input::Up { takes_back: false }, now)),
        ["phase Setup"]
    );
    assert_eq!(story(&rolled_back.on(asks(), now)), ["ask"]);
    let mut silent = unpacking();
    silent.on(Input::Mail(Mail::Renewed), later(now, SETUP_LIMIT.as_secs() - 1));
    let told = story(&silent.on(Input::Tick, later(now, SETUP_LIMIT.as_secs())));
    assert_eq!(&told[told.len() - 2..], ["finish NotStarted", "kill"]);
}

#[tokio::test]
async fn the_spool_is_kept_until_the_last_line_is() {
    let now = clock::now();
    let mut m = running(now);
    m.on(log(1), now);
    m.on(exit(0, 1), now);
    assert_eq!(story(&m.on(Input::Mail(Mail::FinishAck), now)), [""; 0]);
    assert_eq!(
        story(&m.on(Input::Mail(Mail::LogAck { seq: 1 }), now)),
        ["runner ack { seq: 1 }", "runner bye", "done(succeeded)"]
    );
}

#[tokio::test]
async fn a_new_connection_repeats_phases_lines_and_the_end_in_order() {
    let now = clock::now();
    let mut m = running(now);
    m.on(log(1), now);
    m.on(log(2), now);
    m.on(Input::Mail(Mail::LogAck { seq: 1 }), now);
    m.on(exit(3, 2), now);
    assert_eq!(
        story(&m.on(UP, now)),
        ["phase Setup", "phase Started", "runner resume 1"]
    );
    // What was still in the pipe comes out of order and is repeated: it is not passed on.
    assert_eq!(story(&m.on(log(2), now)), [""; 0]);
    m.on(hello(true), now);
    assert_eq!(story(&m.on(log(2), now)), ["log"]);
    assert_eq!(story(&m.on(exit(3, 2), now)), ["finish Failed"]);
}

#[tokio::test]
async fn without_a_grant_nothing_starts() {
    let now = clock::now();
    let mut m = fresh(now);
    m.on(hello(false), now);
    m.on(Input::Frame(FromRunner::StartRequest), now);
    assert_eq!(story(&m.on(UP, now)), ["phase Setup", "ask"]);
    assert_eq!(
        story(&m.on(Input::Mail(Mail::Grant { granted: false }), now)),
        ["runner start false", "finish NotStarted", "kill"]
    );
    assert_eq!(
        story(&m.on(Input::Mail(Mail::Grant { granted: true }), now)),
        [""; 0]
    );
}

#[tokio::test]
async fn a_lease_that_ran_out_drops_what_has_not_started_and_nothing_else() {
    let now = clock::now();
    let mut waiting = fresh(now);
    waiting.on(hello(false), now);
    waiting.on(Input::Mail(Mail::Renewed), later(now, 10));
    assert_eq!(story(&waiting.on(Input::Tick, later(now, 20))), ["runner ping"]);
    // The server's word is waited for from when it was seen to be over.
    assert_eq!(story(&waiting.on(Input::Tick, later(now, 26))), ["runner ping"]);
    assert_eq!(story(&waiting.on(Input::Tick, later(now, 35))), ["runner ping"]);
    assert_eq!(
        story(&waiting.on(Input::Tick, later(now, 36))),
        ["finish NotStarted", "kill"]
    );
    let lost = waiting.on(Input::Mail(Mail::Lost), later(now, 50));
    assert_eq!(story(&lost), ["abandon"], "somebody else has it");
    let mut started = running(now);
    assert_eq!(story(&started.on(Input::Tick, later(now, 25))), ["runner ping"]);
}

#[tokio::test]
async fn a_grant_that_was_not_read_before_the_lease_was_over_counts_once_it_is_renewed() {
    let now = clock::now();
    let asking = || {
        let mut m = fresh(now);
        m.on(hello(false), now);
        m.on(Input::Frame(FromRunner::StartRequest), now);
        // The process stood still for 20 s, and its clock is the first to speak.
        assert_eq!(story(&m.on(Input::Tick, later(now, 20))), ["runner ping"]);
        m
    };
    let grant = || Input::Mail(Mail::Grant { granted: true });
    let mut renewed = asking();
    assert_eq!(story(&renewed.on(grant(), later(now, 20))), [""; 0]);
    assert_eq!(
        story(&renewed.on(Input::Mail(Mail::Renewed), later(now, 21))),
        ["ask"]
    );
    assert_eq!(story(&renewed.on(grant(), later(now, 21))), ["runner start true"]);
    let mut lost = asking();
    assert_eq!(story(&lost.on(grant(), later(now, 20))), [""; 0]);
    assert!(
        lost.on(Input::Mail(Mail::Lost), later(now, 21))
            .contains(&Action::Abandon)
    );
    let mut cut = asking();
    assert_eq!(story(&cut.on(UP, later(now, 20))), ["phase Setup"]);
    assert_eq!(
        story(&cut.on(Input::Mail(Mail::Renewed), later(now, 21))),
        ["ask"]
    );
}

#[tokio::test]
async fn a_cancel_kills_what_ignores_it() {
    let now = clock::now();
    let mut m = running(now);
    assert_eq!(story(&m.on(Input::Mail(Mail::Cancel), now)), ["runner cancel"]);
    assert_eq!(story(&m.on(Input::Mail(Mail::Cancel), now)), [""; 0]);
    assert!(!m.on(Input::Tick, later(now, 11)).contains(&Action::Kill));
    assert!(m.on(Input::Tick, later(now, 12)).contains(&Action::Kill));
    let gone = Input::Gone {
        autopsy: Autopsy::default(),
        stderr: String::new(),
    };
    assert_eq!(story(&m.on(gone, later(now, 12))), ["finish Cancelled"]);
    let mut early = fresh(now);
    assert_eq!(
        story(&early.on(Input::Mail(Mail::Cancel), now)),
        ["finish Cancelled", "kill"]
    );
}

#[tokio::test]
async fn a_silent_runner_is_killed_after_its_time() {
    let now = clock::now();
    let mut m = running(now);
    assert!(!m.on(Input::Tick, later(now, 99)).contains(&Action::Kill));
    assert!(m.on(Input::Tick, later(now, 100)).contains(&Action::Kill));
}

#[tokio::test]
async fn a_runner_that_vanishes_is_judged_by_what_it_had_done() {
    let now = clock::now();
    let gone = |out_of_memory| Input::Gone {
        autopsy: Autopsy {
            running: false,
            out_of_memory,
            exit_code: Some(137),
        },
        stderr: "why".into(),
    };
    let mut before = fresh(now);
    before.on(hello(false), now);
    assert_eq!(story(&before.on(gone(false), now)), ["finish NotStarted"]);
    assert_eq!(story(&running(now).on(gone(false), now)), ["finish Lost"]);
    assert_eq!(story(&running(now).on(gone(true), now)), ["finish Failed"]);
}

#[tokio::test]
async fn an_unacknowledged_end_is_repeated() {
    let now = clock::now();
    let mut m = running(now);
    m.on(exit(0, 0), now);
    assert_eq!(story(&m.on(Input::Tick, later(now, 1))), [""; 0]);
    assert!(story(&m.on(Input::Tick, later(now, 5))).contains(&"finish Succeeded".to_owned()));
}

#[tokio::test]
async fn an_adopted_runner_without_a_payload_is_given_up() {
    let now = clock::now();
    let origin = Origin::Adopted {
        last_seq: 0,
        started: false,
    };
    let mut m = Machine::new(facts(), origin, now);
    assert_eq!(story(&m.begin()), ["runner resume 0"]);
    m.on(hello(false), now);
    let told = story(&m.on(Input::Tick, later(now, 10)));
    assert!(
        told.ends_with(&["finish NotStarted".into(), "kill".into()]),
        "{told:?}"
    );
}

#[tokio::test]
async fn an_adopted_runner_that_says_nothing_is_given_up() {
    let now = clock::now();
    let origin = |started| Origin::Adopted { last_seq: 0, started };
    let mut waiting = Machine::new(facts(), origin(false), now);
    waiting.begin();
    assert!(!story(&waiting.on(Input::Tick, later(now, 9))).contains(&"kill".to_owned()));
    let given_up = story(&waiting.on(Input::Tick, later(now, 10)));
    assert_eq!(&given_up[given_up.len() - 2..], ["finish NotStarted", "kill"]);
    let mut silent = Machine::new(facts(), origin(true), now);
    silent.begin();
    assert!(!story(&silent.on(Input::Tick, later(now, 99))).contains(&"kill".to_owned()));
    assert!(story(&silent.on(Input::Tick, later(now, 100))).contains(&"kill".to_owned()));
    // Whether it has started is not known, however long that takes: nothing says that it has not.
    let mut facts = facts();
    facts.timeout = 2 * SETUP_LIMIT;
    let mut long = Machine::new(facts, origin(true), now);
    long.begin();
    let told = story(&long.on(Input::Tick, later(now, SETUP_LIMIT.as_secs() + 1)));
    assert!(!told.contains(&"finish NotStarted".to_owned()), "{told:?}");
}

#[tokio::test]
async fn an_end_does_not_overtake_its_lines_after_a_cut() {
    let now = clock::now();
    let mut m = running(now);
    m.on(log(1), now);
    m.on(exit(0, 1), now);
    m.on(UP, now);
    m.on(hello(true), now);
    assert!(!story(&m.on(Input::Tick, later(now, 6))).contains(&"finish Succeeded".to_owned()));
    assert_eq!(story(&m.on(log(1), later(now, 6))), ["log"]);
    assert_eq!(story(&m.on(exit(0, 1), later(now, 6))), ["finish Succeeded"]);
}

#[tokio::test]
async fn the_end_is_told_though_the_runner_went_before_it_could_repeat_it() {
    let now = clock::now();
    let mut m = running(now);
    m.on(log(1), now);
    m.on(exit(0, 1), now);
    m.on(UP, now);
    let gone = Input::Gone {
        autopsy: Autopsy::default(),
        stderr: String::new(),
    };
    assert_eq!(story(&m.on(gone, now)), ["finish Succeeded"]);
    assert!(story(&m.on(Input::Tick, later(now, 6))).contains(&"finish Succeeded".to_owned()));
}

#[tokio::test]
async fn lines_without_a_receipt_are_asked_for_again() {
    let now = clock::now();
    let mut m = running(now);
    m.on(log(1), now);
    let resumes = |m: &mut Machine, at| story(&m.on(Input::Tick, at)).contains(&"runner resume 0".to_owned());
    assert!(!resumes(&mut m, later(now, 9)));
    assert!(resumes(&mut m, later(now, 11)));
    assert!(!resumes(&mut m, later(now, 12)), "once, then it waits again");
    m.on(hello(true), later(now, 12));
    m.on(log(1), later(now, 12));
    m.on(Input::Mail(Mail::LogAck { seq: 1 }), later(now, 13));
    assert!(!resumes(&mut m, later(now, 40)));
}

#[tokio::test]
async fn calls_and_answers_pass_unread_and_what_a_resume_repeats_passes_once() {
    let now = clock::now();
    let mut m = running(now);
    let id = uuid::Uuid::from_u128(7);
    let call = || {
        let request = vec![1, 2];
        Input::Frame(FromRunner::Call { id, request })
    };
    let relayed = Action::Server(AgentToServer::Call {
        claim: claim(),
        id,
        request: vec![1, 2],
    });
    assert_eq!(m.on(call(), now), [relayed]);
    let answer = Mail::Reply { id, reply: vec![3] };
    let told = Action::Runner(ToRunner::Reply { id, reply: vec![3] });
    assert_eq!(m.on(Input::Mail(answer), now), [told]);
    assert!(m.on(UP, now).contains(&Action::Runner(ToRunner::Resume {
        after_seq: 0,
        calls: true
    })));
    assert_eq!(m.on(call(), now), [], "it comes again behind the hello");
    m.on(hello(true), now);
    assert_eq!(m.on(call(), now).len(), 1);
}
