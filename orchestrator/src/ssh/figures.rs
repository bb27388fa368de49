//! What a server says of itself, read with suspicion: what is no plain figure in its bounds was not said.
//! It must not know how it was asked.

use std::collections::HashMap;

use cronium_protocol::host::HostFigures;

use super::trouble::plain;

/// Answers with lines of `name=value`.
pub const SCRIPT: &str = include_str!("figures.sh");

/// Longest name of a system, and of a machine, in characters.
const MAX_SYSTEM: usize = 120;
const MAX_MACHINE: usize = 32;
const MAX_VERSION: usize = 32;
const MAX_PROCESSORS: u64 = 1 << 16;
const MAX_LOAD: f64 = 1e6;
/// An exbibyte.
const MAX_BYTES: u64 = 1 << 60;
const KIB: u64 = 1024;

/// What the lines say; of a name that comes twice, the first counts.
pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>, latency_us: u64) -> HostFigures {
    let mut said = HashMap::new();
    for (name, value) in lines.into_iter().filter_map(|line| line.split_once('=')) {
        said.entry(name).or_insert(value.trim());
    }
    let say = |name: &str| said.get(name).copied().unwrap_or_default();
    let total = bytes(say("memory_total"), KIB).or_else(|| bytes(say("memory_bytes"), 1));
    let left = bytes(say("memory_available"), KIB).or_else(|| bytes(say("memory_free"), KIB));
    let memory = used(total, left);
    let disk = disk(say("disk"));
    HostFigures {
        latency_us,
        system: system(say("kernel"), say("name")),
        machine: Some(say("machine"))
            .filter(|text| (1..=MAX_MACHINE).contains(&text.len()) && text.bytes().all(is_of_a_machine))
            .map(str::to_owned),
        processors: number(say("processors"))
            .filter(|n| (1..=MAX_PROCESSORS).contains(n))
            .and_then(|n| u32::try_from(n).ok()),
        load_average: load(say("load")),
        memory_used: memory,
        memory_total: total,
        disk_used: disk.map(|(used, _)| used),
        disk_total: disk.map(|(_, total)| total),
        runner_version: Some(say("runner"))
            .filter(|text| (1..=MAX_VERSION).contains(&text.len()) && text.bytes().all(is_of_a_version))
            .map(str::to_owned),
    }
}

fn is_of_a_machine(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

fn is_of_a_version(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.+".contains(&byte)
}

fn system(kernel: &str, name: &str) -> Option<String> {
    let name = name.trim_matches(['"', '\'']);
    match (kernel.is_empty(), name.is_empty()) {
        (_, true) => plain(kernel, MAX_SYSTEM),
        (true, false) => plain(name, MAX_SYSTEM),
        (false, false) => plain(&format!("{kernel} ({name})"), MAX_SYSTEM),
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn bytes(text: &str, unit: u64) -> Option<u64> {
    let bytes = number(text)?.checked_mul(unit)?;
    (1..=MAX_BYTES).contains(&bytes).then_some(bytes)
}

fn used(total: Option<u64>, left: Option<u64>) -> Option<u64> {
    total?.checked_sub(left?)
}

/// Of the last minute: `0.50 0.40 0.30 …`, or `{ 0.50 0.40 0.30 }`.
fn load(text: &str) -> Option<f64> {
    let first = text.trim_start_matches(['{', ' ']).split(' ').next()?;
    let plain = first.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    first.parse().ok().filter(|load| plain && *load <= MAX_LOAD)
}

/// Used and total of a line of `df -Pk`: names may have spaces, the three numbers come before the one in percent. What
/// is reserved for root counts as used.
fn disk(text: &str) -> Option<(u64, u64)> {
    let fields: Vec<_> = text.split_ascii_whitespace().collect();
    fields.windows(4).find_map(|window| {
        let [total, _, left, percent] = window else {
            return None;
        };
        percent.strip_suffix('%').and_then(number)?;
        let total = bytes(total, KIB)?;
        let left = number(left)?.checked_mul(KIB)?;
        Some((total.checked_sub(left)?, total))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_says_all_of_it() {
        let said = "\
kernel=Linux 6.1.0
machine=x86_64
name=\"Debian GNU/Linux 12 (bookworm)\"
processors=4
load=0.25 0.20 0.15 1/234 5678
memory_total=2048
memory_available=1536
memory_free=1024
memory_bytes=
disk=/dev/vda1         1000 600 300 67% /
runner=1.2.3-rc.1
";
        let meant = HostFigures {
            latency_us: 1200,
            system: Some("Linux 6.1.0 (Debian GNU/Linux 12 (bookworm))".to_owned()),
            machine: Some("x86_64".to_owned()),
            processors: Some(4),
            load_average: Some(0.25),
            memory_used: Some(512 * KIB),
            memory_total: Some(2048 * KIB),
            disk_used: Some(700 * KIB),
            disk_total: Some(1000 * KIB),
            runner_version: Some("1.2.3-rc.1".to_owned()),
        };
        assert_eq!(read(said.lines(), 1200), meant);
    }

    #[test]
    fn another_system_says_what_it_can() {
        let said = "\
kernel=Darwin 24.1.0
machine=arm64
name=
load={ 1.50 1.40 1.30 }
memory_total=
memory_bytes=17179869184
disk=map auto_home 1000 1 999 1% /System/Volumes/My Data
";
        let figures = read(said.lines(), 0);
        assert_eq!(figures.system.as_deref(), Some("Darwin 24.1.0"));
        assert_eq!(figures.load_average, Some(1.5));
        assert_eq!(
            (figures.memory_used, figures.memory_total),
            (None, Some(16 << 30))
        );
        assert_eq!(
            (figures.disk_used, figures.disk_total),
            (Some(KIB), Some(1000 * KIB))
        );
        assert_eq!(figures.processors, None);
    }

    #[test]
    fn what_is_out_of_bounds_was_not_said() {
        let nothing = HostFigures::default();
        for said in [
            "",
            "processors",
            "processors=0",
            "processors=-1",
            "processors=65537",
            "processors=+4",
            "load=-1 0 0",
            "load=NaN",
            "load=inf",
            "load=1e300",
            "load=",
            "memory_available=5",
            "memory_total=99999999999999999999",
            "memory_total=9007199254740993000",
            "memory_total=0",
            "machine=x86_64; rm",
            "machine=\u{202e}x",
            "runner=",
            "runner=usage: cronium-runner open",
            "runner=1.2.3.4.5.6.7.8.9.10.11.12.13.14.15",
            "disk=/dev/vda1 1000 600 1001 67% /",
            "disk=/dev/vda1 x 600 300 67% /",
            "disk=/dev/vda1 1000 600 300 67 /",
            "kernel=\u{1b}",
            "other=1",
        ] {
            assert_eq!(read(said.lines(), 0), nothing, "{said:?}");
        }
        let long = format!("machine={}", "x".repeat(MAX_MACHINE + 1));
        assert_eq!(read(long.lines(), 0), nothing);
        let long = format!("kernel={}", "x".repeat(MAX_SYSTEM + 1));
        assert_eq!(read(long.lines(), 0).system.unwrap().len(), MAX_SYSTEM);
        // More than all of it can't be left.
        let odd = read(["memory_total=10", "memory_available=11"], 0);
        assert_eq!((odd.memory_used, odd.memory_total), (None, Some(10 * KIB)));
        let twice = read(["processors=2", "processors=4"], 0);
        assert_eq!(twice.processors, Some(2));
    }
}
