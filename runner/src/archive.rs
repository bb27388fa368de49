//! Payload archives: proved in memory to be exactly the manifest's files, then unpacked. Nothing touches
//! the disk before everything has been checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use cronium_protocol::manifest::{FileEntry, Manifest, Refusal, sha256};
use tar::{Archive, EntryType};

/// Name in the work directory that scripts write their result to; no payload may bring it along.
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
    for path in std::iter::once(&manifest.entry).chain(&manifest.input) {
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
    if path == OUTPUT_FILE {
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
