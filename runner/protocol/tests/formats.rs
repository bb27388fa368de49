//! The wire's forms, pinned: a changed snapshot is a changed protocol, which needs another version.

use cronium_protocol::agent::{
    AdoptReply, Adopted, AgentToServer, Assignment, CancelReport, Claim, ContainerSpec, HostOrder,
    HostReport, Outcome, OutcomeKind, Phase, ServerToAgent,
};
use cronium_protocol::frame::{self, ExitReport, FromRunner, ToRunner, UsageReport};
use cronium_protocol::host::{
    Errand, HostFigures, HostKey, HostSpec, HostTrouble, Report, SignIn, TroubleKind,
};
use cronium_protocol::log::{Line, LogBlock, Stream};
use cronium_protocol::manifest::{FileEntry, Language, Manifest, Refusal, Runtime};
use cronium_protocol::runtime;
use cronium_protocol::terminal::{About, End, FromTerminal, Place, Size, ToTerminal};
use insta::assert_snapshot;
use serde::Serialize;
use uuid::Uuid;

/// Sixteen bytes a line, with what can be read beside them.
fn dump(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| {
        let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let text: String = bytes
            .iter()
            .map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' })
            .collect();
        format!("{:<47}  {text}", hex.join(" "))
    };
    bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n")
}

#[expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
fn packed<T: Serialize>(message: &T) -> String {
    dump(&rmp_serde::to_vec_named(message).unwrap())
}

fn claim() -> Claim {
    Claim {
        execution_id: Uuid::from_u128(0x11),
        epoch: 2,
    }
}

#[expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
fn host_key() -> HostKey {
    // The least that is one: its kind, and a byte.
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AA==".parse().unwrap()
}

/// With a key on the way, and with a password at the end of it.
#[expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
fn host(jump: Option<Box<HostSpec>>) -> HostSpec {
    let sign_in = match jump {
        Some(_) => SignIn::Password("hunter2".to_owned().into()),
        None => SignIn::Key {
            private: "private".to_owned().into(),
            passphrase: Some("swordfish".to_owned().into()),
        },
    };
    HostSpec {
        address: "db.example:22".parse().unwrap(),
        login: "deploy".parse().unwrap(),
        sign_in,
        host_key: host_key(),
        jump,
    }
}

fn host_order() -> HostOrder {
    HostOrder {
        server_id: Uuid::from_u128(7),
        host: Box::new(host(None)),
    }
}

fn exit() -> ExitReport {
    ExitReport {
        started_at_us: 1_000_000,
        ended_at_us: 2_000_000,
        code: Some(0),
        signal: None,
        timed_out: false,
        cancelled: false,
        escalated: false,
        out_of_memory: false,
        processes_refused: 0,
        spawn_error: None,
        failure: None,
        output: Some("{}".into()),
        output_error: None,
        log_truncated: false,
    }
}

#[test]
fn manifest() {
    let manifest = Manifest {
        version: 1,
        execution_id: Uuid::from_u128(1),
        job_id: Uuid::from_u128(2),
        attempt: 3,
        target: "docker:1".into(),
        language: Language::Python,
        entry: "main.py".into(),
        input: Some("input.json".into()),
        env: [("A".into(), "b".into())].into(),
        timeout_ms: 1000,
        grace_ms: 10_000,
        log_line_bytes: 65_536,
        log_total_bytes: 1 << 20,
        files: vec![FileEntry {
            path: "main.py".into(),
            sha256: [9; 32],
            size: 4,
            mode: 0o644,
        }],
        expires_at_ms: 1_700_000_000_000,
        nonce: Uuid::from_u128(4),
        runtime: None,
    };
    let with_runtime = Manifest {
        runtime: Some(Runtime {
            bash_env: Some("cronium.sh".into()),
            secret_env: vec!["CRONIUM_TOKEN".into()],
        }),
        ..manifest.clone()
    };
    assert_snapshot!("manifest_with_runtime", dump(&with_runtime.encode().unwrap()));
    assert_snapshot!(dump(&manifest.encode().unwrap()));
}

#[test]
fn frames_to_the_runner() {
    let payload = ToRunner::Payload {
        manifest: vec![1, 0, 2],
        signature: vec![3],
        archive: vec![0, 0],
    };
    let frames = [
        payload,
        ToRunner::Start { granted: true },
        ToRunner::Ack { seq: 7 },
        ToRunner::Resume {
            after_seq: 0,
            calls: true,
        },
        ToRunner::Cancel,
        ToRunner::Ping,
        ToRunner::Bye,
        ToRunner::Reply {
            id: Uuid::from_u128(6),
            reply: vec![1, 0],
        },
    ];
    let shown: Vec<String> = frames
        .iter()
        .map(|f| format!("{f:?}\n{}", dump(&frame::encode(f).unwrap())))
        .collect();
    assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn frames_from_the_runner() {
    let frames = [
        FromRunner::Hello {
            protocol: 1,
            started: false,
            last_seq: 0,
        },
        FromRunner::StartRequest,
        FromRunner::Started { at_us: 1_000_000 },
        FromRunner::Log { block: vec![1, 0, 2] },
        FromRunner::Exit {
            report: exit(),
            usage: UsageReport {
                cpu_us: 5,
                peak_memory_bytes: 6,
            },
            last_seq: 9,
        },
        FromRunner::Refused {
            refusal: Refusal::Archive("why".into()),
        },
        FromRunner::Pong,
        FromRunner::Call {
            id: Uuid::from_u128(6),
            request: vec![1, 0],
        },
    ];
    let shown: Vec<String> = frames
        .iter()
        .map(|f| format!("{f:?}\n{}", dump(&frame::encode(f).unwrap())))
        .collect();
    assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn log_block() {
    let line = |seq, at_us, stream, text: &str| Line {
        seq,
        at_us,
        stream,
        text: text.into(),
    };
    let block = LogBlock {
        lines: vec![
            line(300, 1_700_000_000_000_000, Stream::Stdout, "first"),
            line(301, 1_700_000_000_000_150, Stream::Stderr, ""),
            line(302, 1_700_000_000_000_149, Stream::System, "é"),
        ],
    };
    assert_snapshot!(dump(&block.encode()));
}

#[test]
fn agent_messages() {
    let to_server = [
        AgentToServer::Hello {
            protocol: 1,
            orchestrator_id: Uuid::from_u128(5),
            name: "one".into(),
            version: "0.1.0".into(),
            capacity: 4,
            labels: vec!["gpu".into()],
            started_at_us: Some(1_000_000),
            runtime: true,
            ssh: true,
            terminals: true,
        },
        AgentToServer::Claim {
            free_slots: 4,
            on_servers: 64,
        },
        AgentToServer::Renew {
            claims: vec![claim()],
        },
        AgentToServer::StartRequest { claim: claim() },
        AgentToServer::Phase {
            claim: claim(),
            phase: Phase::Started,
            at_us: 1,
        },
        AgentToServer::Log {
            claim: claim(),
            block: vec![1, 2],
        },
        AgentToServer::Finish {
            claim: claim(),
            outcome: Box::new(Outcome {
                kind: OutcomeKind::Failed,
                reason: Some("why".into()),
                exit: Some(exit()),
                usage: Some(UsageReport::default()),
                image_digest: None,
                cancel: Some(CancelReport::default()),
                setup_at_us: Some(1),
                started_at_us: Some(2),
                ended_at_us: Some(3),
                finished_at_us: 4,
                last_seq: 5,
                unstarted: true,
            }),
        },
        AgentToServer::Adopt {
            claims: vec![claim()],
        },
        AgentToServer::Heartbeat {
            host: HostReport::default(),
            running: 1,
        },
        AgentToServer::Call {
            claim: claim(),
            id: Uuid::from_u128(6),
            request: vec![1],
        },
        AgentToServer::Reported {
            id: Uuid::from_u128(8),
            report: Report::HostKeys {
                keys: vec![host_key()],
                latency_us: 9,
            },
        },
        AgentToServer::Reported {
            id: Uuid::from_u128(8),
            report: Report::Check(HostFigures::default()),
        },
        AgentToServer::Reported {
            id: Uuid::from_u128(8),
            report: Report::Trouble(HostTrouble {
                kind: TroubleKind::KeyChanged,
                told: Some("why".into()),
            }),
        },
    ];
    let to_agent = [
        ServerToAgent::Welcome {
            verify_key: [1; 32],
            lease_secs: 30,
            renew_secs: 5,
            runtime: true,
            takes_back: true,
        },
        ServerToAgent::Claimed {
            assignments: vec![Assignment {
                claim: claim(),
                job_id: Uuid::from_u128(2),
                attempt: 1,
                container: ContainerSpec {
                    image: None,
                    memory_bytes: 1,
                    cpu_millis: 1000,
                    pids: 64,
                    network: false,
                },
                http: false,
                host: Some(host_order()),
                timeout_ms: 1000,
                manifest: vec![1],
                signature: vec![2],
                archive: vec![3],
            }],
            more: true,
        },
        ServerToAgent::Renewed { lost: vec![claim()] },
        ServerToAgent::StartGrant {
            claim: claim(),
            granted: true,
        },
        ServerToAgent::LogAck {
            claim: claim(),
            seq: 5,
        },
        ServerToAgent::FinishAck { claim: claim() },
        ServerToAgent::Cancel { claim: claim() },
        ServerToAgent::Wake,
        ServerToAgent::Adopted {
            replies: vec![AdoptReply {
                claim: claim(),
                go_on: Some(Adopted {
                    claim: claim(),
                    last_seq: 5,
                    started: true,
                    host: Some(host_order()),
                }),
            }],
        },
        ServerToAgent::Drain { draining: true },
        ServerToAgent::Reply {
            claim: claim(),
            id: Uuid::from_u128(6),
            reply: vec![1],
        },
        ServerToAgent::Errand {
            id: Uuid::from_u128(8),
            errand: Errand::HostKeys {
                address: "[::1]:2222".parse().unwrap(),
                jump: None,
            },
        },
        ServerToAgent::Errand {
            id: Uuid::from_u128(8),
            errand: Errand::Check {
                host: Box::new(host(Some(Box::new(host(None))))),
            },
        },
    ];
    let shown: Vec<String> = to_server
        .iter()
        .map(packed)
        .chain(to_agent.iter().map(packed))
        .collect();
    assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn terminal_messages() {
    let terminal = Uuid::from_u128(9);
    let size = Size {
        columns: 80,
        rows: 24,
    };
    let trouble = HostTrouble {
        kind: TroubleKind::Silent,
        told: None,
    };
    let told = || "why".to_owned();
    let from = [
        FromTerminal::Opened,
        FromTerminal::Output {
            number: 1,
            at_us: 1_000_000,
            data: vec![0x1b, b'[', b'm'],
        },
        FromTerminal::Typed { number: 2 },
        FromTerminal::Held,
        FromTerminal::Ended(End::Exited { code: Some(7) }),
        FromTerminal::Ended(End::Closed),
        FromTerminal::Ended(End::Trouble(trouble)),
        FromTerminal::Ended(End::NoContainer { told: told() }),
        FromTerminal::Ended(End::Failed { told: told() }),
    ];
    let server = HostOrder {
        server_id: Uuid::from_u128(7),
        host: Box::new(host(None)),
    };
    let to = [
        ToTerminal::Open {
            place: Place::Server(server),
            size,
        },
        ToTerminal::Open {
            place: Place::Container(claim()),
            size,
        },
        ToTerminal::Input {
            number: 1,
            data: vec![3],
        },
        ToTerminal::Resize(size),
        ToTerminal::Seen { number: 1 },
        ToTerminal::Close,
        ToTerminal::GoOn { output: 1, input: 2 },
    ];
    let from = from.map(|word| packed(&AgentToServer::Terminal(About { terminal, word })));
    let to = to.map(|word| packed(&ServerToAgent::Terminal(About { terminal, word })));
    assert_snapshot!([from.as_slice(), to.as_slice()].concat().join("\n\n"));
}

#[test]
fn runtime_calls() {
    let request = runtime::Request {
        number: 7,
        settled: 5,
        method: "GET".into(),
        path: "/runtime/v1/variables/A".into(),
        body: vec![1, 0],
    };
    let reply = runtime::Reply {
        status: 200,
        body: b"{}".to_vec(),
        secrets: vec!["hunter2".into()],
    };
    assert_eq!(
        format!("{request:?} {reply:?}"),
        "Request(7 GET /runtime/v1/variables/A) Reply(200)"
    );
    let shown = [
        runtime::encode(&request).unwrap(),
        runtime::encode(&reply).unwrap(),
    ];
    assert_snapshot!(shown.map(|bytes| dump(&bytes)).join("\n\n"));
}

/// Peers of the version before: what they say has not the newer fields, and what they hear has more than they know.
#[test]
fn words_without_the_newer_fields_are_understood() {
    #[derive(Serialize)]
    enum Older {
        Resume { after_seq: u64 },
    }
    #[derive(serde::Deserialize, PartialEq, Debug)]
    enum OlderReader {
        Resume { after_seq: u64 },
    }
    let said = rmp_serde::to_vec_named(&Older::Resume { after_seq: 9 }).unwrap();
    let newer = ToRunner::Resume {
        after_seq: 9,
        calls: false,
    };
    assert_eq!(rmp_serde::from_slice::<ToRunner>(&said).unwrap(), newer);
    let said = rmp_serde::to_vec_named(&newer).unwrap();
    assert_eq!(
        rmp_serde::from_slice::<OlderReader>(&said).unwrap(),
        OlderReader::Resume { after_seq: 9 }
    );
}
