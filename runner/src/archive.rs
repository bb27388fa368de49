//! Payload archives: proved in memory to be exactly the manifest's files, then unpacked. Nothing touches
//! the disk before everything has been checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cronium_protocol::manifest::{FileEntry, Manifest, Refusal, sha256};
use tar::{Archive, EntryType};

use crate::runtime::SOCKET_FILE;

/// Name in the work directory that scripts write their output to; no payload may bring it along.
pub const OUTPUT_FILE: &str = ".cronium-output.json";

/// A verified file: path, mode and content.
#[derive(Debug)]
pub struct Verified<'a> {
    path: &'a str,
    mode: u32,
    content: &'a [u8],
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Archive(why.into()))
}

/// Checks what the manifest says about itself: safe paths, no path twice, entry and input present, names
/// of variables that can be set.
pub fn check_manifest(manifest: &Manifest) -> Result<(), Refusal> {
    let mut paths = BTreeSet::new();
    for file in &manifest.files {
        check_path(&file.path)?;
        if !paths.insert(file.path.as_str()) {
            return refuse(format!("{:?} is listed twice", file.path));
        }
    }
    for path in &paths {
        let above = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(file) = above.into_iter().find(|above| paths.contains(above)) {
            return refuse(format!("{file:?} is both a file and a directory"));
        }
    }
    let bash_env = manifest
        .runtime
        .iter()
        .filter_map(|runtime| runtime.bash_env.as_ref());
    for path in std::iter::once(&manifest.entry)
        .chain(&manifest.input)
        .chain(bash_env)
    {
        if !paths.contains(path.as_str()) {
            return Err(Refusal::Malformed(format!("{path:?} is not among the files")));
        }
    }
    for (name, value) in &manifest.env {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(Refusal::Malformed(format!("variable {name:?} can't be set")));
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), Refusal> {
    let component_is_bad = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.contains('\0') || path.split('/').any(component_is_bad) {
        return refuse(format!("path {path:?} is not plain and relative"));
    }
    if path == OUTPUT_FILE || path == SOCKET_FILE {
        return refuse(format!("path {path:?} is reserved"));
    }
    Ok(())
}

/// Every entry is a regular file of the manifest, once, with its size and hash, and none is missing.
pub fn verify<'a>(manifest: &'a Manifest, archive: &'a [u8]) -> Result<Vec<Verified<'a>>, Refusal> {
    check_manifest(manifest)?;
    let mut missing: BTreeMap<&[u8], &FileEntry> =
        manifest.files.iter().map(|f| (f.path.as_bytes(), f)).collect();
    let mut verified = Vec::with_capacity(manifest.files.len());
    let mut reader = Archive::new(archive);
    let broken = |e: io::Error| Refusal::Archive(format!("it can't be read: {e}"));
    for entry in reader.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let path = entry.path_bytes();
        let shown = String::from_utf8_lossy(&path);
        if entry.header().entry_type() != EntryType::Regular {
            return refuse(format!("{shown:?} is not a regular file"));
        }
        check_path(&shown)?;
        let Some(file) = missing.remove(path.as_ref()) else {
            return refuse(format!("{shown:?} is not expected, or not twice"));
        };
        if entry.size() != file.size {
            return refuse(format!("{shown:?} has another size"));
        }
        let start = entry.raw_file_position();
        let range = usize::try_from(start).ok().zip(
            start
                .checked_add(file.size)
                .and_then(|end| usize::try_from(end).ok()),
        );
        let Some(content) = range.and_then(|(start, end)| archive.get(start..end)) else {
            return refuse(format!("{shown:?} is cut short"));
        };
        if sha256(content) != file.sha256 {
            return refuse(format!("{shown:?} has another content"));
        }
        verified.push(Verified {
            path: &file.path,
            mode: file.mode,
            content,
        });
    }
    match missing.values().next() {
        Some(file) => refuse(format!("{:?} is missing", file.path)),
        None => Ok(verified),
    }
}

/// Writes verified files below `work`; never over something that is there, never through a link.
pub fn unpack(files: &[Verified<'_>], work: &Path) -> Result<(), Refusal> {
    for file in files {
        write(file, work).map_err(|e| Refusal::Archive(format!("{:?} can't be written: {e}", file.path)))?;
    }
    Ok(())
}

fn write(file: &Verified<'_>, work: &Path) -> io::Result<()> {
    let path = work.join(file.path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mode = file.mode & 0o755 | 0o400;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?
        .write_all(file.content)
}

#[cfg(test)]
mod tests {
    use cronium_protocol::manifest::Language;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const FILES: [(&str, &[u8]); 2] = [("main.sh", b"echo hello"), ("lib/data.json", b"{}")];

    fn payload() -> (Manifest, Vec<u8>) {
        let mut builder = tar::Builder::new(Vec::new());
        let mut files = Vec::new();
        for (path, content) in FILES {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, content).unwrap();
            let size = content.len() as u64;
            files.push(FileEntry {
                path: path.into(),
                sha256: sha256(content),
                size,
                mode: 0o644,
            });
        }
        let manifest = Manifest {
            version: 1,
            execution_id: Uuid::nil(),
            job_id: Uuid::nil(),
            attempt: 1,
            target: String::new(),
            language: Language::Bash,
            entry: "main.sh".into(),
            input: None,
            env: BTreeMap::new(),
            timeout_ms: 1,
            grace_ms: 1,
            log_line_bytes: 1,
            log_total_bytes: 1,
            files,
            expires_at_ms: 1,
            nonce: Uuid::nil(),
            runtime: None,
        };
        (manifest, builder.into_inner().unwrap())
    }

    fn contents(manifest: &Manifest, archive: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
        let files = verify(manifest, archive).ok()?;
        Some(
            files
                .iter()
                .map(|f| (f.path.to_owned(), f.content.to_vec()))
                .collect(),
        )
    }

    #[test]
    fn files_are_unpacked_but_never_over_others() {
        let (manifest, archive) = payload();
        let work = tempfile::tempdir().unwrap();
        let files = verify(&manifest, &archive).unwrap();
        unpack(&files, work.path()).unwrap();
        for (path, content) in FILES {
            assert_eq!(fs::read(work.path().join(path)).unwrap(), content);
        }
        assert!(matches!(unpack(&files, work.path()), Err(Refusal::Archive(_))));
    }

    proptest! {
        #[test]
        fn a_changed_archive_is_refused_or_gives_the_same_files(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            length in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let (manifest, mut archive) = payload();
            let good = contents(&manifest, &archive);
            prop_assert!(good.is_some());
            for (at, byte) in changes {
                let at = at.index(archive.len());
                archive[at] = byte;
            }
            if cut {
                archive.truncate(length.index(archive.len()));
            }
            let found = contents(&manifest, &archive);
            prop_assert!(found.is_none() || found == good);
        }

        #[test]
        fn random_bytes_are_no_archive_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
            prop_assert!(verify(&payload().0, &bytes).is_err());
        }
    }
}
