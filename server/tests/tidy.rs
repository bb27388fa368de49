//! Habits that can be checked by reading the source: who may depend on whom, sizes, ambient time, lints.
//! Text-based on purpose, so that it is quick and needs no compiler. Must not know what the code does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 8] = [
    "server",
    "orchestrator",
    "runner",
    "runner/protocol",
    "entity",
    "migration",
    "web",
    "bench",
];

struct Source {
    /// Relative to the project, with forward slashes.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn collect(dir: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path
                .strip_prefix(root())
                .unwrap()
                .to_string_lossy()
                .replace('\\', "/");
            found.push(Source {
                path: name,
                text: fs::read_to_string(&path).unwrap(),
            });
        }
    }
}

/// All Rust files below a folder of a crate.
fn below(dir: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join(dir), &mut found);
    found
}

fn all() -> Vec<Source> {
    let mut found = Vec::new();
    for name in CRATES {
        for part in ["src", "tests", "benches"] {
            collect(&root().join(name).join(part), &mut found);
        }
    }
    assert!(
        found.len() > 50,
        "only {} files: the test looks in the wrong place",
        found.len()
    );
    found
}

/// Lines of code: comments may name what code must not use.
fn code(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source
        .text
        .lines()
        .enumerate()
        .map(|(i, line)| (i + 1, line))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Every place where one of the words stands in code.
fn uses(source: &Source, words: &[&str]) -> Vec<String> {
    code(source)
        .flat_map(|(n, line)| {
            words
                .iter()
                .filter(move |w| line.contains(**w))
                .map(move |w| format!("{}:{n}: {w}", source.path))
        })
        .collect()
}

fn none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}\n  {}", offences.join("\n  "));
}

fn sees_itself(source: &Source) -> bool {
    source.path == "server/tests/tidy.rs"
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long: Vec<_> = all()
        .iter()
        .map(|s| (s.text.lines().count(), &s.path))
        .filter(|(lines, _)| *lines > 500)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    none("a long file wants to be a folder", &long);
}

#[test]
fn lints_are_expected_with_a_reason_never_allowed() {
    let found: Vec<_> = all()
        .iter()
        .filter(|s| !sees_itself(s))
        .flat_map(|s| uses(s, &["#[allow(", "#![allow("]))
        .collect();
    none("use #[expect(lint, reason = \"…\")]", &found);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let found: Vec<_> = all()
        .iter()
        .filter(|s| !sees_itself(s))
        .flat_map(|s| uses(s, &["/root/", "/home/", "/tmp/wt", "/Users/"]))
        .collect();
    none("paths are given or found, not written down", &found);
}

#[test]
fn time_and_chance_come_from_the_kernel() {
    let ambient = [
        "Utc::now",
        "Local::now",
        "SystemTime::now",
        "now_v7",
        "new_v4",
        "rand::rng",
        "rand::random",
        "thread_rng",
        "OsRng",
    ];
    let found: Vec<_> = below("server/src")
        .iter()
        .filter(|s| !s.path.starts_with("server/src/kernel/"))
        .flat_map(|s| uses(s, &ambient))
        .collect();
    none(
        "ask the kernel's Clock and Entropy, so that a test can hold them",
        &found,
    );
}

#[test]
fn a_store_is_its_own_slices() {
    let sources = below("server/src");
    let slices: Vec<_> = sources
        .iter()
        .filter_map(|s| {
            s.path
                .strip_prefix("server/src/")?
                .split_once("/store")
                .map(|(slice, _)| slice.to_owned())
        })
        .collect();
    assert!(
        !slices.is_empty(),
        "no slice has a store: the test looks in the wrong place"
    );
    let mut found = Vec::new();
    for slice in &slices {
        let own = format!("server/src/{slice}/");
        let path = format!("{slice}::store");
        for source in sources.iter().filter(|s| !s.path.starts_with(&own)) {
            found.extend(uses(source, &[&path]));
        }
    }
    none("slices call each other through their service", &found);
}

#[test]
fn a_model_is_pure() {
    let found: Vec<_> = below("server/src")
        .iter()
        .filter(|s| s.path.ends_with("/model.rs") || s.path.contains("/model/"))
        .flat_map(|s| uses(s, &["sea_orm", "sqlx", "async_graphql", "axum", "tokio"]))
        .collect();
    none("a model decides; it does no I/O and knows no transport", &found);
}

#[test]
fn only_stores_speak_to_sea_orm() {
    let ground = ["server/src/kernel/", "server/src/app.rs", "server/src/main.rs"];
    let found: Vec<_> = below("server/src")
        .iter()
        .filter(|s| !s.path.ends_with("/store.rs") && !s.path.contains("/store/"))
        .filter(|s| !ground.iter().any(|g| s.path.starts_with(g)))
        .flat_map(|s| {
            uses(
                s,
                &[
                    "EntityTrait",
                    "QueryFilter",
                    "QuerySelect",
                    "sea_query",
                    "ActiveModel",
                    "::Entity",
                    "::Column",
                ],
            )
        })
        .collect();
    none("only a store knows how a table is asked", &found);
}

#[test]
fn crates_depend_one_way() {
    let may = [
        ("entity", &[][..]),
        ("migration", &[][..]),
        ("runner/protocol", &[][..]),
        ("runner", &["cronium-protocol"][..]),
        ("orchestrator", &["cronium-protocol"][..]),
        (
            "server",
            &["cronium-entity", "cronium-migration", "cronium-protocol"][..],
        ),
        ("web", &[][..]),
    ];
    let mut found = Vec::new();
    for (name, allowed) in may {
        let manifest = read(&format!("{name}/Cargo.toml"));
        for line in manifest
            .lines()
            .map(str::trim)
            .filter(|l| l.starts_with("cronium-"))
        {
            let dependency = line.split(['.', ' ', '=']).next().unwrap();
            if !allowed.contains(&dependency) {
                found.push(format!("{name} → {dependency}"));
            }
        }
    }
    none("dependencies point one way", &found);
}

#[test]
fn a_migration_never_looks_at_the_entities() {
    let found: Vec<_> = below("migration/src")
        .iter()
        .flat_map(|s| uses(s, &["cronium_entity", "entity::"]))
        .collect();
    none("entities change; what a migration did must not", &found);
}

#[test]
fn every_module_says_what_it_is_for() {
    let found: Vec<_> = all()
        .iter()
        .filter(|s| !s.path.contains("/tests/") && !s.path.ends_with("/tests.rs"))
        .filter(|s| !s.text.starts_with("//!"))
        .map(|s| s.path.clone())
        .collect();
    none(
        "a file opens with two or three lines: what it is for, what it must not know",
        &found,
    );
}

#[test]
fn settings_of_the_handbook_exist() {
    let code = |parts: &[&str]| {
        parts
            .iter()
            .flat_map(|part| below(part))
            .map(|s| s.text)
            .collect::<String>()
    };
    let server = code(&["server/src", "orchestrator/src"]);
    let orchestrator = code(&["orchestrator/src"]);
    let scripts: String = fs::read_dir(root().join("scripts"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let mut found = Vec::new();
    let mut settings = 0;
    for page in ["README.md", "docs/operating.md", "docs/api.md"] {
        let text = read(page);
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        // What the examples of the API's page are given is theirs.
        for word in words
            .filter(|word| word.starts_with("CRONIUM_") && !["CRONIUM_URL", "CRONIUM_TOKEN"].contains(word))
        {
            settings += 1;
            let field = format!("{}:", word["CRONIUM_".len()..].to_lowercase());
            let exists = server.contains(&format!("\"{word}\""))
                || scripts.contains(word)
                || orchestrator.contains(&field);
            if !exists {
                found.push(format!("{page}: {word}"));
            }
        }
    }
    assert!(
        settings > 20,
        "{settings} settings: the test looks in the wrong place"
    );
    none("a page names a setting that nothing reads", &found);
}
