//! The helpers that travel with a script, in the signed payload: whatever image it runs in, nothing is installed there.

use std::sync::LazyLock;

use cronium_protocol::manifest::{FileEntry, Language, sha256};

/// A helper's file, hashed once.
#[derive(Debug)]
pub struct Helper {
    pub entry: FileEntry,
    pub content: &'static [u8],
}

fn helper(path: &str, text: &'static str) -> Helper {
    let content = text.as_bytes();
    Helper {
        entry: FileEntry {
            path: path.into(),
            sha256: sha256(content),
            size: content.len() as u64,
            mode: 0o400,
        },
        content,
    }
}

/// What Bash reads before each script of a job.
pub const BASH: &str = "cronium.sh";

static OF_BASH: LazyLock<Vec<Helper>> = LazyLock::new(|| vec![helper(BASH, include_str!("cronium.sh"))]);
static OF_PYTHON: LazyLock<Vec<Helper>> =
    LazyLock::new(|| vec![helper("cronium.py", include_str!("cronium.py"))]);
static OF_NODE: LazyLock<Vec<Helper>> = LazyLock::new(|| {
    let file = |name: &str, text| helper(&format!("node_modules/cronium/{name}"), text);
    vec![
        file("package.json", include_str!("node/package.json")),
        file("index.js", include_str!("node/index.js")),
        file("index.mjs", include_str!("node/index.mjs")),
        file("index.d.ts", include_str!("node/index.d.ts")),
    ]
});

/// Those of a script's own language: each file costs a start some time.
pub fn of(language: Language) -> &'static [Helper] {
    match language {
        Language::Bash => &OF_BASH,
        Language::Python => &OF_PYTHON,
        Language::NodeJs => &OF_NODE,
        Language::Http => &[],
    }
}
