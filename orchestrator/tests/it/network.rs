//! What a job with a network reaches: the public internet, and of the rest only what an admin opened.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use cronium_orchestrator::allow::AllowList;
use cronium_orchestrator::docker::LABEL_ORCHESTRATOR;
use cronium_protocol::agent::OutcomeKind;
use cronium_protocol::manifest::Language;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::machine::{self, as_network_admin, docker, image};
use crate::world::{Script, World, script};

/// How the rules refuse, which nothing else here does: at once, and in these words.
const CLOSED: &str = "EHOSTUNREACH";
const OPEN: &str = "open";

/// A script that prints, for each place, how it went to connect to it. `gateway` is the host as the job sees it.
fn looking(places: &[String]) -> Script {
    let text = format!(
        "import errno, socket, struct
def gateway():
    for line in open('/proc/net/route').read().splitlines()[1:]:
        fields = line.split()
        if fields[1] == '00000000':
            return socket.inet_ntoa(struct.pack('<L', int(fields[2], 16)))
    return '192.0.2.99'
for place in {places:?}:
    host, port = place.split(':')
    try:
        socket.create_connection((gateway() if host == 'gateway' else host, int(port)), 4).close()
        print(place, 'open')
    except TimeoutError:
        print(place, 'silent')
    except OSError as error:
        print(place, errno.errorcode[error.errno])
"
    );
    let mut script = script(Language::Python, &text);
    script.container.network = true;
    script
}

async fn looked(world: &World, script: Script) -> BTreeMap<String, String> {
    let id = world.assign(script);
    let outcome = world.agent.outcome(id).await;
    let text = world.agent.text(id);
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?} {text}");
    let found = text.lines().map(|line| line.split_once(' ').unwrap());
    found
        .map(|(place, how)| (place.to_owned(), how.to_owned()))
        .collect()
}

/// Looks from a job, and compares with what is to be found.
async fn expect(world: &World, wanted: &[(String, &str)]) {
    let places: Vec<_> = wanted.iter().map(|(place, _)| place.clone()).collect();
    let wanted: BTreeMap<_, _> = wanted
        .iter()
        .map(|(p, how)| (p.clone(), (*how).to_owned()))
        .collect();
    assert_eq!(looked(world, looking(&places)).await, wanted);
}

async fn world_that_opens(list: &str) -> World {
    let list: AllowList = list.parse().unwrap();
    World::with(move |config| config.network_allow = list.clone()).await
}

/// A port on all of the host's addresses.
async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// An address of the host that is the same for every job: its end of Docker's own bridge.
fn host_address() -> String {
    // Asked from inside: an engine that made its bridge at this start doesn't list the bridge's address.
    let gateway = "import socket, struct
for line in open('/proc/net/route').readlines()[1:]:
    destination, address = line.split()[1:3]
    if destination == '00000000':
        print(socket.inet_ntoa(struct.pack('<L', int(address, 16))))";
    docker(&[
        "run",
        "--rm",
        "--network",
        "bridge",
        &image(),
        "python3",
        "-c",
        gateway,
    ])
}

/// The address by which the host reaches others.
fn outer_address() -> String {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Sends nothing: it only asks for the way.
    socket.connect("11.7.7.7:9").unwrap();
    socket.local_addr().unwrap().ip().to_string()
}

#[tokio::test]
async fn the_host_is_out_of_reach_but_for_what_is_opened() {
    let (_database, closed) = listener().await;
    let (_service, opened) = listener().await;
    let (host, outer) = (host_address(), outer_address());
    let world = world_that_opens(&format!("{host}:{opened}")).await;
    expect(
        &world,
        &[
            (format!("gateway:{closed}"), CLOSED),
            (format!("gateway:{opened}"), CLOSED),
            (format!("{host}:{closed}"), CLOSED),
            (format!("{outer}:{closed}"), CLOSED),
            (format!("{host}:{opened}"), OPEN),
        ],
    )
    .await;
}

#[tokio::test]
async fn private_machines_and_metadata_are_out_of_reach_but_for_what_is_opened() {
    let world = world_that_opens("10.77.7.2:8098,100.64.7.0/24:8099").await;
    let addresses = [
        "10.77.7.2",
        "100.64.7.7",
        "169.254.169.254",
        "198.18.7.7",
        "11.7.7.7",
    ];
    machine::connect(
        world.id,
        "cronium-test0",
        "10.77.7.1",
        &addresses,
        &["8098", "8099"],
    );
    expect(
        &world,
        &[
            ("10.77.7.2:8099".into(), CLOSED),
            ("169.254.169.254:8099".into(), CLOSED),
            ("198.18.7.7:8099".into(), CLOSED),
            ("100.64.7.7:8098".into(), CLOSED),
            ("10.77.7.2:8098".into(), OPEN),
            ("100.64.7.7:8099".into(), OPEN),
            // A public address, as far as anybody can tell.
            ("11.7.7.7:8099".into(), OPEN),
        ],
    )
    .await;
}

#[tokio::test]
async fn other_jobs_and_other_containers_are_out_of_reach() {
    let world = World::new().await;
    let mut listening = script(
        Language::Python,
        "import fcntl, socket, struct, time
server = socket.create_server(('0.0.0.0', 8099))
answer = fcntl.ioctl(server, 0x8915, struct.pack('256s', b'eth0'))
print(socket.inet_ntoa(answer[20:24]), flush=True)
time.sleep(600)",
    );
    listening.container.network = true;
    let job = world.assign(listening);
    let address = world.agent.until("the other job listens", 30, |kept| {
        kept.lines.get(&job)?.get(&1).cloned()
    });
    let address = address.await;
    let server = machine::server(world.id, "bridge", &["8099"]);
    let other = docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", &server]);
    expect(
        &world,
        &[
            (format!("{address}:8099"), CLOSED),
            (format!("{other}:8099"), CLOSED),
        ],
    )
    .await;
}

#[tokio::test]
async fn without_a_network_there_is_nothing() {
    let (_listener, port) = listener().await;
    let host = host_address();
    let world = world_that_opens(&format!("{host}:{port}")).await;
    let places = [
        format!("{host}:{port}"),
        format!("gateway:{port}"),
        "11.7.7.7:443".into(),
    ];
    let mut script = looking(&places);
    script.container.network = false;
    let found = looked(&world, script).await;
    assert!(found.values().all(|how| how == "ENETUNREACH"), "{found:?}");
}

#[tokio::test]
async fn a_job_has_no_ipv6() {
    let world = World::new().await;
    let mut script = script(Language::Bash, "grep -v ' lo$' /proc/net/if_inet6; echo looked");
    script.container.network = true;
    let id = world.assign(script);
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "looked");
}

/// Prints the response code that a name server gives.
const RESOLVE: &str = "import socket, sys
query = b'\\x07\\x07\\x01\\0\\0\\x01\\0\\0\\0\\0\\0\\0\\x07cronium\\x07invalid\\0\\0\\x01\\0\\x01'
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.settimeout(5)
    for line in open('/etc/resolv.conf'):
        if line.startswith('nameserver'):
            try:
                server.sendto(query, (line.split()[1], 53))
                print('code', server.recv(512)[3] & 15)
            except OSError as error:
                print('no answer')
            break
";

/// Where the machine has a name server, a job has it too; but of that server only this.
#[tokio::test]
async fn names_are_resolved_as_on_the_engine_itself() {
    let world = World::new().await;
    let image = image();
    let label = format!("{LABEL_ORCHESTRATOR}={}", world.id);
    let run = ["run", "--rm", "--label", &label, "--network", "bridge", &image];
    let on_engine = docker(&[&run[..], &["python3", "-c", RESOLVE]].concat());
    let mut resolving = script(Language::Python, RESOLVE);
    resolving.container.network = true;
    let id = world.assign(resolving);
    world.agent.succeeds(id).await;
    // Without an answer, the engine's own resolver says so in its way.
    if on_engine.starts_with("code") {
        assert_eq!(world.agent.text(id), on_engine);
    }
    let servers = docker(&[&run[..], &["cat", "/etc/resolv.conf"]].concat());
    let servers = servers
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver "));
    let private = servers.filter(|server| server.starts_with("10.") || server.starts_with("192.168."));
    let places: Vec<_> = private.map(|server| (format!("{server}:54"), CLOSED)).collect();
    expect(&world, &places).await;
}

#[tokio::test]
async fn two_lists_on_one_engine_hold_each_for_its_own() {
    let (_listener, port) = listener().await;
    let place = format!("{}:{port}", host_address());
    let (open, closed) = (world_that_opens(&place).await, World::new().await);
    expect(&open, &[(place.clone(), OPEN)]).await;
    expect(&closed, &[(place.clone(), CLOSED)]).await;
    expect(&open, &[(place.clone(), OPEN)]).await;
}

fn nft(of: Uuid, command: &[&str]) -> String {
    let command = [&["/usr/sbin/nft"], command].concat();
    as_network_admin(of, &["--network", "host"], &command)
}

/// The list of this test is nobody else's, so neither is its table.
#[tokio::test]
async fn rules_that_somebody_flushed_come_back_while_a_job_runs() {
    let world = world_that_opens("10.77.8.8:1").await;
    let (_listener, port) = listener().await;
    let text = format!(
        "import socket, struct, time
gateway = [line.split()[2] for line in open('/proc/net/route') if line.split()[1] == '00000000'][0]
gateway = socket.inet_ntoa(struct.pack('<L', int(gateway, 16)))
was = ''
while True:
    try:
        socket.create_connection((gateway, {port}), 4).close()
        now = 'open'
    except OSError:
        now = 'closed'
    if now != was:
        print(now, flush=True)
    was = now
    time.sleep(0.05)
"
    );
    let mut script = script(Language::Python, &text);
    script.container.network = true;
    let id = world.assign(script);
    world.agent.line(id, "closed").await;
    let rules = nft(world.id, &["list", "tables"]);
    let tables = rules
        .lines()
        .filter(|line| line.starts_with("table inet cronium_"));
    let mut mine = tables.filter(|table| {
        let list = ["list", "table", "inet", table.rsplit(' ').next().unwrap()];
        nft(world.id, &list).contains("10.77.8.8")
    });
    let table = mine.next_back().unwrap().rsplit(' ').next().unwrap().to_owned();
    // The rules may come back before the job looks: then they are flushed again.
    let mut opened = false;
    while !opened {
        nft(world.id, &["delete", "table", "inet", &table]);
        let seen = world.agent.line(id, "open");
        opened = tokio::time::timeout(Duration::from_secs(2), seen).await.is_ok();
    }
    let lines = |kept: &crate::agent::Kept| kept.lines.get(&id)?.values().nth(2).cloned();
    assert_eq!(world.agent.until("the rules are back", 30, lines).await, "closed");
}

#[tokio::test]
async fn without_the_rules_no_job_with_a_network_starts() {
    let world = World::with(|config| config.exec_image = "localhost:1/no/fence:image".into()).await;
    let mut networked = script(Language::Bash, "echo ran");
    networked.container.network = true;
    networked.container.image = Some(image());
    let id = world.assign(networked);
    let outcome = world.agent.outcome(id).await;
    assert_eq!(outcome.kind, OutcomeKind::NotStarted);
    assert_eq!(
        outcome.reason.as_deref(),
        Some(
            "the job's network could not be closed off, so it was not started: the default image is needed for it; \
             localhost:1/no/fence:image: this is the default image, and the engine does not have it: make it with \
             scripts/image.sh"
        )
    );
    assert_eq!(world.agent.text(id), "");
    world.until_clean().await;
    // The same without a network runs.
    let mut alone = script(Language::Bash, "echo ran");
    alone.container.image = Some(image());
    world.agent.succeeds(world.assign(alone)).await;
}

#[tokio::test]
async fn an_image_without_nft_is_named_as_the_reason() {
    let name = "cronium/test-without-nft:1";
    let change = "tar c --files-from /dev/null | docker import - \"$0\"";
    let made = std::process::Command::new("sh")
        .args(["-c", change, name])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let world = World::with(move |config| config.exec_image = name.into()).await;
    let mut networked = script(Language::Bash, "echo ran");
    networked.container.network = true;
    networked.container.image = Some(image());
    let outcome = world.agent.outcome(world.assign(networked)).await;
    docker(&["rmi", "-f", name]);
    assert_eq!(outcome.kind, OutcomeKind::NotStarted);
    let reason = outcome.reason.unwrap();
    assert!(
        reason.ends_with(
            "the default image cronium/test-without-nft:1 has no nft program in it: make it with scripts/image.sh, \
             or add the package nftables to your own"
        ),
        "{reason}"
    );
    tokio::time::timeout(Duration::from_secs(20), world.until_clean())
        .await
        .unwrap();
}
