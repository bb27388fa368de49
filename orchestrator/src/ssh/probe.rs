//! Which keys a server shows to whoever asks, without signing in there: one connection for each kind, side by side.
//! It must not know how connections are laid out.

use std::process::Stdio;
use std::time::Duration;

use cronium_protocol::host::{Address, HostKey, HostSpec, HostTrouble, TroubleKind};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, timeout_at};

use super::Ssh;
use super::config::{RSA_SIGNATURES, SHOWN};
use super::route::Route;
use super::trouble::Ending;

/// For all of it.
const LIMIT: Duration = Duration::from_secs(15);
const MAX_SAID: u64 = 64 << 10;

/// Kinds of keys, the strongest first.
const KINDS: [&str; 3] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp521,ecdsa-sha2-nistp384,ecdsa-sha2-nistp256",
    RSA_SIGNATURES,
];

/// The keys, the strongest first, and how long it took to get them all, in microseconds.
pub async fn host_keys(
    ssh: &Ssh,
    address: &Address,
    jump: Option<&HostSpec>,
) -> Result<(Vec<HostKey>, u64), HostTrouble> {
    let until = Instant::now() + LIMIT;
    let [mut first, mut second, mut third] =
        KINDS.map(|algorithms| Route::look(ssh, address, jump, algorithms));
    // All have the same.
    if let Ok(route) = &first {
        route.try_keys(until).await?;
    }
    let asked = Instant::now();
    let looked = tokio::join!(
        look(&mut first, until),
        look(&mut second, until),
        look(&mut third, until)
    );
    let took = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
    let keys = sorted([looked.0, looked.1, looked.2])?;
    Ok((keys, took))
}

async fn look(route: &mut Result<Route<'_>, HostTrouble>, until: Instant) -> Result<HostKey, HostTrouble> {
    let route = route.as_mut().map_err(|trouble| trouble.clone())?;
    let mut command = route.ssh(&["-N"]);
    let mut group = route.start(command.stderr(Stdio::piped()))?;
    let mut said = Vec::new();
    let reading = async {
        match group.stderr() {
            Some(stderr) => stderr.take(MAX_SAID).read_to_end(&mut said).await.map(drop),
            None => Ok(()),
        }
    };
    let ending = match timeout_at(until, reading).await {
        Ok(_) => Ending::Itself,
        Err(_) => Ending::OutOfTime,
    };
    group.end().await;
    shown(&String::from_utf8_lossy(&said)).ok_or_else(|| route.trouble(ending))
}

/// The key in what our command of `KnownHostsCommand` printed.
fn shown(said: &str) -> Option<HostKey> {
    let mut keys = said.lines().filter_map(|line| line.strip_prefix(SHOWN));
    keys.find_map(|key| key.parse().ok())
}

/// Each kind once. Without any, what stood in the way of the strongest.
fn sorted(looked: [Result<HostKey, HostTrouble>; 3]) -> Result<Vec<HostKey>, HostTrouble> {
    let mut keys: Vec<HostKey> = Vec::new();
    let mut troubles = Vec::new();
    for found in looked {
        match found {
            Ok(key) if keys.iter().any(|known| known.algorithm() == key.algorithm()) => {}
            Ok(key) => keys.push(key),
            Err(trouble) => troubles.push(trouble),
        }
    }
    if keys.is_empty()
        && let Some(first) = troubles.into_iter().next()
    {
        return Err(match first.kind {
            // No key is expected: it has only kinds that can't be pinned.
            TroubleKind::KeyChanged => HostTrouble {
                kind: TroubleKind::NotSsh,
                ..first
            },
            _ => first,
        });
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with ssh-keygen.
    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL4g03jXBJdVDwABclEfwho2UVGu4Cq6GQnUclA6btkM";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKc2jkYMY5+DHp9p2N6UtRQSjSInXwvlIcKzoUZ1+SvnPa4olx6eiC6GphopCuSTiBX3ub3WGuMjNnAjGHfjK0o=";

    fn trouble(kind: TroubleKind) -> Result<HostKey, HostTrouble> {
        Err(HostTrouble { kind, told: None })
    }

    #[test]
    fn only_a_whole_key_after_our_own_word_counts() {
        let noise = "shown NONE NONE\n# banner\nssh-rsa AAAA\nshown ssh-ed25519 AAAA\n";
        assert_eq!(shown(noise), None);
        let key = shown(&format!("{noise}shown {ED25519}\nshown {ECDSA}\n")).unwrap();
        assert_eq!(key.to_string(), ED25519);
    }

    #[test]
    fn keys_come_strongest_first_and_each_kind_once() {
        let key = |text: &str| Ok(text.parse::<HostKey>().unwrap());
        let refused = || trouble(TroubleKind::KeyChanged);
        let found = sorted([key(ED25519), key(ECDSA), key(ECDSA)]).unwrap();
        let found: Vec<_> = found.iter().map(HostKey::algorithm).collect();
        assert_eq!(found, ["ssh-ed25519", "ecdsa-sha2-nistp256"]);
        assert_eq!(sorted([refused(), key(ECDSA), refused()]).unwrap().len(), 1);
        let none = sorted([refused(), refused(), refused()]).unwrap_err();
        assert_eq!(none.kind, TroubleKind::NotSsh);
        let silent = [trouble(TroubleKind::Silent), refused(), refused()];
        assert_eq!(sorted(silent).unwrap_err().kind, TroubleKind::Silent);
    }
}
