//! The list of all documents that the dashboard sends, `web/documents.json`: a server that runs listed documents
//! only takes it along. It is made and checked by a test, and is no part of the module.

/// Puts an operation on the list: its kind, its type, and that of its variables.
macro_rules! listed {
    ($kind:ident $operation:ty, $variables:ty) => {
        #[cfg(test)]
        inventory::submit! {
            $crate::api::documents::Listed {
                name: stringify!($operation),
                text: || {
                    cynic::queries::build_executable_document::<$operation, $variables>(
                        cynic::queries::OperationType::$kind,
                        <$operation as cynic::QueryFragment>::name().as_deref(),
                        Default::default(),
                        None,
                    )
                },
            }
        }
    };
}
pub(crate) use listed;

/// One operation.
#[cfg(test)]
pub struct Listed {
    pub name: &'static str,
    pub text: fn() -> String,
}

#[cfg(test)]
inventory::collect!(Listed);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};

    use cynic::QueryBuilder as _;

    use super::*;

    #[derive(cynic::QueryFragment)]
    #[cynic(
        schema = "cronium",
        schema_module = "crate::api::schema",
        graphql_type = "Query"
    )]
    #[expect(dead_code, reason = "only its document is wanted")]
    struct Example {
        server_info: ExampleInfo,
    }

    #[derive(cynic::QueryFragment)]
    #[cynic(
        schema = "cronium",
        schema_module = "crate::api::schema",
        graphql_type = "ServerInfo"
    )]
    #[expect(dead_code, reason = "only its document is wanted")]
    struct ExampleInfo {
        version: String,
    }

    listed!(Query Example, ());

    fn all() -> Vec<(&'static str, String)> {
        let listed = inventory::iter::<Listed>.into_iter();
        listed.map(|one| (one.name, (one.text)())).collect()
    }

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn what_is_listed_is_what_is_sent() {
        let (_, listed) = all().into_iter().find(|(name, _)| *name == "Example").unwrap();
        assert_eq!(listed, Example::build(()).query);
    }

    #[test]
    fn every_operation_is_listed() {
        let mut files = Vec::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        sources(&root.join("src"), &mut files);
        let names: Vec<_> = all().into_iter().map(|(name, _)| name).collect();
        let mut operations = 0;
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let mut lines = text.lines();
            while let Some(line) = lines.next() {
                let roots =
                    ["Query", "Mutation", "Subscription"].map(|root| format!("graphql_type = \"{root}\""));
                if !line.trim_start().starts_with("#[cynic(") || !roots.iter().any(|root| line.contains(root))
                {
                    continue;
                }
                let of = lines
                    .find_map(|line| line.split_once("struct "))
                    .map(|(_, rest)| rest)
                    .unwrap();
                let name = of.split(|c: char| !c.is_alphanumeric()).next().unwrap();
                operations += 1;
                assert!(
                    names.contains(&name),
                    "{}: add `crate::api::listed!(<kind> {name}, <variables>);`",
                    file.display()
                );
            }
        }
        assert!(
            operations > 30,
            "{operations} operations: the test looks in the wrong place"
        );
    }

    #[test]
    fn the_list_is_current() {
        let mut wanted = BTreeMap::new();
        for (name, text) in all().into_iter().filter(|(name, _)| *name != "Example") {
            assert!(
                wanted.insert(name, text).is_none(),
                "two operations are called {name}"
            );
        }
        let wanted = serde_json::to_string_pretty(&wanted).unwrap() + "\n";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("documents.json");
        if std::env::var_os("CRONIUM_WRITE_DOCUMENTS").is_some() {
            fs::write(&path, &wanted).unwrap();
        }
        assert!(
            fs::read_to_string(path).unwrap_or_default() == wanted,
            "web/documents.json differs from the code: run `just documents` and commit the result"
        );
    }
}
