//! Output under stress: long lines, floods, broken text, and readers that vanish and come back.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use cronium_protocol::frame::{FromRunner, ToRunner};
use cronium_protocol::log::{LogBlock, Stream};
use support::{Payload, Runner, run};

fn high_water_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_line_of_100_mb_is_cut_in_bounded_memory() {
    let mut runner = Runner::start();
    runner.run(&Payload::bash(
        "head -c 100000000 /dev/zero | tr '\\0' x; echo; echo after",
    ));
    let ended = runner.finish();
    assert!(high_water_kib(runner.process.id()) < 64 << 10);
    runner.leave();
    let out = ended.texts(Stream::Stdout);
    assert_eq!((out[0].len(), out[1]), (64 << 10, "after"));
    assert_eq!(
        ended.texts(Stream::System),
        ["line 1 was cut: 99934464 bytes dropped"]
    );
    assert!(ended.report.log_truncated);
}

#[test]
fn broken_and_split_text_stays_readable() {
    let script = "printf 'a\\xe2\\x82'; sleep 0.1; printf '\\xac b\\xff\\n'; printf 'no newline'";
    let ended = run(&Payload::bash(script));
    assert_eq!(ended.texts(Stream::Stdout), ["a\u{20ac} b\u{fffd}", "no newline"]);
    assert!(!ended.report.log_truncated);
}

#[test]
fn the_total_limit_is_said_once_and_the_script_goes_on() {
    let script = "seq 1 100000; seq 1 100000 >&2; echo done > $HOME/done; [ -e $HOME/done ]";
    let ended = run(&Payload::bash(script).with(|m| m.log_total_bytes = 1000));
    assert_eq!(
        ended.texts(Stream::System),
        ["the log reached its limit of 1000 bytes; the rest is dropped"]
    );
    let kept: usize = ended
        .lines
        .iter()
        .filter(|l| l.stream != Stream::System)
        .map(|l| l.text.len() + 1)
        .sum();
    assert!(kept <= 1000 && kept > 900);
    assert!(ended.report.log_truncated);
    assert_eq!(ended.report.code, Some(0));
}

#[test]
fn a_resumed_reader_gets_every_line_once() {
    let mut runner = Runner::start();
    runner.run(&Payload::bash("seq 1 500; read -t 0.1 < /dev/zero; seq 501 1000"));
    // The first reader takes what comes and keeps only the first 500 lines, then is gone.
    runner.until(|frame| matches!(frame, FromRunner::Exit { .. }).then_some(()));
    runner.send_bytes(b"\x09half a frame");
    runner.send_bytes(b"\x00");
    runner.send(ToRunner::Resume {
        after_seq: 500,
        calls: true,
    });
    let hello = runner.next();
    assert_eq!(
        hello,
        FromRunner::Hello {
            protocol: 1,
            started: true,
            last_seq: 1000
        }
    );
    let ended = runner.finish();
    let expected: Vec<String> = (501..=1000).map(|n| n.to_string()).collect();
    assert_eq!(ended.texts(Stream::Stdout), expected);
    assert_eq!(ended.lines[0].seq, 501);
    assert_eq!(ended.report.code, Some(0));
    runner.leave();
}

#[test]
fn a_flood_that_nobody_reads_waits_on_disk_and_in_the_pipe() {
    let mut runner = Runner::start();
    // 60 MB: more than window, memory and disk together may hold.
    runner.run(
        &Payload::bash("for i in $(seq 600); do printf '%099999d\\n' $i; done").with(|m| {
            m.log_line_bytes = 1 << 20;
        }),
    );
    let mut in_flight = 0;
    while in_flight < 1 << 20 {
        if let FromRunner::Log { block } = runner.next() {
            in_flight += block.len();
        }
    }
    runner.send(ToRunner::Ping);
    assert_eq!(
        runner.next(),
        FromRunner::Pong,
        "the window is closed: nothing but the answer may come"
    );
    runner.send(ToRunner::Resume {
        after_seq: 0,
        calls: true,
    });
    let ended = runner.finish();
    let numbers: Vec<u64> = ended
        .texts(Stream::Stdout)
        .iter()
        .map(|t| t.parse().unwrap())
        .collect();
    assert_eq!(numbers, (1..=600).collect::<Vec<_>>());
    assert!(high_water_kib(runner.process.id()) < 64 << 10);
    assert_eq!(ended.report.code, Some(0));
    runner.leave();
}

#[test]
fn a_line_is_seen_while_the_script_still_runs() {
    let mut runner = Runner::start();
    runner.run(&Payload::bash("echo up; exec sleep 1000"));
    let block = runner.until(|frame| match frame {
        FromRunner::Log { block } => Some(block),
        _ => None,
    });
    assert_eq!(LogBlock::decode(&block).unwrap().lines[0].text, "up");
    runner.send(ToRunner::Cancel);
    runner.finish();
    runner.leave();
}

#[test]
fn a_full_spool_does_not_hold_a_runner_that_was_cut_off() {
    let mut runner = Runner::start();
    let script = "trap '' TERM; for i in $(seq 800); do printf '%099999d\\n' $i; done";
    runner.run(&Payload::bash(script).with(|m| m.grace_ms = 60_000));
    // Nothing is acknowledged: only if lines are let go can the script come to its end.
    let mut seen = 0;
    while seen < 1 << 20 {
        if let FromRunner::Log { block } = runner.next() {
            seen += block.len();
        }
    }
    runner.hang_up();
    assert!(runner.ended().success());
}
