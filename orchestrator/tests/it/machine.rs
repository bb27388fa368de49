//! A machine behind the engine's host: a container that Docker's own networks know nothing of, so that only
//! our rules stand between it and a job.

use std::process::Command;

use cronium_orchestrator::docker::LABEL_ORCHESTRATOR;
use uuid::Uuid;

const CABLE: &str = include_str!("machine.py");
const SERVE: &str = "import socket, sys, threading
def serve(port):
    with socket.create_server(('0.0.0.0', port)) as server:
        print('serving', flush=True)
        while True:
            server.accept()[0].close()
for port in sys.argv[1:]:
    threading.Thread(target=serve, args=(int(port),)).start()
";

pub fn image() -> String {
    std::env::var("CRONIUM_EXEC_IMAGE").unwrap_or("cronium/exec:1".into())
}

/// Runs it; gives what it printed.
pub fn docker(arguments: &[&str]) -> String {
    let done = Command::new("docker").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "docker {arguments:?}: {said}");
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// Runs a command as root with `NET_ADMIN` in a container that is gone afterwards.
pub fn as_network_admin(of: Uuid, options: &[&str], command: &[&str]) -> String {
    let (label, image) = (label(of), image());
    let run = [
        "run",
        "--rm",
        "--label",
        &label,
        "--user",
        "0",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "NET_ADMIN",
        "--entrypoint",
        command[0],
    ];
    docker(&[&run, options, &[image.as_str()], &command[1..]].concat())
}

fn label(of: Uuid) -> String {
    format!("{LABEL_ORCHESTRATOR}={of}")
}

/// Starts a container that takes connections on these ports; it goes with the world of this orchestrator.
pub fn server(of: Uuid, network: &str, ports: &[&str]) -> String {
    let (label, image) = (label(of), image());
    let run = [
        "run",
        "-d",
        "--label",
        &label,
        "--network",
        network,
        &image,
        "python3",
        "-c",
        SERVE,
    ];
    let id = docker(&[&run, ports].concat());
    while docker(&["logs", &id]).lines().count() < ports.len() {
        std::thread::yield_now();
    }
    id
}

/// The machine takes connections on these ports at all of these addresses; the first is that of its cable,
/// whose other end, at the host, has the address before it.
pub fn connect(of: Uuid, cable: &str, host: &str, addresses: &[&str], ports: &[&str]) {
    let machine = server(of, "none", ports);
    let joined = format!("container:{machine}");
    let near = ["--network", "host", "--pid", joined.as_str()];
    let command = ["python3", "-c", CABLE, "host", cable, host];
    as_network_admin(of, &near, &[&command, addresses].concat());
    let command = ["python3", "-c", CABLE, "machine", host];
    as_network_admin(
        of,
        &["--network", joined.as_str()],
        &[&command, addresses].concat(),
    );
}
