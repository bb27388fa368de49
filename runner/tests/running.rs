//! Scripts under the real runner: what they see, what comes back, how they are ended.

mod support;

use cronium_protocol::frame::{FromRunner, ToRunner};
use cronium_protocol::log::Stream;
use cronium_protocol::manifest::Language;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Payload, Runner, is_alive, run, wait_for};

const BASH: &str = r#"
echo "$GREETING $(cat "$CRONIUM_INPUT")"
echo "$CRONIUM_JOB_ID $CRONIUM_EXECUTION_ID $CRONIUM_ATTEMPT" >&2
[ "$HOME" = "$PWD" ] && [ -r main ] && echo home
env | sed 's/=.*//' | sort | tr '\n' ' '
printf '{"doubled": 40}' > "$CRONIUM_OUTPUT"
"#;
const PYTHON: &str = r#"
import json, os, sys
n = json.load(open(os.environ["CRONIUM_INPUT"]))["n"]
print(os.environ["GREETING"], n)
print("warning", file=sys.stderr)
json.dump({"doubled": 2 * n}, open(os.environ["CRONIUM_OUTPUT"], "w"))
"#;
const NODE: &str = r#"
const fs = require("fs");
const { n } = JSON.parse(fs.readFileSync(process.env.CRONIUM_INPUT));
console.log(process.env.GREETING, n);
console.error("warning");
fs.writeFileSync(process.env.CRONIUM_OUTPUT, JSON.stringify({ doubled: 2 * n }));
"#;

#[test]
fn bash_gets_a_clean_environment_and_gives_a_result() {
    let ended = run(&Payload::bash(BASH));
    let out = ended.texts(Stream::Stdout);
    assert_eq!(out[..2], ["hello {\"n\": 20}", "home"]);
    assert_eq!(
        out[2],
        "CRONIUM_ATTEMPT CRONIUM_EXECUTION_ID CRONIUM_INPUT CRONIUM_JOB_ID CRONIUM_OUTPUT GREETING HOME LANG PATH PWD SHLVL _ "
    );
    assert_eq!(
        ended.texts(Stream::Stderr),
        ["00000000-0000-0000-0000-000000000002 00000000-0000-0000-0000-000000000001 3"]
    );
    assert_eq!((ended.report.code, ended.report.signal), (Some(0), None));
    assert_eq!(ended.report.output.as_deref(), Some("{\"doubled\": 40}"));
    assert!(ended.report.started_at_us > 0 && ended.report.ended_at_us > ended.report.started_at_us);
    assert!(ended.usage.cpu_us > 0 && ended.usage.peak_memory_bytes > 0);
    let seqs: Vec<u64> = ended.lines.iter().map(|l| l.seq).collect();
    assert_eq!(seqs, (1..=4).collect::<Vec<_>>());
}

#[test]
fn python_and_node_run_too() {
    for (language, script) in [(Language::Python, PYTHON), (Language::NodeJs, NODE)] {
        let ended = run(&Payload::of(language, script));
        assert_eq!(ended.texts(Stream::Stdout), ["hello 20"], "{language:?}");
        assert_eq!(ended.texts(Stream::Stderr), ["warning"], "{language:?}");
        assert_eq!(ended.report.code, Some(0), "{language:?}");
        let output: serde_json::Value = serde_json::from_str(&ended.report.output.unwrap()).unwrap();
        assert_eq!(output["doubled"], 40, "{language:?}");
    }
}

#[test]
fn codes_and_signals_are_told_apart() {
    let failed = run(&Payload::bash("exit 7")).report;
    assert_eq!((failed.code, failed.signal), (Some(7), None));
    let killed = run(&Payload::bash("kill -SEGV $$")).report;
    assert_eq!((killed.code, killed.signal), (None, Some(11)));
    assert!(!killed.out_of_memory && !killed.escalated);
}

#[test]
fn a_missing_interpreter_is_said() {
    let mut runner = Runner::start_with_path("/nonexistent");
    runner.run(&Payload::bash("true"));
    let report = runner.finish().report;
    assert!(report.spawn_error.unwrap().contains("bash"));
    assert_eq!((report.code, report.signal), (None, None));
    runner.leave();
}

#[test]
fn a_bad_result_is_said_and_not_passed_on() {
    let report = run(&Payload::bash("echo '{oops' > $CRONIUM_OUTPUT")).report;
    assert_eq!(report.output, None);
    assert!(report.output_error.unwrap().contains("not JSON"));
    assert_eq!(report.code, Some(0));
}

#[test]
fn a_script_that_ignores_term_is_killed_after_the_grace() {
    let script = "trap '' TERM; echo up; while :; do read -t 1 < /dev/zero; done";
    let report = run(&Payload::bash(script).with(|m| m.timeout_ms = 2000)).report;
    assert!(report.timed_out && report.escalated && !report.cancelled && !report.out_of_memory);
    assert_eq!(report.signal, Some(9));
    assert!(report.ended_at_us - report.started_at_us >= 2_300_000);
}

#[test]
fn a_script_that_heeds_term_may_tidy_up() {
    let script = "trap 'echo tidy; exit 3' TERM; echo up; while :; do sleep 0.05; done";
    let mut runner = Runner::start();
    runner.run(&Payload::bash(script).with(|m| m.grace_ms = 20_000));
    runner.line(|l| l.text == "up");
    runner.send(ToRunner::Cancel);
    let ended = runner.finish();
    assert_eq!(ended.texts(Stream::Stdout), ["tidy"]);
    assert!(ended.report.cancelled && !ended.report.escalated && !ended.report.timed_out);
    assert_eq!(ended.report.code, Some(3));
    runner.leave();
}

#[test]
fn a_signal_to_the_runner_cancels() {
    let mut runner = Runner::start();
    runner.run(&Payload::bash("echo up; exec sleep 1000"));
    runner.line(|l| l.text == "up");
    kill(Pid::from_raw(runner.process.id().cast_signed()), Signal::SIGTERM).unwrap();
    let report = runner.finish().report;
    assert!(report.cancelled);
    assert_eq!(report.signal, Some(15));
    runner.leave();
}

#[test]
fn what_a_script_leaves_behind_is_killed() {
    let script = "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; \
                  (setsid bash -c 'sleep 1000 & echo $!; touch up; wait') & until [ -e up ]; do sleep 0.05; done";
    let ended = run(&Payload::bash(script));
    let pids: Vec<i32> = ended
        .texts(Stream::Stdout)
        .iter()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|pid| !is_alive(*pid)), "{pids:?}");
    assert_eq!(ended.report.code, Some(0));
}

#[test]
fn user_code_dies_first_when_memory_runs_out() {
    let script =
        "until grep -q 1000 /proc/$$/oom_score_adj; do sleep 0.05; done; cat /proc/{$$,$PPID}/oom_score_adj";
    let ended = run(&Payload::bash(script).with(|m| m.timeout_ms = 10_000));
    let out = ended.texts(Stream::Stdout);
    assert_eq!(out[0], "1000");
    assert_ne!(out[1], "1000");
}

#[test]
fn a_closed_channel_stops_the_script_and_the_runner() {
    let mut runner = Runner::start();
    runner.run(&Payload::bash("echo $$; exec sleep 1000"));
    let pid: i32 = runner.line(|_| true).text.parse().unwrap();
    assert!(is_alive(pid));
    runner.hang_up();
    assert!(runner.ended().success());
    assert!(!is_alive(pid));
}

#[test]
fn a_denied_start_runs_nothing() {
    let mut runner = Runner::start();
    runner.send(Payload::bash("touch started").frame());
    assert_eq!(runner.next(), FromRunner::StartRequest);
    let work = runner.work().to_owned();
    runner.send(ToRunner::Start { granted: false });
    assert!(runner.ended().success());
    assert!(work.join("main").exists() && !work.join("started").exists());
}

#[test]
fn a_ping_is_answered_while_a_script_runs() {
    let mut runner = Runner::start();
    runner.run(&Payload::bash("echo up; exec sleep 1000"));
    runner.line(|l| l.text == "up");
    runner.send(ToRunner::Ping);
    runner.until(|frame| (frame == FromRunner::Pong).then_some(()));
    runner.send(ToRunner::Cancel);
    runner.finish();
    let pid = runner.process.id().cast_signed();
    runner.leave();
    wait_for("the process to be gone", || (!is_alive(pid)).then_some(()));
}
