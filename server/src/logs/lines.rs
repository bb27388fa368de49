//! Lines on their way to subscribers. A batch is written once for each set of fields that is asked for, and
//! all who asked for it share that text. Knows nothing of where lines come from.

use std::borrow::Cow;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};
use bytes::Bytes;
use cronium_protocol::log::{Line, Stream as LineStream};

use crate::kernel::api::written;
use crate::kernel::clock::from_micros;

use super::clean::clean;
use super::graphql::LogLine;

/// Forms of one batch that are kept. The dashboard and an integrator make two.
const FORMS: usize = 4;

/// One batch, shared by those who read it.
#[derive(Debug, Default)]
pub struct Lines {
    lines: Vec<Line>,
    written: Mutex<Vec<(Form, Bytes)>>,
}

impl From<Vec<Line>> for Lines {
    fn from(lines: Vec<Line>) -> Self {
        Self {
            lines,
            written: Mutex::default(),
        }
    }
}

impl std::ops::Deref for Lines {
    type Target = [Line];

    fn deref(&self) -> &[Line] {
        &self.lines
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Seq,
    At,
    Stream,
    Text,
    Typename,
}

/// What is asked of each line, by its name in the response.
type Form = Vec<(String, Column)>;

/// None for what only the engine can answer.
fn form(ctx: &ContextSelectionSet<'_>, set: &SelectionSet, form: &mut Form) -> Option<()> {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => {
                let field = &field.node;
                let column = match field.name.node.as_str() {
                    "seq" => Column::Seq,
                    "at" => Column::At,
                    "stream" => Column::Stream,
                    "text" => Column::Text,
                    "__typename" => Column::Typename,
                    _ => return None,
                };
                if !field.directives.is_empty() {
                    return None;
                }
                let name = field.response_key().node.as_str();
                if form.iter().all(|(known, _)| known != name) {
                    form.push((name.to_owned(), column));
                }
            }
            Selection::FragmentSpread(spread) if spread.node.directives.is_empty() => {
                let fragment = ctx.query_env.fragments.get(&spread.node.fragment_name.node)?;
                self::form(ctx, &fragment.node.selection_set.node, form)?;
            }
            Selection::InlineFragment(fragment) if fragment.node.directives.is_empty() => {
                self::form(ctx, &fragment.node.selection_set.node, form)?;
            }
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => return None,
        }
    }
    Some(())
}

impl Lines {
    fn written(&self, form: Form) -> Bytes {
        let mut forms = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, json)) = forms.iter().find(|(known, _)| *known == form) {
            return json.clone();
        }
        let json = Bytes::from(write(&self.lines, &form));
        if forms.len() < FORMS {
            forms.push((form, json.clone()));
        }
        json
    }
}

fn write(lines: &[Line], form: &Form) -> Vec<u8> {
    let keys: Vec<(Vec<u8>, Column)> = form
        .iter()
        .enumerate()
        .map(|(at, (name, column))| {
            let opening = if at == 0 { '{' } else { ',' };
            (format!("{opening}\"{name}\":").into_bytes(), *column)
        })
        .collect();
    let size: usize = lines.iter().map(|line| line.text.len() + 80).sum();
    let mut out = Vec::with_capacity(size);
    out.push(b'[');
    let mut clock = Clock::default();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        for (key, column) in &keys {
            out.extend_from_slice(key);
            match column {
                // Memory takes all that is written to it.
                Column::Seq => drop(write!(out, "{}", i32::try_from(line.seq).unwrap_or(i32::MAX))),
                Column::At => clock.write(&mut out, line.at_us),
                Column::Stream => out.extend_from_slice(match line.stream {
                    LineStream::Stdout => b"\"STDOUT\"",
                    LineStream::Stderr => b"\"STDERR\"",
                    LineStream::System => b"\"SYSTEM\"",
                }),
                Column::Text => drop(serde_json::to_writer(&mut out, clean(&line.text).as_ref())),
                Column::Typename => out.extend_from_slice(b"\"LogLine\""),
            }
        }
        out.push(b'}');
    }
    out.push(b']');
    out
}

/// Writes moments as RFC 3339, and remembers the second: most lines share it with the one before.
#[derive(Default)]
struct Clock {
    second: i64,
    text: String,
}

impl Clock {
    fn write(&mut self, out: &mut Vec<u8>, at_us: i64) {
        let second = at_us.div_euclid(1_000_000);
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = from_micros(second.saturating_mul(1_000_000))
                .format("%Y-%m-%dT%H:%M:%S")
                .to_string();
        }
        let micros = at_us.rem_euclid(1_000_000);
        drop(match (micros, micros % 1000) {
            (0, _) => write!(out, "\"{}+00:00\"", self.text),
            (_, 0) => write!(out, "\"{}.{:03}+00:00\"", self.text, micros / 1000),
            _ => write!(out, "\"{}.{micros:06}+00:00\"", self.text),
        });
    }
}

/// A batch in the API: `[LogLine!]!`.
#[derive(Debug, Clone)]
pub struct LiveLines(pub Arc<Lines>);

impl OutputType for LiveLines {
    fn type_name() -> Cow<'static, str> {
        <Vec<LogLine> as OutputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<LogLine> as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<LogLine> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let mut wanted = Form::new();
        if form(ctx, &ctx.item.node, &mut wanted).is_some() && !wanted.is_empty() {
            return Ok(written(self.0.written(wanted)));
        }
        let lines: Vec<LogLine> = self.0.iter().cloned().map(LogLine::from).collect();
        OutputType::resolve(&lines, ctx, field).await
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Schema};
    use futures::FutureExt as _;

    use super::*;

    fn lines() -> Vec<Line> {
        let texts = ["plain", "quote \" \\ \u{1b}[31mred\u{1b}[0m", "\u{202e}", "é\t"];
        let streams = [
            LineStream::Stdout,
            LineStream::Stderr,
            LineStream::System,
            LineStream::Stdout,
        ];
        let moments = [
            1_700_000_000_000_000,
            1_700_000_000_123_000,
            1_700_000_000_123_456,
            -1,
        ];
        (0..4)
            .map(|n| Line {
                seq: n as u64 + 7,
                at_us: moments[n],
                stream: streams[n],
                text: texts[n].to_owned(),
            })
            .collect()
    }

    struct Query(Arc<Lines>);

    #[Object]
    impl Query {
        async fn ours(&self) -> LiveLines {
            LiveLines(self.0.clone())
        }

        async fn engine(&self) -> Vec<LogLine> {
            lines().into_iter().map(LogLine::from).collect()
        }
    }

    fn asked(selection: &str) -> (serde_json::Value, serde_json::Value) {
        let shared = Arc::new(Lines::from(lines()));
        let schema = Schema::new(Query(shared), EmptyMutation, EmptySubscription);
        let query = format!(
            "{{ ours {{ {selection} }} engine {{ {selection} }} }} fragment Rest on LogLine {{ text stream }}"
        );
        let response = schema.execute(query).now_or_never().unwrap();
        assert_eq!(response.errors, []);
        let Value::Object(mut data) = response.data else {
            panic!("no data")
        };
        let ours = match data.swap_remove("ours").unwrap() {
            Value::Binary(json) => serde_json::from_slice(&json).unwrap(),
            other => other.into_json().unwrap(),
        };
        (ours, data.swap_remove("engine").unwrap().into_json().unwrap())
    }

    #[test]
    fn what_is_written_is_what_the_engine_would_say() {
        for selection in [
            "seq ...Rest",
            "seq at stream text ...Rest",
            "n: seq, __typename, ... on LogLine { when: at } ...Rest",
            "text @include(if: true) ...Rest",
        ] {
            let (ours, engine) = asked(selection);
            assert_eq!(ours, engine, "{selection}");
        }
    }

    #[test]
    fn a_form_is_written_once() {
        let lines = Lines::from(lines());
        let form = || vec![("seq".to_owned(), Column::Seq)];
        let first = lines.written(form());
        assert_eq!(first, &b"[{\"seq\":7},{\"seq\":8},{\"seq\":9},{\"seq\":10}]"[..]);
        assert_eq!(first.as_ptr(), lines.written(form()).as_ptr());
        let other = lines.written(vec![("text".to_owned(), Column::Text)]);
        assert_ne!(first, other);
    }
}
