//! Keyset paging: cursors are positions in the sort order, so pages stay right while rows arrive.

use async_graphql::connection::{Connection, CursorType, Edge, EmptyFields};
use async_graphql::{OutputType, SimpleObject};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use super::error::{Error, Result};

/// Largest page.
pub const MAX_PAGE: u64 = 100;

/// A position: the sort key as text (a timestamp in microseconds, a name) and the row's id as tie-break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub key: String,
    pub id: Uuid,
}

impl CursorType for Cursor {
    type Error = String;

    fn decode_cursor(s: &str) -> std::result::Result<Self, String> {
        let bytes = URL_SAFE_NO_PAD.decode(s).map_err(|_| "not a cursor")?;
        let (id, key) = bytes.split_first_chunk::<16>().ok_or("not a cursor")?;
        let key = String::from_utf8(key.to_vec()).map_err(|_| "not a cursor")?;
        Ok(Self {
            key,
            id: Uuid::from_bytes(*id),
        })
    }

    fn encode_cursor(&self) -> String {
        let mut bytes = self.id.as_bytes().to_vec();
        bytes.extend_from_slice(self.key.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Checked paging arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageArgs {
    /// Rows to return, 1–100.
    pub size: u64,
    /// True for `last`: the page is taken from the end.
    pub backward: bool,
    pub after: Option<Cursor>,
    pub before: Option<Cursor>,
    /// Whether the client asked how many there are in all: counting reads every one of them.
    pub counted: bool,
}

impl PageArgs {
    /// `first` or `last` is required, exactly one, 1–100.
    pub fn new(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Self> {
        let (size, backward) = match (first, last) {
            (Some(n), None) => (n, false),
            (None, Some(n)) => (n, true),
            (None, None) => {
                return Err(Error::BadRequest(
                    "`first` or `last` is required (1 to 100)".into(),
                ));
            }
            (Some(_), Some(_)) => return Err(Error::BadRequest("give `first` or `last`, not both".into())),
        };
        let size = u64::try_from(size).ok().filter(|n| (1..=MAX_PAGE).contains(n));
        let size = size.ok_or_else(|| Error::BadRequest("a page has 1 to 100 rows".into()))?;
        let cursor = |text: Option<String>, name| {
            let read = |t: String| Cursor::decode_cursor(&t);
            text.map(read)
                .transpose()
                .map_err(|e| Error::BadRequest(format!("`{name}` is {e}")))
        };
        Ok(Self {
            size,
            backward,
            after: cursor(after, "after")?,
            before: cursor(before, "before")?,
            counted: false,
        })
    }

    /// Counts all that match, if so.
    #[must_use]
    pub fn counting(self, counted: bool) -> Self {
        Self { counted, ..self }
    }

    /// How many rows a store asks for: one more than the page, to know whether there are others.
    pub fn limit(&self) -> u64 {
        self.size + 1
    }

    /// Turns up to `limit()` rows, in the order of the query (reversed for `last`), into a page.
    pub fn page<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let more = rows.len() as u64 > self.size;
        rows.truncate(self.size as usize);
        if self.backward {
            rows.reverse();
            Page {
                rows,
                has_previous: more,
                has_next: self.before.is_some(),
            }
        } else {
            Page {
                rows,
                has_previous: self.after.is_some(),
                has_next: more,
            }
        }
    }
}

/// One page of rows, in display order.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub rows: Vec<T>,
    pub has_previous: bool,
    pub has_next: bool,
}

/// Fields of a connection beside edges, nodes and pageInfo.
#[derive(Debug, SimpleObject)]
pub struct Total {
    /// How many nodes match, on all pages.
    pub total_count: i32,
}

/// A Relay connection of our kind.
pub type ConnectionOf<N> = Connection<Cursor, N, Total, EmptyFields>;

impl<T> Page<T> {
    /// `node` converts a row, `cursor` gives its position.
    pub fn connection<N: OutputType>(
        self,
        total: u64,
        cursor: impl Fn(&T) -> Cursor,
        node: impl Fn(T) -> N,
    ) -> ConnectionOf<N> {
        let total_count = i32::try_from(total).unwrap_or(i32::MAX);
        let mut out =
            Connection::with_additional_fields(self.has_previous, self.has_next, Total { total_count });
        out.edges.extend(
            self.rows
                .into_iter()
                .map(|row| Edge::new(cursor(&row), node(row))),
        );
        out
    }
}
