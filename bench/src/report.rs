//! Writes docs/benchmarks.md from the results that are there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use crate::result::{Case, Row, number};
use crate::{Outcome, Setting, machine};

const MET: &str = " met |";
const NOT_MET: &str = " **not met** |";

const HEAD: &str = "\
# Benchmarks

`just bench` (or `scripts/bench.sh`) measures and writes this page; `just bench 7` runs one case again. Each case runs
the **floor**, which is what can't be avoided, and **ours** in turn on the same machine, and compares them: times alone
mean little on another machine. The ratio is the median of the rounds' ratios of ours to the floor. An unmet target is
stated as unmet.
";

pub async fn write(setting: &Setting) -> Outcome<()> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(&setting.out)?.flatten() {
        if entry.path().extension().is_some_and(|e| e == "json") {
            cases.push(serde_json::from_slice::<Case>(&fs::read(entry.path())?)?);
        }
    }
    let page = setting.root.join("docs/benchmarks.md");
    let mut sections = kept(&fs::read_to_string(&page).unwrap_or_default());
    for case in &cases {
        sections.insert(case.number, section(case)?);
    }
    let mut out = HEAD.to_owned();
    out.push_str("\n## Machine\n\n| | |\n| --- | --- |\n");
    for (what, value) in machine::facts(setting).await? {
        writeln!(out, "| {what} | {value} |")?;
    }
    let rows = |end: &str| {
        let lines = sections.values().flat_map(|text| text.lines());
        lines.filter(|line| line.ends_with(end)).count()
    };
    let (met, not_met) = (rows(MET), rows(NOT_MET));
    let judged = met + not_met;
    writeln!(out, "\n**{met} of {judged} targets are met.**")?;
    for text in sections.values() {
        out.push_str(text);
    }
    fs::write(page, out)?;
    println!("==> docs/benchmarks.md: {met} of {judged} targets are met");
    Ok(())
}

/// The sections of the page as it is: a case that was measured elsewhere stays as it was.
fn kept(page: &str) -> BTreeMap<u32, String> {
    let sections = page.split("\n## ").skip(1);
    sections
        .filter_map(|text| {
            let (number, _) = text.split_once(". ")?;
            Some((number.parse().ok()?, format!("\n## {}\n", text.trim_end())))
        })
        .collect()
}

fn section(case: &Case) -> Outcome<String> {
    let mut out = String::new();
    writeln!(out, "\n## {}. {}\n", case.number, case.title)?;
    writeln!(out, "- Floor: {}", case.floor)?;
    writeln!(out, "- Ours: {}", case.ours)?;
    writeln!(out, "- {}; commit {}, {}.\n", case.rounds, case.commit, case.date)?;
    out.push_str("| | floor, median | ours, median | ours, p99 | ratio | target | |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: | --- | --- |\n");
    for row in &case.rows {
        writeln!(out, "{}", table_row(row))?;
    }
    if !case.facts.is_empty() {
        out.push('\n');
    }
    for (what, value) in &case.facts {
        writeln!(out, "- {what}: {value}.")?;
    }
    if !case.notes.is_empty() {
        out.push('\n');
    }
    for note in &case.notes {
        writeln!(out, "- {note}")?;
    }
    Ok(out)
}

fn table_row(row: &Row) -> String {
    let figure = |value: Option<f64>| value.map_or("–".into(), number);
    let met = match row.met {
        Some(true) => MET,
        Some(false) => NOT_MET,
        None => "  |",
    };
    format!(
        "| {}, {} | {} | {} | {} | {} | {} |{met}",
        row.what,
        row.unit,
        figure(row.floor),
        number(row.ours),
        figure(row.p99),
        row.ratio.map_or("–".into(), |r| format!("{r:.2}×")),
        row.target.as_deref().unwrap_or("–"),
    )
}
