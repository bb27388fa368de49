//! The catalogues agree with each other and with the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::*;

fn all(locale: Locale) -> BTreeMap<&'static str, &'static str> {
    let mut texts = BTreeMap::new();
    let all = locale.catalogue().iter().flat_map(|texts| texts.iter());
    let parts = [locale.editor(), locale.servers(), locale.terminals()];
    for (key, text) in all.chain(parts.into_iter().flatten()) {
        assert!(
            texts.insert(*key, *text).is_none(),
            "{locale}: {key} stands twice"
        );
        assert!(!text.trim().is_empty(), "{locale}: {key} is empty");
    }
    texts
}

fn parameters(text: &str) -> BTreeSet<&str> {
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn every_language_has_the_same_keys() {
    let english = all(Locale::En);
    for locale in Locale::ALL {
        let other = all(locale);
        let missing: Vec<_> = english.keys().filter(|key| !other.contains_key(*key)).collect();
        let extra: Vec<_> = other.keys().filter(|key| !english.contains_key(*key)).collect();
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{locale}: missing {missing:?}, extra {extra:?}"
        );
        for (key, text) in &other {
            assert_eq!(parameters(text), parameters(english[key]), "{locale}: {key}");
        }
    }
}

fn sources(folder: &Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_key_that_the_code_names_is_there() {
    let english = all(Locale::En);
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut named = 0;
    for source in files {
        for (call, suffixes) in [
            ("t(\"", &[""][..]),
            ("tf(\"", &[""]),
            ("tn(\"", &[".one", ".other"]),
        ] {
            for (at, _) in source.match_indices(call) {
                let before = source[..at].chars().next_back().unwrap_or(' ');
                let key = source[at + call.len()..].split('"').next().unwrap_or_default();
                if before.is_alphanumeric()
                    || before == '_'
                    || before == '.'
                    || before == '"'
                    || !key.contains('.')
                {
                    continue;
                }
                named += 1;
                for suffix in suffixes {
                    assert!(
                        english.contains_key(format!("{key}{suffix}").as_str()),
                        "no text for {key}{suffix}"
                    );
                }
            }
        }
    }
    assert!(named > 20, "the search found only {named} keys");
}

#[test]
fn parameters_are_filled_in() {
    assert_eq!(fill("{a} of {b}", &[("a", "3"), ("b", "4")]), "3 of 4");
}
