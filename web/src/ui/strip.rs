//! The last runs of something as a strip of small bars: how each ended, and how long it took.

use std::time::Duration;

use dioxus::prelude::*;

use super::JobStatus;
use crate::api::{IsoDuration, schema};
use crate::i18n::{tf, tn};

/// One run of the past.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "Job")]
pub struct PastRun {
    pub status: JobStatus,
    pub duration: Option<IsoDuration>,
}

/// Runs of the past, newest first.
#[derive(cynic::QueryFragment, Clone, Debug, Default, PartialEq)]
#[cynic(graphql_type = "JobConnection")]
pub struct PastRuns {
    pub nodes: Vec<PastRun>,
}

impl PastRuns {
    /// How long a run usually takes: the middle one of those that succeeded.
    pub fn typical(&self) -> Option<Duration> {
        let mut lengths: Vec<Duration> = self
            .nodes
            .iter()
            .filter(|run| run.status == JobStatus::Succeeded)
            .filter_map(|run| run.duration.as_ref()?.get())
            .collect();
        lengths.sort();
        lengths.get(lengths.len() / 2).copied()
    }
}

const HEIGHT: f64 = 18.0;

/// Heights of bars, oldest first: the longest fills the strip, and the shortest is still seen.
fn heights(runs: &[PastRun]) -> Vec<f64> {
    let seconds = |run: &PastRun| {
        run.duration
            .as_ref()
            .and_then(IsoDuration::get)
            .map_or(0.0, |d| d.as_secs_f64())
    };
    let longest = runs.iter().map(seconds).fold(0.001, f64::max);
    let height = |run: &PastRun| 6.0 + (HEIGHT - 6.0) * (seconds(run) / longest).sqrt();
    runs.iter().rev().map(height).collect()
}

/// The strip; nothing where nothing ran.
#[component]
pub fn Strip(runs: PastRuns, #[props(default = 20)] room: usize) -> Element {
    let shown: Vec<PastRun> = runs.nodes.into_iter().take(room).collect();
    if shown.is_empty() {
        return rsx! {};
    }
    let bad = shown
        .iter()
        .filter(|run| run.status.is_final() && run.status != JobStatus::Succeeded)
        .count();
    let label = tf(
        "strip.label",
        &[
            ("runs", &tn("strip.runs", shown.len() as u64)),
            ("bad", &bad.to_string()),
        ],
    );
    let heights = heights(&shown);
    // New runs come in at the right edge, wherever the strip is not full.
    let empty = room - shown.len();
    rsx! {
        svg { class: "strip", width: "{room * 5}", height: "18", role: "img", "aria-label": "{label}",
            title { "{label}" }
            for at in 0..empty {
                rect { key: "free-{at}", class: "free", x: "{at * 5}", y: "16", width: "4", height: "2" }
            }
            for (at, (run, height)) in shown.iter().rev().zip(heights).enumerate() {
                rect {
                    key: "{at}",
                    "data-status": run.status.name(),
                    x: "{(empty + at) * 5}", y: "{HEIGHT - height:.1}", width: "4", height: "{height:.1}",
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(status: JobStatus, seconds: u64) -> PastRun {
        PastRun {
            status,
            duration: Some(Duration::from_secs(seconds).into()),
        }
    }

    #[test]
    fn the_typical_length_is_that_of_successes() {
        let nodes = vec![
            run(JobStatus::Succeeded, 9),
            run(JobStatus::Failed, 100),
            run(JobStatus::Succeeded, 3),
            run(JobStatus::Succeeded, 4),
        ];
        assert_eq!(PastRuns { nodes }.typical(), Some(Duration::from_secs(4)));
        assert_eq!(PastRuns::default().typical(), None);
    }

    #[test]
    fn every_bar_is_seen_and_none_leaves_the_strip() {
        let all = heights(&[run(JobStatus::Failed, 0), run(JobStatus::Succeeded, 500)]);
        assert!(
            all.iter().all(|height| (5.9..=HEIGHT).contains(height)),
            "{all:?}"
        );
        assert!(all[0] > all[1], "the oldest comes first");
    }
}
