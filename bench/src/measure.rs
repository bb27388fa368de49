//! Figures of rounds that were run in turn: medians, percentiles, ratios.

/// The value below which a share `p` (0 to 1) of the values lies; the nearest one that was measured.
pub fn percentile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    let at = (p * sorted.len() as f64).ceil() as usize;
    sorted
        .get(at.saturating_sub(1).min(last))
        .copied()
        .unwrap_or(f64::NAN)
}

pub fn median(values: &[f64]) -> f64 {
    percentile(values, 0.5)
}

/// The floor and ours, measured in turn: the n-th of both belong together.
#[derive(Debug, Default)]
pub struct Pairs {
    pub floor: Vec<f64>,
    pub ours: Vec<f64>,
}

impl Pairs {
    pub fn push(&mut self, floor: f64, ours: f64) {
        self.floor.push(floor);
        self.ours.push(ours);
    }

    /// Median of each round's ratio: what the machine does meanwhile meets both sides of a round.
    pub fn ratio(&self) -> f64 {
        let ratios: Vec<f64> = self.floor.iter().zip(&self.ours).map(|(f, o)| o / f).collect();
        median(&ratios)
    }
}
