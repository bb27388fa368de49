//! Calls of real scripts over the real socket: every helper, bounds, and a channel that is cut.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::os::unix::fs::PermissionsExt as _;

use cronium_protocol::frame::{FromRunner, ToRunner};
use cronium_protocol::log::Stream;
use cronium_protocol::manifest::Language;
use cronium_protocol::runtime::{Reply, Request};
use support::{Ended, Payload, Runner, reply};

const PYTHON: &str = r#"
import cronium
print(cronium.input()["n"], cronium.event()["eventName"])
print(cronium.get_variable("A"), cronium.get_variable("NONE"), cronium.get_variable("NONE", "x"))
cronium.set_variable("A", "two words", secret=False)
print(cronium.increment_variable("C", 5), cronium.delete_variable("A"), cronium.delete_variable("NONE"))
cronium.set_condition(True)
cronium.log("said", level="warn", a=1)
cronium.output({"a": [1]})
try:
    cronium.get_variable("BUSY")
except cronium.CroniumError as problem:
    print(problem.code, problem.retry_after, problem.message)
"#;
const NODE: &str = r#"
const cronium = require("cronium");
(async () => {
  console.log((await cronium.input()).n, (await cronium.event()).eventName);
  console.log(await cronium.getVariable("A"), await cronium.getVariable("NONE"), await cronium.getVariable("NONE", "x"));
  await cronium.setVariable("A", "two words", { secret: false });
  console.log(await cronium.incrementVariable("C", 5), await cronium.deleteVariable("A"), await cronium.deleteVariable("NONE"));
  await cronium.setCondition(true);
  await cronium.log("said", { a: 1 }, "warn");
  await cronium.output({ a: [1] });
  const { getVariable, CroniumError } = await import("cronium");
  await getVariable("BUSY").catch((problem) => {
    if (!(problem instanceof CroniumError)) throw problem;
    console.log(problem.code, problem.retryAfter, problem.reason);
  });
})();
"#;
const BASH: &str = r#"
set -euo pipefail
echo "$(cronium_input | sed 's/[^0-9]//g') $(cronium_event eventName)"
missing=0; cronium_get_variable NONE 2>/dev/null || missing=$?
echo "$(cronium_get_variable A) $missing $(cronium_get_variable NONE x)"
cronium_set_variable A "two words" --plain
gone=0; cronium_delete_variable NONE 2>/dev/null || gone=$?
cronium_delete_variable A
echo "$(cronium_increment_variable C 5) $gone"
cronium_set_condition true
cronium_log warn said '{"a":1}'
echo '{"a": [1]}' | cronium_output
busy=0; cronium_get_variable BUSY || busy=$?
echo "$busy"
"#;

/// A server of a few words.
fn answer(request: &Request) -> Reply {
    let path = request.path.strip_prefix("/runtime/v1").unwrap();
    match (request.method.as_str(), path) {
        ("GET", "/input") => reply(200, r#"{"n":20}"#),
        ("GET", "/event") => reply(200, r#"{"eventName":"nightly"}"#),
        ("GET", "/variables/A") => reply(200, r#"{"key":"A","value":"one","secret":false}"#),
        ("PUT", "/variables/A") => reply(200, r#"{"key":"A","created":false,"secret":false}"#),
        ("POST", "/variables/C/increment") => reply(200, r#"{"key":"C","value":47}"#),
        ("DELETE", "/variables/A") | ("PUT", "/condition") => reply(204, ""),
        ("GET", "/variables/BUSY") => reply(
            429,
            r#"{"error":{"code":"RATE_LIMITED","message":"come again","field":null,"retryAfterSeconds":7}}"#,
        ),
        _ => reply(
            404,
            r#"{"error":{"code":"NOT_FOUND","message":"none","field":null}}"#,
        ),
    }
}

fn run(language: Language, script: &str) -> (Ended, Vec<String>) {
    let mut runner = Runner::start();
    runner.run(&Payload::calling(language, script));
    let mut asked = Vec::new();
    let ended = runner.serve(|request| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        asked.push(
            format!("{} {} {body}", request.method, &request.path[11..])
                .trim_end()
                .to_owned(),
        );
        answer(&request)
    });
    runner.leave();
    (ended, asked)
}

#[test]
fn every_helper_makes_every_call() {
    let expected = [
        (
            Language::Python,
            PYTHON,
            [
                "20 nightly",
                "one None x",
                "47 True False",
                "RATE_LIMITED 7 come again",
            ]
            .as_slice(),
        ),
        (
            Language::NodeJs,
            NODE,
            [
                "20 nightly",
                "one null x",
                "47 true false",
                "RATE_LIMITED 7 come again",
            ]
            .as_slice(),
        ),
        (
            Language::Bash,
            BASH,
            ["20 nightly", "one 11 x", "47 11", "14"].as_slice(),
        ),
    ];
    for (language, script, lines) in expected {
        let (ended, mut asked) = run(language, script);
        assert_eq!(
            ended.texts(Stream::Stdout),
            lines,
            "{language:?}: {:?}",
            ended.texts(Stream::Stderr)
        );
        assert_eq!(
            ended.texts(Stream::System),
            [r#"WARN said {"a":1}"#],
            "{language:?}"
        );
        let output: serde_json::Value = serde_json::from_str(ended.report.output.as_ref().unwrap()).unwrap();
        assert_eq!(output, serde_json::json!({ "a": [1] }), "{language:?}");
        assert_eq!(ended.report.code, Some(0), "{language:?}");
        asked.sort();
        asked.dedup();
        let compact: Vec<String> = asked
            .iter()
            .map(|line| line.replace(": ", ":").replace(", ", ","))
            .collect();
        for call in [
            "DELETE /variables/A",
            "DELETE /variables/NONE",
            "GET /event",
            "GET /input",
            "GET /variables/A",
            "GET /variables/BUSY",
            "GET /variables/NONE",
            r#"POST /variables/C/increment {"by":5}"#,
            r#"PUT /condition {"value":true}"#,
        ] {
            assert!(
                compact.iter().any(|line| line == call),
                "{language:?}: {call}: {compact:?}"
            );
        }
        let set = compact
            .iter()
            .find(|line| line.starts_with("PUT /variables/A"))
            .unwrap();
        let body: serde_json::Value = serde_json::from_str(
            set.split_once(" {")
                .map(|(_, b)| format!("{{{b}"))
                .unwrap()
                .as_str(),
        )
        .unwrap();
        assert_eq!(
            body,
            serde_json::json!({ "value": "two words", "secret": false }),
            "{language:?}"
        );
        if language == Language::Bash {
            assert_eq!(
                ended.texts(Stream::Stderr),
                ["cronium: RATE_LIMITED: come again (retry after 7 s)"]
            );
        }
    }
}

#[test]
fn without_a_runtime_there_is_no_socket() {
    let script = "echo \"${CRONIUM_SOCKET-none} ${CRONIUM_CLIENT-none} ${BASH_ENV-none}\"; ls -A";
    let ended = support::run(&Payload::bash(script));
    assert_eq!(ended.texts(Stream::Stdout), ["none none none", "data", "main"]);
}

#[test]
fn the_socket_is_its_owners_only() {
    let mut runner = Runner::start();
    runner.run(&Payload::calling(Language::Bash, "echo up; exec sleep 1000"));
    runner.line(|l| l.text == "up");
    let mode = std::fs::metadata(runner.work().join(".cronium.sock"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    runner.send(ToRunner::Cancel);
    runner.finish();
    runner.leave();
}

#[test]
fn a_cut_channel_is_survived_and_the_call_keeps_its_id() {
    let mut runner = Runner::start();
    let script = "import cronium\nprint(cronium.increment_variable('C'), cronium.increment_variable('C'))";
    runner.run(&Payload::calling(Language::Python, script));
    let (first, request) = runner.call();
    assert_eq!((request.number, request.settled), (1, 0));
    for _ in 0..3 {
        runner.send(ToRunner::Resume {
            after_seq: 0,
            calls: true,
        });
        let (again, request) = runner.call();
        assert_eq!((again, request.number), (first, 1));
    }
    runner.reply(first, &reply(200, r#"{"value":1}"#));
    // Late and doubled answers are nobody's.
    runner.reply(first, &reply(200, r#"{"value":9}"#));
    let (second, request) = runner.call();
    assert_eq!((request.number, request.settled), (2, 1));
    assert_ne!(second, first);
    runner.reply(second, &reply(200, r#"{"value":2}"#));
    let ended = runner.finish();
    assert_eq!(ended.texts(Stream::Stdout), ["1 2"]);
    runner.leave();
}

#[test]
fn where_nobody_carries_calls_scripts_are_told_and_do_not_wait() {
    let mut runner = Runner::start();
    let script = "import cronium\nfor _ in range(2):\n  try:\n    cronium.input()\n  except cronium.CroniumError as e:\n    print(e.code)";
    runner.run(&Payload::calling(Language::Python, script));
    runner.call();
    runner.send(ToRunner::Resume {
        after_seq: 0,
        calls: false,
    });
    assert_eq!(
        runner.finish().texts(Stream::Stdout),
        ["UNAVAILABLE", "UNAVAILABLE"]
    );
    runner.leave();
}

#[test]
fn a_script_that_leaves_calls_behind_ends_all_the_same() {
    let mut runner = Runner::start();
    let script = "for i in $(seq 30); do cronium_input & done; sleep 0.3; echo over";
    runner.run(&Payload::calling(Language::Bash, script));
    let mut calls = 0;
    let report = loop {
        match runner.next() {
            FromRunner::Call { .. } => calls += 1,
            FromRunner::Exit { report, .. } => break report,
            FromRunner::Log { block } => {
                let seq = cronium_protocol::log::LogBlock::decode(&block)
                    .unwrap()
                    .last_seq();
                runner.send(ToRunner::Ack { seq });
            }
            _ => {}
        }
    };
    assert_eq!(report.code, Some(0));
    assert!((1..=8).contains(&calls), "{calls} calls were carried at a time");
    runner.leave();
}

#[test]
fn many_callers_wait_for_their_turn_and_all_are_answered() {
    let script = r#"
import cronium, threading
got = []
threads = [threading.Thread(target=lambda: got.append(cronium.increment_variable("C"))) for _ in range(60)]
[t.start() for t in threads]; [t.join() for t in threads]
print(len(set(got)), max(got))
"#;
    let mut runner = Runner::start();
    runner.run(&Payload::calling(Language::Python, script));
    let mut count = 0;
    let ended = runner.serve(|_| {
        count += 1;
        reply(200, &format!(r#"{{"value":{count}}}"#))
    });
    assert_eq!(
        ended.texts(Stream::Stdout),
        ["60 60"],
        "{:?}",
        ended.texts(Stream::Stderr)
    );
    runner.leave();
}

#[test]
fn a_body_that_is_too_large_is_refused_with_its_reason() {
    let script = r#"
import cronium, socket, os
for size in (5 * 1024 * 1024 - 2, 5 * 1024 * 1024):
    try:
        cronium.output("x" * size)
        print("kept")
    except cronium.CroniumError as problem:
        print(problem.code)
def raw(text):
    s = socket.socket(socket.AF_UNIX); s.connect(os.environ["CRONIUM_SOCKET"]); s.sendall(text)
    print(s.recv(100).split(b"\r\n")[0].decode())
raw(b"nonsense\r\n\r\n")
raw(b"PUT /runtime/v1/output HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
raw(b"GET /elsewhere HTTP/1.1\r\n\r\n")
"#;
    let (ended, asked) = run(Language::Python, script);
    assert_eq!(
        ended.texts(Stream::Stdout),
        [
            "kept",
            "TOO_LARGE",
            "HTTP/1.1 400 Bad Request",
            "HTTP/1.1 411 Length Required",
            "HTTP/1.1 404 Not Found"
        ]
    );
    assert_eq!(ended.report.output.unwrap().len(), 5 << 20);
    assert_eq!(asked, Vec::<String>::new());
}

#[test]
fn of_file_and_call_the_last_output_counts() {
    let file = "printf 1 > $CRONIUM_OUTPUT";
    let call = "cronium_output 2";
    for (script, output) in [(format!("{file}; {call}"), "2"), (format!("{call}; {file}"), "1")] {
        let (ended, _) = run(Language::Bash, &script);
        assert_eq!(ended.report.output.as_deref(), Some(output), "{script}");
    }
    // What stands in the way is replaced, never written through.
    let script = "ln -s $HOME/data/elsewhere $CRONIUM_OUTPUT; cronium_output 3; [ ! -e data/elsewhere ]";
    let (ended, _) = run(Language::Bash, script);
    assert_eq!(
        (ended.report.output.as_deref(), ended.report.code),
        (Some("3"), Some(0))
    );
    let (ended, _) = run(Language::Bash, "cronium_output '{oops'; echo $?");
    assert_eq!(
        (ended.report.output, ended.lines.last().map(|l| l.text.as_str())),
        (None, Some("10"))
    );
}

#[test]
fn lines_by_call_are_in_the_same_sequence_under_the_same_limits() {
    let mut runner = Runner::start();
    let script = "cronium_log info $'two\\nlines'; cronium_log debug \"$(printf '%0200d' 0)\"; \
                  for i in $(seq 20); do cronium_log info \"$(printf '%0050d' $i)\"; done; \
                  cronium_log loud x; echo $? ";
    runner.run(&Payload::calling(Language::Bash, script).with(|m| {
        m.log_line_bytes = 100;
        m.log_total_bytes = 600;
    }));
    let ended = runner.finish();
    let texts = ended.texts(Stream::System);
    assert_eq!(texts[0], "INFO two\\nlines");
    assert_eq!(texts[1].len(), 100);
    assert_eq!(
        texts.last(),
        Some(&"the log reached its limit of 600 bytes; the rest is dropped")
    );
    let seqs: Vec<u64> = ended.lines.iter().map(|l| l.seq).collect();
    assert_eq!(seqs, (1..=ended.lines.len() as u64).collect::<Vec<_>>());
    assert!(ended.report.log_truncated);
    runner.leave();
}
