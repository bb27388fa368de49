//! An allow-list from the operator's files: documents as `.graphql`, or manifests as `.json` that give each
//! document its id. Read once, at the start.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::kernel::{Error, Result};
use crate::transport::graphql::limits::Refusal;

use super::{Found, Hash, NOT_LISTED, hash, hex, refusal};

/// Documents that may run.
#[derive(Debug, Default)]
pub struct Listed {
    by_id: HashMap<String, Arc<str>>,
    by_hash: HashMap<Hash, Arc<str>>,
}

/// The two kinds of manifest that tools write: ids with their documents, or a list of operations.
#[derive(Deserialize)]
#[serde(untagged)]
enum Manifest {
    Operations { operations: Vec<Operation> },
    Documents(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct Operation {
    id: String,
    body: String,
}

fn files(path: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let kind = path.extension().and_then(|e| e.to_str());
        if path.is_dir() || matches!(kind, Some("graphql" | "gql" | "json")) {
            files(&path, found)?;
        }
    }
    Ok(())
}

impl Listed {
    /// From a file, or from all files below a directory.
    pub fn read(path: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        let said = |e: std::io::Error| Error::internal(format!("{}: {e}", path.display()));
        files(path, &mut paths).map_err(said)?;
        paths.sort();
        let (mut listed, mut problems) = (Self::default(), Vec::new());
        for path in paths {
            if let Err(problem) = listed.file(&path) {
                problems.push(format!("{}: {problem}", path.display()));
            }
        }
        if listed.by_hash.is_empty() && problems.is_empty() {
            problems.push(format!("{}: there is no document in it", path.display()));
        }
        if problems.is_empty() {
            Ok(listed)
        } else {
            let problems = problems.join("\n  ");
            Err(Error::internal(format!(
                "the list of documents can't be used:\n  {problems}"
            )))
        }
    }

    /// Lets the documents of another list run as well. Their ids are not taken: they may be somebody else's here.
    pub fn also(&mut self, other: Self) {
        self.by_hash.extend(other.by_hash);
    }

    fn file(&mut self, path: &Path) -> std::result::Result<(), String> {
        let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
        if path.extension().is_none_or(|e| e != "json") {
            return self.add(None, &text);
        }
        let manifest = serde_json::from_str(&text).map_err(|_| "this is not a manifest of documents")?;
        match manifest {
            Manifest::Documents(documents) => {
                for (id, text) in documents {
                    self.add(Some(id), &text)?;
                }
            }
            Manifest::Operations { operations } => {
                for operation in operations {
                    self.add(Some(operation.id), &operation.body)?;
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, id: Option<String>, text: &str) -> std::result::Result<(), String> {
        if let Err(problem) = async_graphql::parser::parse_query(text) {
            let what = id.unwrap_or_default();
            return Err(format!("{what} is not a GraphQL document: {problem}"));
        }
        let kept: Arc<str> = text.into();
        self.by_hash.insert(hash(text), Arc::clone(&kept));
        // Files end in a newline, which clients do not send.
        self.by_hash.insert(hash(text.trim()), Arc::clone(&kept));
        if let Some(id) = id {
            let before = self.by_id.insert(id.clone(), kept);
            if before.is_some_and(|before| *before != *text) {
                return Err(format!("two documents have the id {id}"));
            }
        }
        Ok(())
    }

    pub fn find(&self, text: Option<String>, id: Option<&str>) -> std::result::Result<Found, Refusal> {
        let text = match (&text, id) {
            (Some(text), _) => self.by_hash.get(&hash(text.trim())),
            (None, Some(id)) => {
                let by_id = self.by_id.get(id);
                by_id.or_else(|| self.by_hash.get(&hex(id)?))
            }
            (None, None) => None,
        };
        let text = text.ok_or_else(|| refusal(NOT_LISTED, "This server runs listed documents only."))?;
        Ok(Found {
            text: Arc::clone(text),
            register: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn files_and_manifests_are_read_and_found_by_text_hash_and_id() {
        let directory = written(&[
            ("a.graphql", "{ a }\n"),
            ("deep/b.gql", "query B { b }"),
            ("c.json", r#"{ "id-of-c": "{ c }" }"#),
            (
                "d.json",
                r#"{ "format": "x", "version": 1, "operations": [{ "id": "d1", "body": "{ d }", "name": "D" }] }"#,
            ),
            ("README.md", "not a document"),
        ]);
        let listed = Listed::read(directory.path()).unwrap();
        for text in ["{ a }", "{ a }\n", "query B { b }", "{ c }", "{ d }"] {
            assert_eq!(
                listed.find(Some(text.into()), None).unwrap().text.trim(),
                text.trim()
            );
            let hash: String = hash(text).iter().map(|b| format!("{b:02x}")).collect();
            assert!(listed.find(None, Some(&hash)).is_ok(), "{text:?} by its hash");
        }
        for (id, text) in [("id-of-c", "{ c }"), ("d1", "{ d }")] {
            assert_eq!(&*listed.find(None, Some(id)).unwrap().text, text);
        }
        for (text, id) in [(Some("{ b }".to_owned()), None), (None, Some("x")), (None, None)] {
            assert_eq!(listed.find(text, id).unwrap_err().code, NOT_LISTED);
        }
    }

    #[test]
    fn another_list_adds_documents_and_no_ids() {
        let read = |text| Listed::read(written(&[("a.json", text)]).path()).unwrap();
        let mut listed = read(r#"{ "one": "{ a }" }"#);
        listed.also(read(r#"{ "one": "{ b }", "two": "{ c }" }"#));
        assert_eq!(&*listed.find(None, Some("one")).unwrap().text, "{ a }");
        assert!(listed.find(None, Some("two")).is_err());
        for text in ["{ a }", "{ b }", "{ c }"] {
            assert!(listed.find(Some(text.into()), None).is_ok(), "{text}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let directory = written(&[
            ("a.graphql", "{ a"),
            ("b.json", "[]"),
            ("c.json", r#"{ "x": "{ c }" }"#),
            ("d.json", r#"{ "x": "{ d }" }"#),
        ]);
        let problem = Listed::read(directory.path()).unwrap_err().private_text();
        for part in [
            "a.graphql: ",
            "b.json: this is not a manifest",
            "d.json: two documents have the id x",
        ] {
            assert!(problem.contains(part), "{problem}");
        }
        assert!(
            Listed::read(written(&[]).path()).is_err(),
            "an empty list would refuse everything"
        );
        assert!(Listed::read(Path::new("/nonexistent")).is_err());
    }
}
