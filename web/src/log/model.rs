//! Holds a log of up to millions of lines, of one source or of several that write at the same time: appends in order of
//! each one's sequence, filters by stream, and finds a line by its number. Text lives in chunks, so that a line costs a
//! few bytes and no allocation. Knows nothing of drawing or of the network.

use super::ansi;

/// Lines in a full chunk; a line's chunk is its index divided by this.
const CHUNK: usize = 1024;

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    Stdout,
    Stderr,
    System,
}

impl Stream {
    /// The name that the API and the style sheet use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "STDOUT",
            Self::Stderr => "STDERR",
            Self::System => "SYSTEM",
        }
    }
}

/// A line as it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who wrote it: a number from 0 that the caller gives.
    pub source: u16,
    /// Place among all lines of its source, from 1; it is also the line's number on the page.
    pub seq: i64,
    /// Milliseconds since 1970, UTC.
    pub at: i64,
    pub stream: Stream,
    pub text: String,
}

/// A line as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineRef<'a> {
    pub source: u16,
    pub seq: i64,
    pub at: i64,
    pub stream: Stream,
    pub text: &'a str,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    seq: i64,
    at: i64,
    end: u32,
    source: u16,
    stream: Stream,
}

#[derive(Debug, Default)]
struct Chunk {
    text: String,
    entries: Vec<Entry>,
}

/// What an append did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Appended {
    /// Lines that were new.
    pub added: usize,
    /// Lines that are missing between what was held and what came.
    pub missing: i64,
}

/// A log in memory.
#[derive(Debug, Default)]
pub struct Log {
    chunks: Vec<Chunk>,
    len: usize,
    /// The last sequence of each source.
    lasts: Vec<i64>,
    errors: usize,
    missing: i64,
    filter: Option<Stream>,
    /// Indices of the lines that pass the filter; unused while there is none.
    shown: Vec<u32>,
    last_at: Option<i64>,
}

impl Log {
    /// Adds lines that come after those held of their source. Lines already held are passed over, so a batch may be
    /// sent again after a lost connection.
    pub fn append(&mut self, lines: impl IntoIterator<Item = Line>) -> Appended {
        let mut done = Appended::default();
        for line in lines {
            let source = usize::from(line.source);
            if source >= self.lasts.len() {
                self.lasts.resize(source + 1, 0);
            }
            let last = self.lasts[source];
            if line.seq <= last {
                continue;
            }
            done.missing += line.seq - last - 1;
            done.added += 1;
            self.lasts[source] = line.seq;
            self.push(line);
        }
        self.missing += done.missing;
        done
    }

    fn push(&mut self, line: Line) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Chunk::default());
        }
        let Some(chunk) = self.chunks.last_mut() else {
            return;
        };
        chunk.text.push_str(&line.text);
        let end = u32::try_from(chunk.text.len()).unwrap_or(u32::MAX);
        chunk.entries.push(Entry {
            seq: line.seq,
            at: line.at,
            end,
            source: line.source,
            stream: line.stream,
        });
        if self.filter == Some(line.stream) {
            self.shown.push(u32::try_from(self.len).unwrap_or(u32::MAX));
        }
        self.errors += usize::from(line.stream == Stream::Stderr);
        self.last_at = Some(line.at);
        self.len += 1;
    }

    /// All lines held, shown or not.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Lines of the error stream.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Lines that never came, in all.
    pub fn missing(&self) -> i64 {
        self.missing
    }

    /// When the last line was written, in milliseconds since 1970.
    pub fn last_at(&self) -> Option<i64> {
        self.last_at
    }

    /// The highest sequence held, from which a lost connection goes on where there is one source; 0 for an empty log.
    pub fn last_seq(&self) -> i64 {
        self.lasts.iter().copied().max().unwrap_or(0)
    }

    /// A line by its index among all lines.
    pub fn line(&self, index: usize) -> Option<LineRef<'_>> {
        let chunk = self.chunks.get(index / CHUNK)?;
        let within = index % CHUNK;
        let entry = chunk.entries.get(within)?;
        let start = if within == 0 {
            0
        } else {
            chunk.entries.get(within - 1)?.end
        };
        let text = chunk.text.get(start as usize..entry.end as usize)?;
        Some(LineRef {
            source: entry.source,
            seq: entry.seq,
            at: entry.at,
            stream: entry.stream,
            text,
        })
    }

    /// The index of the line with this number, or of the first one after it. Only where there is one source.
    pub fn index_of(&self, seq: i64) -> Option<usize> {
        let chunk = self
            .chunks
            .partition_point(|c| c.entries.last().is_some_and(|e| e.seq < seq));
        let entries = &self.chunks.get(chunk)?.entries;
        Some(chunk * CHUNK + entries.partition_point(|e| e.seq < seq))
    }

    /// Shows only one stream, or all with `None`.
    pub fn set_filter(&mut self, filter: Option<Stream>) {
        if self.filter == filter {
            return;
        }
        self.filter = filter;
        self.shown.clear();
        if let Some(stream) = filter {
            let entries = self.chunks.iter().flat_map(|c| &c.entries).enumerate();
            self.shown = entries
                .filter(|(_, e)| e.stream == stream)
                .filter_map(|(i, _)| u32::try_from(i).ok())
                .collect();
        }
    }

    pub fn filter(&self) -> Option<Stream> {
        self.filter
    }

    /// Rows on the page.
    pub fn rows(&self) -> usize {
        if self.filter.is_some() {
            self.shown.len()
        } else {
            self.len
        }
    }

    /// The line that a row shows.
    pub fn row(&self, row: usize) -> Option<LineRef<'_>> {
        let index = if self.filter.is_some() {
            *self.shown.get(row)? as usize
        } else {
            row
        };
        self.line(index)
    }

    /// The row of the line with this number, or of the next one shown. Only where there is one source.
    pub fn row_of(&self, seq: i64) -> Option<usize> {
        let index = self.index_of(seq)?;
        if self.filter.is_none() {
            return Some(index);
        }
        let row = self.shown.partition_point(|i| (*i as usize) < index);
        (row < self.shown.len()).then_some(row)
    }

    /// Columns that a row takes, counting a tab as four: what a wrapped row's height is guessed from.
    pub fn columns(&self, row: usize) -> usize {
        self.row(row).map_or(0, |line| {
            if ansi::is_plain(line.text) {
                line.text.len() + 3 * line.text.bytes().filter(|b| *b == b'\t').count()
            } else {
                ansi::strip(line.text)
                    .chars()
                    .map(|c| if c == '\t' { 4 } else { 1 })
                    .sum()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: i64, stream: Stream, text: &str) -> Line {
        Line {
            source: 0,
            seq,
            at: seq * 10,
            stream,
            text: text.to_owned(),
        }
    }

    fn out(seq: i64) -> Line {
        line(seq, Stream::Stdout, &format!("line {seq}"))
    }

    #[test]
    fn lines_come_back_as_they_were_given() {
        let mut log = Log::default();
        assert_eq!(
            log.append((1..=3000).map(out)),
            Appended {
                added: 3000,
                missing: 0
            }
        );
        assert_eq!(log.line(0).map(|l| l.text), Some("line 1"));
        assert_eq!(log.line(1023).map(|l| l.text), Some("line 1024"));
        assert_eq!(log.line(1024).map(|l| l.text), Some("line 1025"));
        assert_eq!(log.line(2999).map(|l| l.seq), Some(3000));
        assert_eq!(log.line(3000), None);
        assert_eq!((log.last_seq(), log.last_at()), (3000, Some(30_000)));
    }

    #[test]
    fn a_batch_sent_twice_is_kept_once() {
        let mut log = Log::default();
        log.append((1..=10).map(out));
        assert_eq!(log.append((5..=12).map(out)), Appended { added: 2, missing: 0 });
        assert_eq!((log.len(), log.last_seq()), (12, 12));
        assert_eq!(log.append((1..=12).map(out)), Appended::default());
    }

    #[test]
    fn missing_lines_are_counted() {
        let mut log = Log::default();
        log.append((1..=2).map(out));
        assert_eq!(log.append([out(5), out(9)]), Appended { added: 2, missing: 5 });
        assert_eq!(log.missing(), 5);
        assert_eq!(log.index_of(5), Some(2));
        assert_eq!(log.index_of(6), Some(3));
        assert_eq!(log.index_of(9), Some(3));
    }

    #[test]
    fn lines_of_several_sources_stand_as_they_came_each_once() {
        let of = |source: u16, seq: i64| Line { source, ..out(seq) };
        let mut log = Log::default();
        log.append([of(1, 1), of(0, 1), of(0, 2), of(1, 2)]);
        // Each source goes on by itself, also one that is new.
        let again = [of(0, 2), of(2, 1), of(1, 2), of(0, 3), of(1, 5)];
        assert_eq!(log.append(again), Appended { added: 3, missing: 2 });
        let held: Vec<(u16, i64)> = (0..log.rows())
            .filter_map(|row| log.row(row))
            .map(|line| (line.source, line.seq))
            .collect();
        assert_eq!(held, [(1, 1), (0, 1), (0, 2), (1, 2), (2, 1), (0, 3), (1, 5)]);
        assert_eq!((log.last_seq(), log.missing()), (5, 2));
    }

    #[test]
    fn a_line_is_found_by_its_number() {
        let mut log = Log::default();
        assert_eq!(log.index_of(1), None);
        log.append((1..=2048).map(out));
        for seq in [1, 2, 1024, 1025, 2047, 2048] {
            assert_eq!(log.index_of(seq), Some(seq as usize - 1), "line {seq}");
        }
        assert_eq!(log.index_of(2049), None);
        assert_eq!(log.index_of(0), Some(0));
    }

    #[test]
    fn a_filter_holds_for_lines_that_come_later() {
        let mut log = Log::default();
        let stream = |n: i64| {
            if n % 3 == 0 {
                Stream::Stderr
            } else {
                Stream::Stdout
            }
        };
        log.append((1..=9).map(|n| line(n, stream(n), "x")));
        log.set_filter(Some(Stream::Stderr));
        assert_eq!((log.rows(), log.len(), log.errors()), (3, 9, 3));
        log.append((10..=12).map(|n| line(n, stream(n), "x")));
        assert_eq!(log.rows(), 4);
        assert_eq!(log.row(3).map(|l| l.seq), Some(12));
        assert_eq!(log.row_of(6), Some(1));
        assert_eq!(log.row_of(7), Some(2));
        assert_eq!(log.row_of(13), None);
        log.set_filter(None);
        assert_eq!(log.rows(), 12);
    }

    #[test]
    fn empty_lines_and_wide_text_keep_their_bounds() {
        let mut log = Log::default();
        log.append([
            line(1, Stream::Stdout, ""),
            line(2, Stream::System, "é\tñ"),
            line(3, Stream::Stdout, ""),
            line(4, Stream::Stdout, "\u{1b}[31mred\u{1b}[0m"),
        ]);
        assert_eq!(log.line(0).map(|l| l.text), Some(""));
        assert_eq!(log.line(1).map(|l| l.text), Some("é\tñ"));
        assert_eq!(log.line(2).map(|l| l.text), Some(""));
        assert_eq!((log.columns(1), log.columns(3)), (6, 3));
    }

    #[test]
    fn a_million_lines_are_held() {
        let mut log = Log::default();
        log.append((1..=1_000_000).map(|n| line(n, Stream::Stdout, "0123456789")));
        assert_eq!(log.rows(), 1_000_000);
        assert_eq!(log.row_of(777_777), Some(777_776));
        assert_eq!(log.row(999_999).map(|l| l.text), Some("0123456789"));
    }
}
