//! What runs on servers is called, here and there. Pure.

use cronium_protocol::agent::Claim;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::executor::Target;
use crate::hex::hex;

/// What targets on servers are called, which no other executor's are.
const PREFIX: &str = "ssh-";
/// Digits of an id in a path on a server, where sockets leave little room; its last ones are the random ones.
const SHORT: usize = 12;
/// Most digits of an epoch.
const EPOCH: usize = 10;

/// Longest path of a directory that a run's are in: a Unix socket's may have 107 bytes. Behind it there are `/runs/`,
/// this orchestrator's name, that of a run, and the longest path of a socket in it, `/work/.cronium.sock`.
pub const MAX_BASE: usize = 107 - "/runs/".len() - SHORT - "/".len() - MAX_RUN - "/work/.cronium.sock".len();
const MAX_RUN: usize = SHORT + "-".len() + EPOCH;

/// The target of an execution on a server.
pub fn target(server: Uuid, claim: Claim) -> Target {
    let (server, execution) = (server.simple(), claim.execution_id.simple());
    Target::new(format!("{PREFIX}{server}-{execution}-{}", claim.epoch))
}

/// Whether this is the name of a run on a server.
pub fn owns(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The server and the name of the directory there of a target.
pub fn of(target: &str) -> Option<(Uuid, String)> {
    let mut parts = target.strip_prefix(PREFIX)?.splitn(3, '-');
    let mut id = || Uuid::parse_str(parts.next()?).ok();
    let (server, execution_id) = (id()?, id()?);
    let epoch = parts.next()?.parse().ok()?;
    Some((server, run(Claim { execution_id, epoch })))
}

/// Name of a run's directory.
pub fn run(claim: Claim) -> String {
    format!("{}-{}", short(claim.execution_id), claim.epoch)
}

/// Whether a directory's name could be that of a run.
pub fn is_run(name: &str) -> bool {
    let of = |text: &str, is: fn(&u8) -> bool| !text.is_empty() && text.bytes().all(|byte| is(&byte));
    name.len() <= MAX_RUN
        && name.split_once('-').is_some_and(|(execution, epoch)| {
            execution.len() == SHORT && of(execution, u8::is_ascii_hexdigit) && of(epoch, u8::is_ascii_digit)
        })
}

/// Name of the directory of an orchestrator's runs on a server. Of each server by itself: several may have one home,
/// over a network or because they are one machine, and what runs for one is no left-over of another.
pub fn owner(orchestrator: Uuid, server: Uuid) -> String {
    let digest = Sha256::new()
        .chain_update(orchestrator)
        .chain_update(server)
        .finalize();
    let mut name = hex(&digest);
    name.truncate(SHORT);
    name
}

/// Name that nobody else gives.
pub fn short(id: Uuid) -> String {
    id.simple().to_string().split_off(32 - SHORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Claim {
            execution_id: Uuid::from_u128(0xABCD),
            epoch: i32::MAX,
        }
    }

    #[test]
    fn servers_with_one_home_have_each_a_directory_of_their_own() {
        let [a, b] = [1, 2].map(Uuid::from_u128);
        let all = [owner(a, a), owner(a, b), owner(b, a)];
        assert!(all.iter().all(|name| name.len() == SHORT), "{all:?}");
        assert!(
            all[0] != all[1] && all[1] != all[2] && all[0] != all[2],
            "{all:?}"
        );
        assert_eq!(owner(a, b), all[1]);
    }

    #[test]
    fn a_target_tells_server_and_directory() {
        let server = Uuid::from_u128(7);
        let target = target(server, claim());
        let execution = "0000000000000000000000000000abcd";
        let name = format!("ssh-00000000000000000000000000000007-{execution}-2147483647");
        assert_eq!(target.name(), name);
        assert!(owns(target.name()) && !owns("http-1-1"));
        let run = run(claim());
        assert_eq!(run, "00000000abcd-2147483647");
        assert_eq!(of(target.name()), Some((server, run)));
        for other in [
            "ssh-",
            "ssh-1-2-3",
            "http-1-1",
            &name[..name.len() - 11],
            "ssh-a-b-c-d",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn only_a_runs_name_is_one() {
        assert!(is_run(&run(claim())) && is_run("0123456789ab-1"));
        for other in [
            "",
            "..",
            "0123456789ab",
            "0123456789ab-",
            "0123456789ag-1",
            "0123456789ab-1x",
            "0123456789ab-1-2",
            "-1",
            "0123456789ab-12345678901",
            "0123456789ab-/",
        ] {
            assert!(!is_run(other), "{other:?}");
        }
    }

    #[test]
    fn the_longest_socket_of_a_run_fits() {
        let base = "b".repeat(MAX_BASE);
        let run = run(claim());
        let socket = format!(
            "{base}/runs/{}/{run}/work/.cronium.sock",
            owner(Uuid::nil(), Uuid::nil())
        );
        assert_eq!((run.len(), socket.len()), (MAX_RUN, 107));
        assert!(format!("{base}/runs/{}/{run}/socket", owner(Uuid::nil(), Uuid::nil())).len() < 107);
        assert_eq!(MAX_BASE, 46);
    }
}
