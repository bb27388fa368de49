//! Terminals on servers: a real sshd, and shells of whoever runs the tests.

use std::fs;

use cronium_orchestrator::clock;
use cronium_protocol::agent::HostOrder;
use cronium_protocol::host::{HostSpec, HostTrouble, SignIn, TroubleKind};
use cronium_protocol::terminal::{End, Place, Size, ToTerminal, WINDOW};
use uuid::Uuid;

use crate::reach::{through, until};
use crate::sshd::{PASSPHRASE, Sshd, user};
use crate::world::World;

fn on(host: HostSpec) -> Place {
    Place::Server(HostOrder {
        server_id: clock::new_id(),
        host: Box::new(host),
    })
}

async fn world() -> World {
    let world = World::new().await;
    world
        .agent
        .until("the hello", 20, |kept| {
            (kept.ssh && kept.screens.offered).then_some(())
        })
        .await;
    world
}

/// A shell without files of its own, so that it says nothing by itself.
const PLAIN: &str = "ForceCommand exec env PS1='$ ' /bin/sh";

async fn plain() -> (World, Sshd, Uuid) {
    let (world, sshd) = (world().await, Sshd::start(PLAIN));
    let id = world.open_terminal(on(sshd.host())).await;
    (world, sshd, id)
}

/// How many processes of this machine have this among their arguments.
fn processes(argument: &str) -> usize {
    let line = |entry: fs::DirEntry| fs::read(entry.path().join("cmdline")).unwrap_or_default();
    let has = |line: &Vec<u8>| {
        line.split(|byte| *byte == 0)
            .any(|word| word == argument.as_bytes())
    };
    let all = fs::read_dir("/proc").unwrap().flatten();
    all.map(line).filter(has).count()
}

/// Seconds to sleep that nobody else sleeps.
fn unlike_others() -> String {
    (100_000_000 + clock::new_id().as_u128() % 100_000_000).to_string()
}

async fn trouble(world: &World, host: HostSpec) -> (TroubleKind, String, Uuid) {
    let id = world.ask_for_terminal(on(host));
    match world.until_ended(id).await {
        End::Trouble(HostTrouble { kind, told }) => (kind, told.unwrap_or_default(), id),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_shell_on_a_server_has_the_size_and_the_kind_that_were_asked_for() {
    let (world, sshd) = (world().await, Sshd::start(""));
    // The login shell, as it is.
    let id = world.open_terminal(on(sshd.host())).await;
    world.type_into(id, 1, "stty size; echo kind $TERM; echo done-$((1+1))\n");
    world.until_shown(id, "done-2").await;
    let shown = world.screen(id, |screen| screen.shown.clone());
    assert!(
        shown.contains("30 100") && shown.contains("kind xterm-256color"),
        "{shown}"
    );
    world.type_into(id, 2, "exit 7\n");
    assert_eq!(world.until_ended(id).await, End::Exited { code: Some(7) });
    assert_eq!(world.ssh_files(), Vec::<String>::new());
    assert_eq!(world.screen(id, |screen| screen.typed), 2);
}

#[tokio::test]
async fn a_terminal_there_has_the_modes_of_a_plain_one_and_shows_what_is_typed() {
    const TYPED: &str = "stty -a; printf 'do%s\\n' ne";
    let (world, _sshd, id) = plain().await;
    world.type_into(id, 1, &format!("{TYPED}\n"));
    world.until_shown(id, "done").await;
    let shown = world.screen(id, |screen| screen.shown.clone());
    let (_, said) = shown
        .split_once(&format!("{TYPED}\r\n"))
        .unwrap_or_else(|| panic!("{shown}"));
    let modes: Vec<_> = said.split_whitespace().collect();
    for mode in ["isig", "icanon", "icrnl", "echo", "opost", "onlcr", "iutf8"] {
        assert!(modes.contains(&mode), "{mode}: {shown}");
    }
}

#[tokio::test]
async fn a_program_hears_of_a_new_size() {
    let (world, _sshd, id) = plain().await;
    // The signal goes to whoever has the terminal: a shell that asks for commands gives it to each of its programs, and
    // one that runs a script keeps it.
    world.type_into(
        id,
        1,
        "sh -c 'trap \"stty size\" WINCH; echo rea\"\"dy; while :; do sleep 0.05; done'\n",
    );
    world.until_shown(id, "ready").await;
    for (columns, rows) in [(120, 40), (40, 10)] {
        world.tell_terminal(id, ToTerminal::Resize(Size { columns, rows }));
        world.until_shown(id, &format!("{rows} {columns}")).await;
    }
}

#[tokio::test]
async fn what_is_not_seen_waits_on_the_server_and_nothing_is_lost() {
    const LENGTH: usize = 50_000_000;
    let (world, _sshd, id) = plain().await;
    world.agent.kept().screens.mute_seen = true;
    world.type_into(
        id,
        1,
        &format!("head -c {LENGTH} /dev/zero | tr '\\0' '\\170'; echo; echo do''ne\n"),
    );
    // It comes near the window, and no further: `hear` looks at each piece.
    world
        .until_terminal(id, "full", |screen| screen.unseen > WINDOW - (128 << 10))
        .await;
    assert!(world.screen(id, |screen| screen.shown.len()) < LENGTH);
    world.see_all(id);
    world
        .until_terminal(id, "at its end", |screen| {
            screen.shown.len() > LENGTH && screen.shown.contains("done")
        })
        .await;
    let count = world.screen(id, |screen| screen.shown.matches('x').count());
    assert_eq!(count, LENGTH);
}

#[tokio::test]
async fn what_is_typed_is_typed_once_however_often_it_is_said() {
    let (world, _sshd, id) = plain().await;
    for number in [1, 1, 3, 2, 1, 2] {
        world.type_into(id, number, "n=$((n+1)); echo \"no $n.\"\n");
    }
    world.until_shown(id, "no 2.").await;
    world.type_into(id, 3, "echo \"all $n.\"\n");
    world.until_shown(id, "all 2.").await;
    world
        .until_terminal(id, "typed", |screen| screen.typed == 3)
        .await;
}

#[tokio::test]
async fn broken_connections_leave_no_gap_and_show_nothing_twice() {
    let (world, _sshd, id) = plain().await;
    world.type_into(
        id,
        1,
        // Whatever was shown before, the first one begins a line.
        "i=0; echo; while [ $i -lt 300 ]; do i=$((i+1)); echo \"<$i>\"; sleep 0.01; done; echo fini''shed\n",
    );
    for mark in ["<20>", "<120>", "<220>"] {
        world.until_shown(id, mark).await;
        let held = world.screen(id, |screen| screen.held);
        world.agent.cut();
        world
            .until_terminal(id, "held", |screen| screen.held > held)
            .await;
    }
    world.until_shown(id, "finished").await;
    let shown = world.screen(id, |screen| screen.shown.clone());
    let lines: Vec<_> = shown.lines().filter(|line| line.starts_with('<')).collect();
    let meant: Vec<_> = (1..=300).map(|i| format!("<{i}>")).collect();
    assert_eq!(lines, meant);
    // It takes what is typed over the new connection.
    world.type_into(id, 2, "echo still $((1+1))\n");
    world.until_shown(id, "still 2").await;
}

#[tokio::test]
async fn one_that_is_closed_leaves_nothing_on_the_server_nor_here() {
    let (world, sshd, jump) = (world().await, Sshd::start(PLAIN), Sshd::start(""));
    let id = world
        .open_terminal(on(through(sshd.host(), jump.locked(Some(PASSPHRASE)))))
        .await;
    let secs = unlike_others();
    world.type_into(id, 1, &format!("sleep {secs}\n"));
    until("the program", || processes(&secs) == 1).await;
    assert!(!world.ssh_files().is_empty());
    world.tell_terminal(id, ToTerminal::Close);
    assert_eq!(world.until_ended(id).await, End::Closed);
    until("the end of the program", || processes(&secs) == 0).await;
    assert_eq!(world.ssh_files(), Vec::<String>::new());
}

#[tokio::test]
async fn an_orchestrator_that_stops_hangs_up_and_says_so() {
    let (mut world, _sshd, id) = plain().await;
    let secs = unlike_others();
    world.type_into(id, 1, &format!("sleep {secs}\n"));
    until("the program", || processes(&secs) == 1).await;
    world.stop().await;
    assert!(matches!(world.until_ended(id).await, End::Failed { told } if told.contains("stopped")));
    until("the end of the program", || processes(&secs) == 0).await;
}

#[tokio::test]
async fn one_whose_orchestrator_crashes_ends_on_the_server() {
    let (mut world, _sshd, id) = plain().await;
    let secs = unlike_others();
    world.type_into(id, 1, &format!("sleep {secs}\n"));
    until("the program", || processes(&secs) == 1).await;
    world.crash().await;
    until("the end of the program", || processes(&secs) == 0).await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_from_a_shell_that_failed() {
    let (world, sshd, id) = plain().await;
    sshd.crash();
    match world.until_ended(id).await {
        End::Trouble(found) => {
            assert_eq!(found.kind, TroubleKind::Other);
            assert!(found.told.unwrap().contains("closed by remote host"));
        }
        other => panic!("{other:?}"),
    }
    let id = world.open_terminal(on(sshd.host())).await;
    world.type_into(id, 1, "exit 255\n");
    assert_eq!(world.until_ended(id).await, End::Exited { code: Some(255) });
}

#[tokio::test]
async fn to_a_server_with_another_key_nothing_is_said() {
    let (world, sshd, other) = (world().await, Sshd::start(""), Sshd::start(""));
    let host_key = other.host_key("ed25519");
    let (kind, told, id) = trouble(
        &world,
        HostSpec {
            host_key,
            ..sshd.host()
        },
    )
    .await;
    assert_eq!(kind, TroubleKind::KeyChanged, "{told}");
    assert!(!sshd.was_asked_to_let_in(), "{}", sshd.log());
    world.screen(id, |screen| {
        assert!(!screen.is_open && screen.shown.is_empty(), "{screen:?}");
    });
    assert_eq!(world.ssh_files(), Vec::<String>::new());
}

#[tokio::test]
async fn secrets_are_asked_for_and_given_beside_the_terminal() {
    const PASSWORD: &str = "correct horse";
    let world = world().await;
    let sshd = Sshd::start(&format!("{PLAIN}\nPasswordAuthentication yes"));
    let id = world.open_terminal(on(sshd.locked(Some(PASSPHRASE)))).await;
    world.type_into(id, 1, "echo here $((1+1))\n");
    world.until_shown(id, "here 2").await;
    let shown = world.screen(id, |screen| screen.shown.clone());
    assert!(
        !shown.contains("passphrase") && !shown.contains(PASSPHRASE),
        "{shown}"
    );
    // The way of a password: it is asked for once, and is wrong.
    let password = SignIn::Password(PASSWORD.to_owned().into());
    let (kind, told, id) = trouble(&world, sshd.with(password)).await;
    assert_eq!(kind, TroubleKind::Denied, "{told}");
    let name = user();
    assert!(
        sshd.log()
            .contains(&format!("Failed password for {}", name.as_str())),
        "{}",
        sshd.log()
    );
    world.screen(id, |screen| assert!(screen.shown.is_empty(), "{screen:?}"));
}

#[tokio::test]
async fn a_greeting_is_shown_and_does_no_harm() {
    let world = world().await;
    let sshd = Sshd::start(&format!("{PLAIN}\nBanner DIR/banner"));
    fs::write(
        sshd.file("banner"),
        "Welcome\nREMOTE HOST IDENTIFICATION HAS CHANGED\n",
    )
    .unwrap();
    let id = world.open_terminal(on(sshd.host())).await;
    world.until_shown(id, "Welcome\r\n").await;
    world.type_into(id, 1, "printf 'a\\033]52;c;ZWNobw==\\007b\\005c\\n'\n");
    world.until_shown(id, "abc").await;
}

#[tokio::test]
async fn one_may_sign_in_and_yet_have_no_terminal() {
    let world = world().await;
    for (options, kind) in [
        ("PermitTTY no", TroubleKind::NoShell),
        ("MaxSessions 0", TroubleKind::NoSession),
        ("AllowUsers somebody-else", TroubleKind::Denied),
    ] {
        let sshd = Sshd::start(options);
        let (found, told, id) = trouble(&world, sshd.host()).await;
        assert_eq!(found, kind, "{options}: {told}");
        world.screen(id, |screen| assert!(!screen.is_open, "{options}"));
        assert_eq!(world.ssh_files(), Vec::<String>::new());
    }
}
