//! The signed payload of an execution, and the key that signs it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use cronium_entity::enums::EventKind;
use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::http::{HttpRequest, REQUEST_FILE};
use cronium_protocol::manifest::{FileEntry, Language, Manifest, Runtime, sha256, sign};
use ed25519_dalek::SigningKey;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::events::Definition;
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Entropy, Error, Kernel, Result, Timestamp};
use crate::runtime::helpers;

const SETTING: &str = "payload-signing-key";
const CONTEXT: &str = "settings/payload-signing-key";
/// How long a payload may wait to be opened.
const EXPIRY: TimeDelta = TimeDelta::minutes(10);

/// Signs payloads with the installation's Ed25519 key.
#[derive(Clone)]
pub struct Signer(Arc<SigningKey>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Signer {
    /// The key from the settings, sealed with the master key; the first server makes it.
    pub async fn load(kernel: &Kernel, master: &KeyRing) -> Result<Self> {
        let fresh = master.seal(kernel.entropy, CONTEXT, &kernel.entropy.bytes::<32>())?;
        sqlx::query(
            "INSERT INTO settings (key, value, updated_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(SETTING)
        .bind(fresh)
        .bind(kernel.now())
        .execute(&kernel.pool)
        .await?;
        let sealed: Vec<u8> = sqlx::query_scalar("SELECT value FROM settings WHERE key = $1")
            .bind(SETTING)
            .fetch_one(&kernel.pool)
            .await?;
        let opened = master.open(CONTEXT, &sealed)?;
        let key: [u8; 32] = opened
            .as_slice()
            .try_into()
            .map_err(|_| Error::internal("the payload signing key has a wrong length"))?;
        Ok(Self(Arc::new(SigningKey::from_bytes(&key))))
    }

    /// A key of its own for something else, which tells nothing of this one.
    pub fn derived(&self, purpose: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"cronium key from the payload signing key\0")
            .chain_update(self.0.to_bytes())
            .chain_update(purpose)
            .finalize()
            .into()
    }

    pub fn verify_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }
}

/// What a payload is made of.
pub struct Work<'a> {
    pub execution_id: Uuid,
    pub job_id: Uuid,
    pub attempt: u32,
    pub input: Option<&'a Value>,
    pub definition: &'a Definition,
    /// What a request sends; None: it is a script.
    pub request: Option<HttpRequest>,
    /// None: its orchestrator carries no runtime calls.
    pub runtime: Option<Access>,
}

/// How a script may call the runtime API.
#[derive(Debug, Default)]
pub struct Access {
    /// Where it is reached by network, and the token; None: by the runner's socket only.
    pub network: Option<(String, String)>,
}

const TOKEN: &str = "CRONIUM_TOKEN";
const API_URL: &str = "CRONIUM_API_URL";

/// Encoded manifest, its signature and the files.
pub struct Payload {
    pub manifest: Vec<u8>,
    pub signature: Vec<u8>,
    pub archive: Vec<u8>,
    pub sha256: [u8; 32],
}

/// Whether Node.js is to take a script for an ES module, which older ones do by the file's name alone: it imports or
/// exports at the beginning of a line, and uses nothing that only CommonJS has.
fn is_module(source: &str) -> bool {
    const OF_COMMON_JS: [&str; 4] = ["require(", "module.exports", "__dirname", "__filename"];
    if !source.contains("import") && !source.contains("export") {
        return false;
    }
    let code = code_of(source);
    let declares = |line: &str| {
        let after = line
            .strip_prefix("import")
            .or_else(|| line.strip_prefix("export"));
        // `import (…)` is an expression, in either kind.
        after.is_some_and(|rest| {
            rest.starts_with([' ', '\t', '{', '*', '"', '\'']) && !rest.trim_start().starts_with('(')
        })
    };
    let is_common = OF_COMMON_JS.iter().any(|word| code.contains(word)) && !code.contains("createRequire");
    !is_common && code.lines().any(declares)
}

/// JavaScript without its comments and without what is inside of its strings and templates. A regular expression with a
/// quote in it may hide what follows: then a script is taken for CommonJS.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source.chars().peekable();
    while let Some(letter) = rest.next() {
        match (letter, rest.peek()) {
            ('/', Some('/')) => while rest.next_if(|c| *c != '\n').is_some() {},
            ('/', Some('*')) => {
                rest.next();
                let mut last = ' ';
                for c in rest.by_ref() {
                    if (last, c) == ('*', '/') {
                        break;
                    }
                    last = c;
                }
            }
            ('"' | '\'' | '`', _) => {
                code.push(letter);
                while let Some(c) = rest.next() {
                    if c == '\\' {
                        rest.next();
                    } else if c == letter || (c == '\n' && letter != '`') {
                        code.push(c);
                        break;
                    }
                }
            }
            _ => code.push(letter),
        }
    }
    code
}

/// Builds and signs a payload.
pub fn build(signer: &Signer, entropy: Entropy, now: Timestamp, work: Work<'_>) -> Result<Payload> {
    let definition = work.definition;
    let (language, entry) = match definition.kind {
        EventKind::Bash => (Language::Bash, "main.sh"),
        EventKind::Python => (Language::Python, "main.py"),
        EventKind::Nodejs if is_module(&definition.source) => (Language::NodeJs, "main.mjs"),
        EventKind::Nodejs => (Language::NodeJs, "main.js"),
        EventKind::HttpRequest => (Language::Http, REQUEST_FILE),
    };
    let request = work
        .request
        .map(|request| serde_json::to_vec(&request))
        .transpose();
    let request = request.map_err(Error::internal)?;
    let input = serde_json::to_vec(work.input.unwrap_or(&Value::Null)).map_err(Error::internal)?;
    let contents = match &request {
        Some(request) => vec![(entry, request.as_slice(), 0o400)],
        None => vec![
            (entry, definition.source.as_bytes(), 0o500),
            ("input.json", input.as_slice(), 0o400),
        ],
    };
    let mut archive = tar::Builder::new(Vec::new());
    let mut files = Vec::new();
    let helpers = work.runtime.as_ref().map_or(&[][..], |_| helpers::of(language));
    for helper in helpers {
        append(&mut archive, &helper.entry, helper.content)?;
        files.push(helper.entry.clone());
    }
    for (path, bytes, mode) in contents {
        let entry = FileEntry {
            path: path.into(),
            sha256: sha256(bytes),
            size: bytes.len() as u64,
            mode,
        };
        append(&mut archive, &entry, bytes)?;
        files.push(entry);
    }
    let mut env: BTreeMap<String, String> = definition
        .environment
        .iter()
        .map(|v| (v.name.clone(), v.value.clone()))
        .collect();
    let runtime = work.runtime.map(|access| {
        let bash_env = (language == Language::Bash).then(|| helpers::BASH.to_owned());
        let secret_env = match access.network {
            Some((url, token)) => {
                env.extend([(API_URL.to_owned(), url), (TOKEN.to_owned(), token)]);
                vec![TOKEN.to_owned()]
            }
            None => Vec::new(),
        };
        Runtime { bash_env, secret_env }
    });
    let manifest = Manifest {
        version: PROTOCOL_VERSION,
        execution_id: work.execution_id,
        job_id: work.job_id,
        attempt: work.attempt,
        target: format!("docker:{}", work.execution_id),
        language,
        entry: entry.into(),
        input: request.is_none().then(|| "input.json".into()),
        env,
        timeout_ms: definition.timeout_ms.unsigned_abs(),
        grace_ms: 10_000,
        log_line_bytes: 64 << 10,
        log_total_bytes: 100 << 20,
        files,
        expires_at_ms: (now + EXPIRY).timestamp_millis(),
        nonce: entropy.uuid_v7(now),
        runtime,
    };
    let manifest = manifest.encode().map_err(Error::internal)?;
    Ok(Payload {
        signature: sign(&manifest, &signer.0),
        sha256: sha256(&manifest),
        archive: archive.into_inner().map_err(Error::internal)?,
        manifest,
    })
}

fn append(archive: &mut tar::Builder<Vec<u8>>, entry: &FileEntry, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(entry.size);
    header.set_mode(entry.mode);
    header.set_entry_type(tar::EntryType::Regular);
    archive
        .append_data(&mut header, &entry.path, content)
        .map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::is_module;

    #[test]
    fn a_module_is_known_by_what_it_imports_or_exports() {
        for module in [
            "import { input } from 'cronium';\nconsole.log(await input());",
            "#!/usr/bin/env node\n// notes\nimport fs from \"fs\"",
            "import\"cronium\"",
            "import* as c from 'cronium'",
            "export default 1",
            "// no require(…) here\nimport fs from 'fs'",
            "/* it's a note */ const a = 'it\\'s';\nimport fs from 'fs'; log('require(')",
            "import { createRequire } from 'module';\nconst require = createRequire(import.meta.url);\nrequire('cronium');",
        ] {
            assert!(is_module(module), "{module}");
        }
        for script in [
            "const { input } = require('cronium');",
            "(async () => { const c = await import('cronium'); })();",
            "import('cronium').then((c) => c.log('x'))",
            "imported = 1; exports.a = 2",
            "const text = `\nimport this line\n`; return;",
            "const text = `\\`\nexport PATH=/bin\n`;",
            "/* usage:\nimport it\n*/ console.log(1)",
            "import ('cronium').then((c) => c.log('x'))",
            "import fs from 'fs'; module.exports = fs;",
            "",
        ] {
            assert!(!is_module(script), "{script}");
        }
    }
}
