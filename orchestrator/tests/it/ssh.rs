//! Errands to servers: a real sshd, and what is none.

use std::fs;
use std::time::Duration;

use cronium_orchestrator::clock;
use cronium_protocol::agent::ServerToAgent;
use cronium_protocol::host::{Address, Errand, HostSpec, Report, SignIn, TroubleKind};

use crate::reach::{Client, assert_whole, at, go_on, hang_up, listener, say, through, until};
use crate::sshd::{PASSPHRASE, Sshd, another_key, free_port};
use crate::world::World;

#[tokio::test]
async fn a_server_tells_of_itself() {
    let (client, sshd) = (Client::new().await, Sshd::start(""));
    assert_whole(&client.figures(sshd.host()).await);
    for kind in ["ecdsa", "rsa"] {
        let host_key = sshd.host_key(kind);
        let figures = client
            .figures(HostSpec {
                host_key,
                ..sshd.host()
            })
            .await;
        assert_whole(&figures);
    }
}

#[tokio::test]
async fn a_locked_key_is_opened_by_its_passphrase_alone() {
    let (client, sshd) = (Client::new().await, Sshd::start(""));
    assert_whole(&client.figures(sshd.locked(Some(PASSPHRASE))).await);
    let other = Sshd::start("");
    for passphrase in [Some("wrong"), None] {
        let (kind, told) = client.trouble(other.locked(passphrase)).await;
        assert_eq!(kind, TroubleKind::BadKey, "{told}");
        assert!(told.contains("passphrase") && !told.contains('/'), "{told}");
    }
    let damaged = SignIn::Key {
        private: "no key".to_owned().into(),
        passphrase: None,
    };
    assert_eq!(client.trouble(other.with(damaged)).await.0, TroubleKind::BadKey);
    assert!(
        !other.log().contains("Connection from"),
        "it was bothered: {}",
        other.log()
    );
}

#[tokio::test]
async fn a_key_or_a_user_that_is_not_let_in_is_denied() {
    let (client, sshd) = (Client::new().await, Sshd::start(""));
    let (kind, told) = client.trouble(sshd.with(another_key())).await;
    assert_eq!(kind, TroubleKind::Denied, "{told}");
    assert!(told.contains("Permission denied"), "{told}");
    let login = "nobody-of-that-name".parse().unwrap();
    let stranger = HostSpec { login, ..sshd.host() };
    assert_eq!(client.trouble(stranger).await.0, TroubleKind::Denied);
    let picky = Sshd::start("AllowUsers somebody-else");
    assert_eq!(client.trouble(picky.host()).await.0, TroubleKind::Denied);
}

#[tokio::test]
async fn to_a_server_with_another_key_nothing_is_said() {
    let (client, sshd, other) = (Client::new().await, Sshd::start(""), Sshd::start(""));
    let host_key = other.host_key("ed25519");
    let (kind, told) = client
        .trouble(HostSpec {
            host_key,
            ..sshd.host()
        })
        .await;
    assert_eq!(kind, TroubleKind::KeyChanged, "{told}");
    assert!(told.contains(&sshd.host_key("ed25519").fingerprint()), "{told}");
    until("the end of the connection", || sshd.ends() > 0).await;
    assert!(!sshd.was_asked_to_let_in(), "{}", sshd.log());
    // One of the same server's keys that it no longer has.
    let fewer = Sshd::with_keys("", &["rsa"]);
    let host = HostSpec {
        host_key: sshd.host_key("ed25519"),
        ..at(fewer.address(), &sshd)
    };
    assert_eq!(client.trouble(host).await.0, TroubleKind::KeyChanged);
    assert!(!fewer.was_asked_to_let_in(), "{}", fewer.log());
}

#[tokio::test]
async fn who_does_not_speak_ssh_is_called_so() {
    let (client, sshd) = (Client::new().await, Sshd::start(""));
    let closed = Address::parse("127.0.0.1", Some(free_port())).unwrap();
    assert_eq!(
        client.trouble(at(closed.clone(), &sshd)).await.0,
        TroubleKind::Refused
    );
    assert_eq!(
        client.keys(closed, None).await.unwrap_err().kind,
        TroubleKind::Refused
    );
    let unknown: Address = "no-such-host.invalid".parse().unwrap();
    assert_eq!(
        client.trouble(at(unknown, &sshd)).await.0,
        TroubleKind::Unresolved
    );

    let (garbage, _garbage) = listener(|stream| say(stream, b"\x00\x01\xff what?\r\n")).await;
    let (endless, _endless) = listener(|stream| go_on(stream, b"one more line\r\n", Duration::ZERO)).await;
    let (curt, _curt) = listener(hang_up).await;
    for address in [garbage, endless, curt] {
        let (kind, told) = client.trouble(at(address.clone(), &sshd)).await;
        assert_eq!(kind, TroubleKind::NotSsh, "{told}");
        assert_eq!(
            client.keys(address, None).await.unwrap_err().kind,
            TroubleKind::NotSsh
        );
    }
}

/// Side by side, because each takes its time to the end.
#[tokio::test]
async fn who_is_silent_is_not_waited_for_for_ever() {
    let (client, sshd) = (Client::new().await, Sshd::start(""));
    let stuck = Sshd::start("ForceCommand cat >/dev/null");
    let (silent, _silent) = listener(|stream| say(stream, b"")).await;
    let (polite, _polite) = listener(|stream| say(stream, b"SSH-2.0-Polite\r\n")).await;
    let (dripping, _dripping) = listener(|stream| go_on(stream, b"x", Duration::from_millis(200))).await;
    let check = |host: HostSpec| {
        let ssh = client.ssh.clone();
        async move {
            match ssh.report(&Errand::Check { host: Box::new(host) }).await {
                Report::Trouble(trouble) => trouble.kind,
                other => panic!("{other:?}"),
            }
        }
    };
    let began = tokio::time::Instant::now();
    let found = tokio::join!(
        check(at(silent, &sshd)),
        check(at(polite, &sshd)),
        check(at(dripping, &sshd)),
        check(stuck.host())
    );
    let silence = TroubleKind::Silent;
    assert_eq!(found, (silence, silence, silence, TroubleKind::NoShell));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(client.left_behind(), Vec::<String>::new());
}

#[tokio::test]
async fn one_may_sign_in_and_yet_have_no_shell() {
    let client = Client::new().await;
    for (options, kind, told) in [
        ("ForceCommand /bin/false", TroubleKind::NoShell, ""),
        (
            "ForceCommand echo This account is currently not available.; exit 1",
            TroubleKind::NoShell,
            "This account is currently not available.",
        ),
        ("ForceCommand yes", TroubleKind::NoShell, "It writes without end."),
    ] {
        let sshd = Sshd::start(options);
        assert_eq!(
            client.trouble(sshd.host()).await,
            (kind, told.to_owned()),
            "{options}"
        );
    }
    let sshd = Sshd::start("MaxSessions 0");
    assert_eq!(client.trouble(sshd.host()).await.0, TroubleKind::NoSession);
}

#[tokio::test]
async fn what_a_server_says_to_everybody_does_no_harm() {
    let noise =
        "ForceCommand echo kernel=Evil; echo Welcome >&2; printf 'no end'; eval \"$SSH_ORIGINAL_COMMAND\"";
    let sshd = Sshd::start(&format!("{noise}\nBanner DIR/banner"));
    let banner = "REMOTE HOST IDENTIFICATION HAS CHANGED\nx: Permission denied (publickey).\n";
    fs::write(sshd.file("banner"), banner).unwrap();
    assert_whole(&Client::new().await.figures(sshd.host()).await);
}

#[tokio::test]
async fn host_keys_are_seen_without_signing_in() {
    let (client, sshd) = (Client::new().await, Sshd::start(""));
    let all = ["ed25519", "ecdsa", "rsa"].map(|kind| sshd.host_key(kind));
    assert_eq!(client.keys(sshd.address(), None).await.unwrap(), all);
    until("the ends of the connections", || sshd.ends() >= 3).await;
    assert!(!sshd.was_asked_to_let_in(), "{}", sshd.log());
    let one = Sshd::with_keys("", &["ecdsa"]);
    let found = client.keys(one.address(), None).await.unwrap();
    assert_eq!(found, [one.host_key("ecdsa")]);
}

#[tokio::test]
async fn a_server_is_reached_through_others() {
    let (client, sshd, jump) = (Client::new().await, Sshd::start(""), Sshd::start("MaxSessions 0"));
    let locked = || jump.locked(Some(PASSPHRASE));
    assert_whole(
        &client
            .figures(through(sshd.locked(Some(PASSPHRASE)), locked()))
            .await,
    );
    let first = Sshd::start("");
    let chain = through(sshd.host(), through(jump.host(), first.host()));
    assert_whole(&client.figures(chain).await);
    let all = ["ed25519", "ecdsa", "rsa"].map(|kind| sshd.host_key(kind));
    let asked = sshd.log().matches("userauth-request").count();
    assert!(asked > 0, "{}", sshd.log());
    assert_eq!(client.keys(sshd.address(), Some(locked())).await.unwrap(), all);
    assert_eq!(sshd.log().matches("userauth-request").count(), asked);
}

#[tokio::test]
async fn trouble_on_the_way_is_not_the_servers() {
    let (client, sshd, jump) = (Client::new().await, Sshd::start(""), Sshd::start(""));
    let closed = || Address::parse("127.0.0.1", Some(free_port())).unwrap();
    let pinned_otherwise = HostSpec {
        host_key: sshd.host_key("ed25519"),
        ..jump.host()
    };
    let strict = Sshd::start("AllowTcpForwarding no");
    for (way, what) in [
        (jump.with(another_key()), "denied"),
        (jump.locked(Some("wrong")), "a key that can't be opened"),
        (pinned_otherwise, "another key"),
        (at(closed(), &jump), "nobody listens"),
        (strict.host(), "carries nothing on"),
    ] {
        let (kind, told) = client.trouble(through(sshd.host(), way)).await;
        assert_eq!(kind, TroubleKind::Jump, "{what}: {told}");
        assert!(!told.is_empty(), "{what}");
    }
    assert!(!sshd.log().contains("Connection from"), "{}", sshd.log());
    // And the server's own is not the way's.
    let (kind, told) = client.trouble(through(at(closed(), &sshd), jump.host())).await;
    assert_eq!(kind, TroubleKind::Refused, "{told}");
    let denied = through(sshd.with(another_key()), jump.host());
    assert_eq!(client.trouble(denied).await.0, TroubleKind::Denied);
    let found = client.keys(closed(), Some(jump.host())).await.unwrap_err();
    assert_eq!(found.kind, TroubleKind::Refused);
}

/// A server whose shell begins when this file is removed, with the server at the latest.
const HELD: &str = "held";

fn held() -> Sshd {
    let wait = format!("while [ -e DIR/{HELD} ]; do sleep 0.1; done");
    let sshd = Sshd::start(&format!("ForceCommand {wait}; eval \"$SSH_ORIGINAL_COMMAND\""));
    fs::write(sshd.file(HELD), "").unwrap();
    sshd
}

#[tokio::test]
async fn nobody_sees_who_signs_in_where_and_with_what() {
    let (client, sshd, jump) = (Client::new().await, held(), Sshd::start(""));
    let host = through(sshd.locked(Some(PASSPHRASE)), jump.locked(Some(PASSPHRASE)));
    let (login, ports) = (host.login.as_str().to_owned(), [sshd.port, jump.port]);
    let ssh = client.ssh.clone();
    let checking = tokio::spawn(async move { ssh.report(&Errand::Check { host: Box::new(host) }).await });
    until("the session", || sshd.log().contains("Starting session")).await;
    let processes = client.processes();
    // ssh, our own program on the way, and its ssh.
    assert!(processes.len() >= 3, "{processes:?}");
    for (arguments, environment) in &processes {
        let shown = arguments.join(" ");
        assert!(
            !shown.contains("127.0.0.1") && !shown.contains(PASSPHRASE),
            "{shown}"
        );
        assert!(!arguments.contains(&login), "{shown}");
        for port in ports {
            assert!(
                !arguments
                    .iter()
                    .any(|argument| argument.contains(&format!(":{port}"))),
                "{shown}"
            );
        }
        assert!(
            !environment.contains("127.0.0.1") && !environment.contains(PASSPHRASE),
            "{environment}"
        );
        assert!(
            !environment.contains("CARGO"),
            "it has our own environment: {environment}"
        );
    }
    fs::remove_file(sshd.file(HELD)).unwrap();
    assert!(matches!(checking.await.unwrap(), Report::Check(_)));
    assert_eq!(client.left_behind(), Vec::<String>::new());
    until("the end of all processes", || client.processes().is_empty()).await;
}

#[tokio::test]
async fn one_that_is_cut_off_leaves_nothing_behind() {
    let (client, sshd, jump) = (Client::new().await, held(), Sshd::start(""));
    let host = through(sshd.host(), jump.host());
    let ssh = client.ssh.clone();
    let checking = tokio::spawn(async move { ssh.report(&Errand::Check { host: Box::new(host) }).await });
    until("the session", || sshd.log().contains("Starting session")).await;
    assert!(!client.left_behind().is_empty());
    checking.abort();
    assert!(checking.await.unwrap_err().is_cancelled());
    until("the end of all processes", || client.processes().is_empty()).await;
    assert_eq!(client.left_behind(), Vec::<String>::new());
}

#[tokio::test]
async fn the_helper_says_nothing_where_nobody_answers() {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_cronium-orchestrator"))
        .arg("Enter passphrase for key '/x': ")
        .env("CRONIUM_SSH_ASK", "/nonexistent/ask")
        .output()
        .unwrap();
    assert!(!done.status.success() && done.stdout.is_empty(), "{done:?}");
}

#[tokio::test]
async fn the_server_asks_over_the_agent_channel() {
    let (world, sshd) = (World::new().await, Sshd::start(""));
    world
        .agent
        .until("the hello", 20, |kept| kept.ssh.then_some(()))
        .await;
    let id = clock::new_id();
    let errand = Errand::Check {
        host: Box::new(sshd.host()),
    };
    world.agent.tell(ServerToAgent::Errand { id, errand });
    let report = world
        .agent
        .until("the report", 30, |kept| kept.reports.get(&id).cloned());
    match report.await {
        Report::Check(figures) => assert_whole(&figures),
        other => panic!("{other:?}"),
    }
}
