//! Payloads that must not run: each differs from a good one in one point.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

use cronium_protocol::frame::{FromRunner, ToRunner};
use cronium_protocol::manifest::Refusal;
use ed25519_dalek::SigningKey;
use support::{Payload, Runner, add, entry, run, tar_of};
use tar::{Builder, EntryType};

/// The payload is refused, nothing was unpacked, and a grant starts nothing.
fn refused(payload: &Payload) -> Refusal {
    refused_frame(payload.frame())
}

fn refused_frame(frame: ToRunner) -> Refusal {
    let mut runner = Runner::start();
    let refusal = runner.refusal(frame);
    assert!(runner.is_work_empty());
    runner.send(ToRunner::Start { granted: true });
    runner.send(ToRunner::Ping);
    assert_eq!(runner.next(), FromRunner::Pong);
    runner.leave();
    refusal
}

fn archive_refused(payload: &Payload, why: &str) {
    match refused(payload) {
        Refusal::Archive(text) => assert!(text.contains(why), "{text:?} does not say {why:?}"),
        other => panic!("refused for another reason: {other:?}"),
    }
}

const INPUT: (&str, &[u8]) = ("data/input.json", b"{\"n\": 20}");

/// A payload whose manifest is good and whose archive has one more entry.
fn with_entry(path: &str, kind: EntryType) -> Payload {
    let mut payload = Payload::bash("true");
    let mut builder = Builder::new(Vec::new());
    add(&mut builder, "main", EntryType::Regular, b"true");
    add(&mut builder, INPUT.0, EntryType::Regular, INPUT.1);
    add(&mut builder, path, kind, b"");
    payload.archive = builder.into_inner().unwrap();
    payload
}

#[test]
fn the_good_payload_runs() {
    assert_eq!(run(&Payload::bash("true")).report.code, Some(0));
}

#[test]
fn a_foreign_signature_is_refused() {
    let mut payload = Payload::bash("true");
    payload.key = SigningKey::from_bytes(&[8; 32]);
    assert_eq!(refused(&payload), Refusal::Signature);
}

#[test]
fn a_changed_manifest_or_a_missing_signature_is_refused() {
    let ToRunner::Payload {
        mut manifest,
        signature,
        archive,
    } = Payload::bash("true").frame()
    else {
        unreachable!()
    };
    let missing = ToRunner::Payload {
        manifest: manifest.clone(),
        signature: Vec::new(),
        archive: archive.clone(),
    };
    assert_eq!(refused_frame(missing), Refusal::Signature);
    *manifest.last_mut().unwrap() ^= 1;
    assert_eq!(
        refused_frame(ToRunner::Payload {
            manifest,
            signature,
            archive
        }),
        Refusal::Signature
    );
}

#[test]
fn an_expired_payload_is_refused() {
    assert_eq!(
        refused(&Payload::bash("true").with(|m| m.expires_at_ms = 1_000)),
        Refusal::Expired
    );
}

#[test]
fn a_payload_for_another_target_is_refused() {
    assert_eq!(
        refused(&Payload::bash("true").with(|m| m.target = "docker:other".into())),
        Refusal::Target
    );
}

#[test]
fn another_protocol_version_is_refused() {
    assert_eq!(
        refused(&Payload::bash("true").with(|m| m.version = 9)),
        Refusal::Version(9)
    );
}

#[test]
fn a_second_payload_is_refused_and_the_first_goes_on() {
    let payload = Payload::bash("echo once");
    let mut runner = Runner::start();
    runner.send(payload.frame());
    assert_eq!(runner.next(), FromRunner::StartRequest);
    assert_eq!(runner.refusal(payload.frame()), Refusal::Replayed);
    assert_eq!(
        runner.refusal(Payload::bash("echo twice").frame()),
        Refusal::Replayed
    );
    runner.send(ToRunner::Start { granted: true });
    let ended = runner.finish();
    assert_eq!(
        ended.lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>(),
        ["once"]
    );
    runner.leave();
}

#[test]
fn unsafe_paths_are_refused() {
    for path in ["../evil", "/evil", "a/../../evil", "./evil", "a//evil", "a/"] {
        archive_refused(&with_entry(path, EntryType::Regular), "not plain and relative");
        let mut listed = with_entry(path, EntryType::Regular);
        listed.manifest.files.push(entry(path, b""));
        archive_refused(&listed, "not plain and relative");
    }
}

#[test]
fn links_and_other_special_entries_are_refused() {
    let kinds = [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::Fifo,
        EntryType::Char,
        EntryType::GNUSparse,
        EntryType::XGlobalHeader,
    ];
    for kind in kinds {
        let mut payload = with_entry("odd", kind);
        payload.manifest.files.push(entry("odd", b""));
        match refused(&payload) {
            Refusal::Archive(_) => {}
            other => panic!("{kind:?}: {other:?}"),
        }
    }
}

#[test]
fn entries_must_be_exactly_the_listed_files() {
    archive_refused(&with_entry("main", EntryType::Regular), "twice");
    archive_refused(&with_entry("more", EntryType::Regular), "not expected");
    archive_refused(
        &Payload::bash("true").with(|m| m.files.push(entry("less", b""))),
        "missing",
    );
    let mut changed = Payload::bash("true");
    changed.archive = tar_of(&[("main", b"evil"), INPUT]);
    archive_refused(&changed, "another content");
    let mut longer = Payload::bash("true");
    longer.archive = tar_of(&[("main", b"true; evil"), INPUT]);
    archive_refused(&longer, "another size");
    let mut short = Payload::bash("true");
    short.archive.truncate(700);
    assert!(matches!(refused(&short), Refusal::Archive(_)));
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let twice = Payload::bash("true").with(|m| m.files.push(m.files[0].clone()));
    archive_refused(&twice, "twice");
    let both = Payload::bash("true").with(|m| m.files.push(entry("main/x", b"")));
    archive_refused(&both, "both a file and a directory");
    let reserved = Payload::bash("true").with(|m| m.files.push(entry(".cronium-output.json", b"1")));
    archive_refused(&reserved, "reserved");
    for bad in [
        Payload::bash("true").with(|m| m.entry = "other".into()),
        Payload::bash("true").with(|m| m.input = Some("/etc/passwd".into())),
        Payload::bash("true").with(|m| drop(m.env.insert("A=B".into(), String::new()))),
    ] {
        assert!(matches!(refused(&bad), Refusal::Malformed(_)));
    }
}

#[test]
fn garbage_between_frames_is_skipped() {
    let mut runner = Runner::start();
    runner.send_bytes(b"\x07garbage\x00\x00\xff\xff\x00");
    runner.run(&Payload::bash("echo fine"));
    assert_eq!(runner.finish().lines[0].text, "fine");
    runner.leave();
}

fn serve(target: &str) -> ToRunner {
    let target = target.into();
    ToRunner::Serve { target }
}

#[test]
fn a_runner_that_was_started_ahead_serves_what_it_is_told_and_only_that() {
    let mut good = Runner::start_ahead();
    good.send(serve(support::TARGET));
    good.send(Payload::bash("true").frame());
    assert_eq!(good.next(), FromRunner::StartRequest);
    good.leave();
    let mut untold = Runner::start_ahead();
    assert_eq!(untold.refusal(Payload::bash("true").frame()), Refusal::Target);
    assert!(untold.is_work_empty());
    untold.leave();
    let mut other = Runner::start_ahead();
    other.send(serve("docker:another"));
    assert_eq!(other.refusal(Payload::bash("true").frame()), Refusal::Target);
    other.leave();
}

#[test]
fn nobody_gives_a_runner_another_target() {
    let mut told = Runner::start_ahead();
    told.send(serve("docker:another"));
    assert_eq!(told.refusal(serve(support::TARGET)), Refusal::Target);
    assert_eq!(told.refusal(Payload::bash("true").frame()), Refusal::Target);
    told.leave();
    let mut bound = Runner::start();
    assert_eq!(bound.refusal(serve("docker:another")), Refusal::Target);
    bound.leave();
}
