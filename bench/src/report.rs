//! Writes docs/benchmarks.md from the results that are there.

use std::fmt::Write as _;
use std::fs;

use crate::result::{Case, Row, number};
use crate::{Outcome, Setting, machine};

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
    cases.sort_by_key(|case| case.number);
    let mut out = HEAD.to_owned();
    out.push_str("\n## Machine\n\n| | |\n| --- | --- |\n");
    for (what, value) in machine::facts(setting).await? {
        writeln!(out, "| {what} | {value} |")?;
    }
    let rows = cases.iter().flat_map(|case| &case.rows);
    let judged = rows.clone().filter(|row| row.met.is_some()).count();
    let met = rows.filter(|row| row.met == Some(true)).count();
    writeln!(out, "\n**{met} of {judged} targets are met.**")?;
    for case in &cases {
        section(&mut out, case)?;
    }
    fs::write(setting.root.join("docs/benchmarks.md"), out)?;
    println!("==> docs/benchmarks.md: {met} of {judged} targets are met");
    Ok(())
}

fn section(out: &mut String, case: &Case) -> Outcome<()> {
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
    Ok(())
}

fn table_row(row: &Row) -> String {
    let figure = |value: Option<f64>| value.map_or("–".into(), number);
    let met = match row.met {
        Some(true) => "met",
        Some(false) => "**not met**",
        None => "",
    };
    format!(
        "| {}, {} | {} | {} | {} | {} | {} | {met} |",
        row.what,
        row.unit,
        figure(row.floor),
        number(row.ours),
        figure(row.p99),
        row.ratio.map_or("–".into(), |r| format!("{r:.2}×")),
        row.target.as_deref().unwrap_or("–"),
    )
}
