//! Secrets that a real script was told, and everything that it then says.

mod support;

use std::time::Instant;

use cronium_protocol::log::Stream;
use cronium_protocol::manifest::Language;
use cronium_protocol::runtime::Reply;
use support::{Ended, Payload, Runner, run};

const SECRET: &str = "hunter2 & \"söns\"/+1";

fn told(secret: &str) -> Reply {
    let body = serde_json::json!({ "key": "S", "value": secret, "secret": true });
    Reply {
        status: 200,
        body: body.to_string().into_bytes(),
        secrets: vec![secret.into()],
    }
}

fn runs(language: Language, script: &str, secret: &str) -> Ended {
    let mut runner = Runner::start();
    runner.run(&Payload::calling(language, script));
    let ended = runner.serve(|_| told(secret));
    runner.leave();
    assert_eq!(ended.report.code, Some(0), "{:?}", ended.texts(Stream::Stderr));
    ended
}

#[test]
fn every_common_form_is_masked_on_every_way_out() {
    let script = r#"
import base64, cronium, json, sys, time, urllib.parse
s = cronium.get_variable("S")
b = s.encode()
def say(text): print("<" + text + ">", flush=True)
say(s); say(b.hex()); say(b.hex().upper()); say(json.dumps(s)); say(json.dumps(s, ensure_ascii=False))
say(urllib.parse.quote(s)); say(urllib.parse.quote(s, safe="")); say(urllib.parse.quote_plus(s))
say(urllib.parse.quote(s, safe="").lower())
for encode in (base64.b64encode, base64.urlsafe_b64encode):
    say(encode(b).decode())
    for n in range(1, 4): say(encode(b"abc"[:n] + b + b"xyz").decode())
print(s, file=sys.stderr)
for byte in ("in " + s + " pieces\n").encode():
    sys.stdout.buffer.write(bytes([byte])); sys.stdout.buffer.flush()
    if byte % 3 == 0: time.sleep(0.001)
cronium.log("token " + s, token=s)
cronium.output({"token": s, "list": [s + s]})
sys.stdout.write("no newline " + s)
"#;
    let ended = runs(Language::Python, script, SECRET);
    for line in &ended.lines {
        let text = &line.text;
        assert!(text.contains("***"), "{text}");
        for part in [
            "hunter2",
            "68756e746572",
            "aHVudGVyM",
            "h1bnRlcj",
            "odW50ZXIy",
            "s%C3%B6",
            "öns",
        ] {
            assert!(
                !text.to_lowercase().contains(&part.to_lowercase()),
                "{part} in {text}"
            );
        }
    }
    let out = ended.texts(Stream::Stdout);
    assert_eq!(
        (out[0], out[out.len() - 2], out[out.len() - 1]),
        ("<***>", "in *** pieces", "no newline ***")
    );
    assert_eq!(ended.texts(Stream::Stderr), ["***"]);
    assert_eq!(ended.texts(Stream::System), [r#"INFO token *** {"token":"***"}"#]);
    let output: serde_json::Value = serde_json::from_str(&ended.report.output.unwrap()).unwrap();
    assert_eq!(output, serde_json::json!({ "token": "***", "list": ["***"] }));
}

#[test]
fn nothing_is_masked_before_it_is_known_and_short_values_never() {
    let script = "echo hunter2; cronium_get_variable S > /dev/null; echo hunter2 | rev; echo hunter2";
    let ended = runs(Language::Bash, script, "hunter2");
    assert_eq!(ended.texts(Stream::Stdout), ["hunter2", "2retnuh", "***"]);
    let ended = runs(Language::Bash, "cronium_get_variable S", "abc");
    assert_eq!(ended.texts(Stream::Stdout), ["abc"]);
}

#[test]
fn a_value_of_several_lines_is_masked_line_by_line_and_encoded() {
    let key: String = (0..20)
        .map(|n| format!("{n:02}{}\n", "abcdefghij".repeat(6)))
        .collect();
    let script = "v=$(cronium_get_variable S); echo \"$v\"; echo \"$v\" | base64; echo \"$v\" | base64 -w0";
    let ended = runs(Language::Bash, script, &key);
    let out = ended.texts(Stream::Stdout);
    assert!(out.iter().all(|line| line.starts_with("***")), "{out:?}");
    assert!(out.iter().all(|line| line.len() < 8), "{out:?}");
}

#[test]
fn a_secret_of_the_environment_is_masked_from_the_first_line() {
    let payload = Payload::calling(Language::Bash, "echo $CRONIUM_TOKEN; echo $GREETING").with(|m| {
        m.env
            .insert("CRONIUM_TOKEN".into(), "eyJhbGciOi.eyJzdWI.c2ln".into());
        m.runtime.as_mut().unwrap().secret_env = vec!["CRONIUM_TOKEN".into()];
    });
    assert_eq!(run(&payload).texts(Stream::Stdout), ["***", "hello"]);
}

/// What masking costs: shown, not judged.
#[test]
fn a_flood_is_masked_to_the_last_line() {
    let lines = 300_000;
    let flood =
        format!("yes 'a line of a usual length, with nothing to hide but hunter2-hunter2' | head -n {lines}");
    let told = format!("cronium_get_variable S > /dev/null; {flood}");
    for (script, secret) in [
        (&flood, "none"),
        (&told, "another secret"),
        (&told, "hunter2-hunter2"),
    ] {
        let began = Instant::now();
        let ended = runs(Language::Bash, script, secret);
        let bytes: usize = ended.lines.iter().map(|line| line.text.len() + 1).sum();
        let masked = ended
            .lines
            .iter()
            .filter(|line| line.text.ends_with("***"))
            .count();
        assert_eq!(masked, if secret.starts_with("hunter2") { lines } else { 0 });
        let rate = bytes as f64 / 1e6 / began.elapsed().as_secs_f64();
        println!("{rate:.0} MB/s with the secret {secret:?}");
    }
}
