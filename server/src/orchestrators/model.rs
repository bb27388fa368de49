//! When an orchestrator is there, and what its version means. Pure.

use chrono::TimeDelta;

use crate::kernel::Timestamp;

/// How long an orchestrator may be silent and still count as connected.
pub fn connected(last_seen: Timestamp, now: Timestamp) -> bool {
    now - last_seen <= TimeDelta::seconds(15)
}

/// Whether an orchestrator's version is older than the server's; false for what is no version.
pub fn is_older(version: &str, server: &str) -> bool {
    let parts = |text: &str| -> Option<Vec<u64>> {
        let release = text.split(['-', '+']).next()?;
        release.split('.').map(|part| part.parse().ok()).collect()
    };
    match (parts(version), parts(server)) {
        (Some(version), Some(server)) => version < server,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        assert!(is_older("0.9.0", "0.10.0"));
        assert!(is_older("1.2.3-rc.1", "1.2.4"));
        assert!(!is_older("0.10.0", "0.10.0"));
        assert!(!is_older("0.11.0", "0.10.0"));
        assert!(!is_older("from a branch", "0.10.0"));
    }
}
