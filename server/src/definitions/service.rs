//! Export and import of definitions: reads and writes the text, and hands what is in it to whose it is.

use crate::access::{self, Action};
use crate::events::{
    Chosen, EventRow, Events, MOST_SERVERS, NewEvent, OnConflict, Outcome, ServerTarget, Taken,
};
use crate::kernel::error::{FieldError, UserErrorCode};
use crate::kernel::{Error, Op, Result};

use super::document::{self, Document, MOST, Written};
use super::model::{Format, Place, Problem, changes};
use super::target::{self, NamedServers};

/// Longest text, in bytes, both ways: what comes out can go in.
const LONGEST: usize = 3 << 19;
/// Most problems that are told at once.
const MOST_PROBLEMS: usize = 100;

/// Definitions of everything that people write.
#[derive(Debug, Clone)]
pub struct Definitions {
    events: Events,
}

/// A text that was written.
#[derive(Debug)]
pub struct Export {
    pub content: String,
    pub file_name: String,
    pub format: Format,
    pub exported: usize,
}

/// A text to read.
#[derive(Debug)]
pub struct Import {
    pub content: String,
    /// None: as it looks.
    pub format: Option<Format>,
    pub conflict: OnConflict,
    /// Whether only to say what would be done.
    pub dry_run: bool,
}

/// One definition of a text.
#[derive(Debug)]
pub struct Imported {
    pub at: Place,
    pub outcome: Outcome,
    /// As it is called in the text.
    pub named: String,
    /// As it is called now, or would be.
    pub name: String,
    /// Paths of what is not as it was.
    pub changes: Vec<String>,
    /// None: it is not there, because nothing was done.
    pub event: Option<EventRow>,
}

impl Definitions {
    pub fn new(events: Events) -> Self {
        Self { events }
    }

    /// Writes events that may be seen.
    pub async fn export(&self, op: &Op, chosen: Chosen, format: Format) -> Result<Export> {
        let found = self.events.definitions(op, &chosen, MOST, LONGEST).await?;
        let content = document::write(&found, format);
        if content.len() > LONGEST {
            let message = "These definitions are too long together: take fewer at a time.";
            let field = match chosen {
                Chosen::These(_) => "eventIds",
                Chosen::Like(_) => "filter",
            };
            return Err(Error::field(UserErrorCode::LimitReached, field, message));
        }
        let name = match found.as_slice() {
            [one] => file_stem(&one.profile.name),
            _ => "cronium-events".into(),
        };
        Ok(Export {
            content,
            file_name: format!("{name}.{}", format.extension()),
            format,
            exported: found.len(),
        })
    }

    /// Makes and changes what is in a text, all of it or nothing, or says what would be done.
    pub async fn import(&self, op: &Op, import: Import) -> Result<Vec<Imported>> {
        access::allow(op, Action::ReadEvents)?;
        access::allow(op, Action::CreateEvent)?;
        if import.content.len() > LONGEST {
            let message = "At most 1.5 MiB at a time.";
            return Err(Error::field(UserErrorCode::TooLong, "content", message));
        }
        let format = import.format.unwrap_or_else(|| Format::of(&import.content));
        let mut document = document::read(&import.content, format).map_err(refused)?;
        let written = std::mem::take(&mut document.events);
        let events = self.with_servers(op, &document, written).await?;
        let taken = self
            .events
            .take(op, events, import.conflict, import.dry_run)
            .await
            .map_err(|problem| in_the_text(&document, problem))?;
        let imported = |(at, taken): (usize, Taken)| Imported {
            at: document.place(&["events".to_owned(), at.to_string()]),
            outcome: taken.outcome,
            named: taken.named,
            name: taken.row.name.clone(),
            changes: taken.change.map_or_else(Vec::new, |(before, after)| {
                changes(&document::event_tree(&before), &document::event_tree(&after))
            }),
            event: (taken.outcome != Outcome::Created || !import.dry_run).then_some(taken.row),
        };
        Ok(taken.into_iter().enumerate().map(imported).collect())
    }

    /// Finds the servers of events by their names, among those that whoever imports may use.
    async fn with_servers(
        &self,
        op: &Op,
        document: &Document,
        written: Vec<Written>,
    ) -> Result<Vec<NewEvent>> {
        use UserErrorCode::{Conflict, Forbidden, NotFound, TooLong};
        let few = |servers: &NamedServers| servers.names.len() <= MOST_SERVERS;
        let named = written.iter().filter_map(|one| one.servers.as_ref());
        let named = named.filter(|servers| few(servers));
        let names: Vec<String> = named.flat_map(|servers| servers.names.clone()).collect();
        let found = self.events.servers_named(op, &names).await?;
        let (mut events, mut problems) = (Vec::new(), Vec::new());
        for (at, Written { mut event, servers }) in written.into_iter().enumerate() {
            let Some(named) = servers else {
                events.push(event);
                continue;
            };
            let mut refuse = |code, within: Option<usize>, message: &str| {
                let mut path = ["events", &at.to_string(), "target", "servers"]
                    .map(str::to_owned)
                    .to_vec();
                path.extend(within.map(|index| index.to_string()));
                let at = document.place(&path);
                let message = message.to_owned();
                problems.push(Problem {
                    code,
                    path,
                    at,
                    message,
                });
            };
            if !few(&named) {
                refuse(TooLong, None, "At most 100 servers.");
                continue;
            }
            let mut servers = Vec::new();
            match &found {
                None => {
                    let message = "Choosing servers needs the permission to see servers.";
                    refuse(Forbidden, None, message);
                }
                Some(found) => {
                    for (index, name) in named.names.iter().enumerate() {
                        match found.get(name).map(Vec::as_slice).unwrap_or_default() {
                            [one] => servers.push(one.clone()),
                            [] => refuse(NotFound, Some(index), "You may use no server by this name."),
                            _ => refuse(Conflict, Some(index), "You may use several servers by this name."),
                        }
                    }
                }
            }
            let max_parallel = named.max_parallel;
            event.definition.servers = Some(ServerTarget {
                servers,
                max_parallel,
            });
            events.push(event);
        }
        if problems.is_empty() {
            Ok(events)
        } else {
            Err(refused(problems))
        }
    }
}

fn refused(problems: Vec<Problem>) -> Error {
    told(problems.into_iter().map(FieldError::from).collect())
}

fn told(mut errors: Vec<FieldError>) -> Error {
    let more = errors.len().saturating_sub(MOST_PROBLEMS);
    errors.truncate(MOST_PROBLEMS);
    if more > 0 {
        let message = format!("There are {more} more problems.");
        errors.push(FieldError::new(UserErrorCode::Invalid, "content", message));
    }
    Error::Invalid(errors)
}

/// Problems of events, where they stand in the text.
fn in_the_text(document: &Document, problem: Error) -> Error {
    let Error::Invalid(errors) = problem else {
        return problem;
    };
    let placed = |error: FieldError| match error.field.first().map(String::as_str) {
        Some("events") => {
            let path = target::path(error.field);
            Problem {
                at: document.place(&path),
                code: error.code,
                path,
                message: error.message,
            }
            .into()
        }
        _ => error,
    };
    told(errors.into_iter().map(placed).collect())
}

/// A name as the name of a file.
fn file_stem(name: &str) -> String {
    let mut stem = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            stem.push(c);
        } else if !stem.is_empty() && !stem.ends_with('-') {
            stem.push('-');
        }
    }
    stem.truncate(60);
    let stem = stem.trim_end_matches('-');
    if stem.is_empty() {
        "event".into()
    } else {
        stem.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_its_event() {
        assert_eq!(file_stem("Nightly  Backup (DB)"), "nightly-backup-db");
        assert_eq!(file_stem("../../etc/passwd"), "etc-passwd");
        assert_eq!(
            (file_stem("日本"), file_stem(&"ab ".repeat(40)).len()),
            ("event".into(), 59)
        );
    }
}
