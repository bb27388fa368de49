//! Masks secret values in what user code says. A value is learnt before user code hears of it, so nothing of it can be
//! on its way already. Knows neither pipes nor calls.

pub mod forms;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// What stands for a secret.
pub const MASK: &str = "***";
/// Longer forms are found by their beginning, and compared: so a long secret costs no more memory than a short one.
pub const ANCHOR: usize = 24;
/// Forms of all secrets of one run. An automaton for them has some megabytes.
const MOST_FORMS: usize = 20_000;

/// There are too many secrets to mask all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this run knows too many secrets: no more can be masked")]
pub struct TooMany;

/// All secrets of the run; shared by everything that user code speaks through.
#[derive(Debug, Default)]
pub struct Masks {
    /// How often something was learnt: readers look here, and at nothing else while it stays the same.
    version: AtomicU64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    forms: BTreeSet<Vec<u8>>,
    masker: Option<Arc<Masker>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Known({} forms)", self.forms.len())
    }
}

impl Masks {
    /// From now on these values are masked.
    pub fn learn<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> Result<(), TooMany> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let values: Vec<&str> = values.into_iter().collect();
        let before = known.forms.len();
        let news: BTreeSet<Vec<u8>> = values.iter().copied().flat_map(forms::of).collect();
        if news.difference(&known.forms).count() + before > MOST_FORMS {
            return Err(TooMany);
        }
        known.forms.extend(news);
        // Of these as many as there is room for: they take none from what must be known.
        for value in values {
            let pieces = forms::pieces(value);
            if known.forms.len() + pieces.len() <= MOST_FORMS / 2 {
                known.forms.extend(pieces);
            }
        }
        if known.forms.len() == before {
            return Ok(());
        }
        known.masker = Some(Arc::new(Masker::new(known.forms.iter().cloned().collect())?));
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// None: there are no secrets.
    pub fn masker(&self) -> Option<Arc<Masker>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.masker.clone()
    }

    /// A text without its secrets.
    pub fn text(&self, text: String) -> String {
        let masked = self
            .masker()
            .and_then(|masker| masker.mask(text.as_bytes(), text.len()));
        masked.map_or(text, |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A JSON text stays JSON, or is refused: a secret outside of a string becomes a string.
    pub fn json(&self, text: String) -> Result<String, String> {
        let Some(masker) = self.masker() else {
            return Ok(text);
        };
        let ranges = masker.ranges(text.as_bytes());
        if ranges.is_empty() {
            return Ok(text);
        }
        let (mut out, mut at, mut string) = (Vec::with_capacity(text.len()), 0, Quotes::default());
        for (start, end) in ranges {
            string.pass(&text.as_bytes()[at..start]);
            out.extend_from_slice(&text.as_bytes()[at..start]);
            out.extend_from_slice(if string.inside { b"***" } else { b"\"***\"" });
            string.pass(&text.as_bytes()[start..end]);
            at = end;
        }
        out.extend_from_slice(&text.as_bytes()[at..]);
        let masked = String::from_utf8(out).ok();
        masked
            .filter(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
            .ok_or_else(|| "the output holds a secret that can't be masked where it stands".to_owned())
    }
}

/// Whether a place in a JSON text is inside of a string.
#[derive(Default)]
struct Quotes {
    inside: bool,
    escaped: bool,
}

impl Quotes {
    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.escaped {
                self.escaped = false;
            } else if *byte == b'\\' {
                self.escaped = self.inside;
            } else if *byte == b'"' {
                self.inside = !self.inside;
            }
        }
    }
}

/// Finds all forms of all secrets.
pub struct Masker {
    beginnings: AhoCorasick,
    forms: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} forms)", self.forms.len())
    }
}

impl Masker {
    fn new(forms: Vec<Vec<u8>>) -> Result<Self, TooMany> {
        let beginnings = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .prefilter(false)
            .build(forms.iter().map(|form| &form[..form.len().min(ANCHOR)]))
            .map_err(|_| TooMany)?;
        Ok(Self { beginnings, forms })
    }

    /// The bytes up to `limit` without secrets; None: there are none. One that begins before the limit is found when
    /// [`ANCHOR`] bytes of it are there.
    pub fn mask(&self, bytes: &[u8], limit: usize) -> Option<Vec<u8>> {
        let ranges = self.ranges(bytes);
        let limit = limit.min(bytes.len());
        let (mut out, mut at) = (Vec::new(), 0);
        for (start, end) in ranges.into_iter().take_while(|(start, _)| *start < limit) {
            out.extend_from_slice(&bytes[at..start]);
            out.extend_from_slice(MASK.as_bytes());
            at = end;
        }
        if at == 0 {
            return None;
        }
        out.extend_from_slice(&bytes[at.min(limit)..limit]);
        Some(out)
    }

    /// Where secrets are: in order, apart from each other. Those that overlap are one.
    fn ranges(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for hit in self.beginnings.find_overlapping_iter(bytes) {
            let (start, form) = (hit.start(), &self.forms[hit.pattern().as_usize()]);
            let there = &bytes[start..];
            // At the end of what there is, a beginning counts: the rest was cut off.
            if there.starts_with(form) || form.starts_with(there) {
                found.push((start, bytes.len().min(start + form.len())));
            }
        }
        found.sort_unstable();
        let mut apart: Vec<(usize, usize)> = Vec::with_capacity(found.len());
        for (start, end) in found {
            match apart.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => apart.push((start, end)),
            }
        }
        apart
    }
}
