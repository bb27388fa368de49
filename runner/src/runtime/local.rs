//! The calls that the runner answers itself: a line for the log, and the script's output.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use cronium_protocol::log::Stream;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::archive::OUTPUT_FILE;
use crate::clock;
use crate::lines::LineCutter;

use super::{Answer, Desk};

#[derive(Debug)]
struct Entry {
    level: Level,
    message: String,
    fields: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Entry {
    /// Reads a body; otherwise what is wrong with it, and at which field.
    fn read(body: &[u8]) -> Result<Self, (Option<&'static str>, &'static str)> {
        let whole = (None, "A line is an object with `level`, `message` and `fields`.");
        let mut given: Map<String, Value> = serde_json::from_slice(body).map_err(|_| whole)?;
        let level = given.remove("level").map_or(Ok(Level::Info), Level::deserialize);
        let level = level.map_err(|_| (Some("level"), "A level is debug, info, warn or error."))?;
        let Some(Value::String(message)) = given.remove("message") else {
            return Err((Some("message"), "A message is a text."));
        };
        let fields = match given.remove("fields") {
            None => Map::new(),
            Some(Value::Object(fields)) => fields,
            Some(_) => return Err((Some("fields"), "Fields are an object.")),
        };
        if !given.is_empty() {
            return Err(whole);
        }
        Ok(Self {
            level,
            message,
            fields,
        })
    }

    /// One line: `WARN the message {"field":1}`.
    fn line(&self) -> String {
        let level = match self.level {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        let message = self.message.replace('\r', "\\r").replace('\n', "\\n");
        if self.fields.is_empty() {
            format!("{level} {message}\n")
        } else {
            format!("{level} {message} {}\n", Value::from(self.fields.clone()))
        }
    }
}

/// A line of the system's stream, in the same sequence as all others, under the same limits.
pub fn log(desk: &Desk, body: &[u8]) -> Answer {
    let entry = match Entry::read(body) {
        Ok(entry) => entry,
        Err((field, message)) => return Answer::error_at(400, "INVALID", field, message),
    };
    let mut cutter = LineCutter::new(desk.line_bytes);
    cutter.mask(desk.masks.masker());
    let at = clock::wall_us();
    cutter.feed(entry.line().as_bytes(), |cut| {
        desk.hub.line(Stream::System, at, cut);
    });
    Answer::done()
}

/// Becomes the file that a script may write itself: of both the last one counts.
pub fn output(work: &Path, body: Vec<u8>) -> Answer {
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&body) {
        return Answer::error(400, "INVALID", &format!("the output is not JSON: {error}"));
    }
    match write(work, &body) {
        Ok(()) => Answer::done(),
        Err(error) => Answer::error(500, "INTERNAL", &format!("the output can't be kept: {error}")),
    }
}

fn write(work: &Path, body: &[u8]) -> io::Result<()> {
    // Two calls at a time write two files.
    let name = format!("{OUTPUT_FILE}.{:?}", std::thread::current().id());
    let new = work.join(name.replace(['(', ')'], "-"));
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(&new)
        .and_then(|mut file| file.write_all(body))
        .and_then(|()| fs::rename(&new, work.join(OUTPUT_FILE)));
    if written.is_err() {
        drop(fs::remove_file(&new));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_or_its_wrong_field_is_named() {
        let line = |body: &str| Entry::read(body.as_bytes()).map(|entry| entry.line());
        assert_eq!(line(r#"{"message":"a\nb"}"#), Ok("INFO a\\nb\n".into()));
        let full = r#"{"level":"warn","message":"m","fields":{"n":1}}"#;
        assert_eq!(line(full), Ok("WARN m {\"n\":1}\n".into()));
        for (body, field) in [
            (r#"{"level":"loud","message":"m"}"#, Some("level")),
            (r#"{"level":1,"message":"m"}"#, Some("level")),
            (r#"{"message":1}"#, Some("message")),
            ("{}", Some("message")),
            (r#"{"message":"m","fields":[]}"#, Some("fields")),
            (r#"{"message":"m","more":1}"#, None),
            ("[]", None),
        ] {
            assert_eq!(line(body).unwrap_err().0, field, "{body}");
        }
    }
}
