//! What a case found out, as it is kept in JSON.

use serde::{Deserialize, Serialize};

use crate::measure::{Pairs, median, percentile};
use crate::{Outcome, Setting, machine};

/// One case.
#[derive(Debug, Serialize, Deserialize)]
pub struct Case {
    pub number: u32,
    pub title: String,
    pub floor: String,
    pub ours: String,
    /// How it was run, e.g. "5 rounds of 2,000 jobs".
    pub rounds: String,
    pub rows: Vec<Row>,
    /// Other figures: what and how much.
    pub facts: Vec<(String, String)>,
    pub notes: Vec<String>,
    pub commit: String,
    pub date: String,
}

/// One measured quantity.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub what: String,
    pub unit: String,
    pub floor: Option<f64>,
    pub ours: f64,
    pub p99: Option<f64>,
    pub ratio: Option<f64>,
    pub target: Option<String>,
    pub met: Option<bool>,
}

/// What is asked of a quantity.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// Ours / floor at most this: a time or a size.
    AtMost(f64),
    /// Ours / floor at least this: a rate.
    AtLeast(f64),
}

impl Target {
    fn judge(self, ratio: f64) -> (String, bool) {
        match self {
            Self::AtMost(limit) => (format!("≤ {limit}×"), ratio <= limit),
            Self::AtLeast(limit) => (format!("≥ {limit}×"), ratio >= limit),
        }
    }
}

impl Row {
    /// A quantity with its floor. `p99` is of ours.
    pub fn compared(what: &str, unit: &str, pairs: &Pairs, p99: Option<f64>, target: Option<Target>) -> Self {
        let ratio = pairs.ratio();
        let judged = target.map(|t| t.judge(ratio));
        Self {
            what: what.into(),
            unit: unit.into(),
            floor: Some(median(&pairs.floor)),
            ours: median(&pairs.ours),
            p99,
            ratio: Some(ratio),
            met: judged.as_ref().map(|(_, met)| *met),
            target: judged.map(|(text, _)| text),
        }
    }

    /// The slow end of times: p99 against the floor's p99.
    pub fn slow_end(what: &str, unit: &str, pairs: &Pairs, target: Target) -> Self {
        let (floor, ours) = (percentile(&pairs.floor, 0.99), percentile(&pairs.ours, 0.99));
        let (text, met) = target.judge(ours / floor);
        Self {
            what: what.into(),
            unit: unit.into(),
            floor: Some(floor),
            ours,
            p99: Some(ours),
            ratio: Some(ours / floor),
            target: Some(text),
            met: Some(met),
        }
    }

    /// A quantity that has a limit instead of a floor.
    pub fn limited(what: &str, unit: &str, ours: f64, p99: Option<f64>, limit: f64) -> Self {
        Self {
            what: what.into(),
            unit: unit.into(),
            floor: None,
            ours,
            p99,
            ratio: None,
            target: Some(format!("≤ {limit} {unit}")),
            met: Some(p99.unwrap_or(ours) <= limit),
        }
    }

    /// One line for the terminal.
    pub fn line(&self) -> String {
        let floor = self
            .floor
            .map_or(String::new(), |f| format!("floor {}, ", number(f)));
        let p99 = self.p99.map_or(String::new(), |p| format!(", p99 {}", number(p)));
        let ratio = self.ratio.map_or(String::new(), |r| format!(", {r:.2}×"));
        let target = match (&self.target, self.met) {
            (Some(target), Some(met)) => format!(" ({target}: {})", if met { "met" } else { "not met" }),
            _ => String::new(),
        };
        format!(
            "{}: {floor}ours {} {}{p99}{ratio}{target}",
            self.what,
            number(self.ours),
            self.unit
        )
    }
}

impl Case {
    pub fn new(number: u32, title: &str, rounds: String) -> Self {
        Self {
            number,
            title: title.into(),
            floor: String::new(),
            ours: String::new(),
            rounds,
            rows: Vec::new(),
            facts: Vec::new(),
            notes: Vec::new(),
            commit: String::new(),
            date: String::new(),
        }
    }

    pub fn fact(&mut self, what: &str, value: String) {
        self.facts.push((what.into(), value));
    }

    pub fn save(mut self, setting: &Setting) -> Outcome<()> {
        self.commit = machine::commit(setting);
        self.date = machine::today();
        let file = setting.out.join(format!("case-{:02}.json", self.number));
        std::fs::write(file, serde_json::to_vec_pretty(&self)?)?;
        Ok(())
    }
}

/// Three digits that count, thousands apart.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if value.abs() < 100.0 {
        let digits = if value.abs() < 1.0 {
            3
        } else if value.abs() < 10.0 {
            2
        } else {
            1
        };
        return format!("{value:.digits$}");
    }
    let whole = format!("{value:.0}");
    let mut out = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
