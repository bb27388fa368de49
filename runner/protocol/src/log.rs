//! Log blocks: numbered, time-stamped lines in one compact form for the wire and for storage.
//!
//! Layout after the magic byte: varint first_seq, varint count, i64 base time (µs since the Unix epoch,
//! little endian), then per line: zig-zag varint µs since the previous line, stream byte, varint length,
//! UTF-8 bytes.

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    Stdout = 0,
    Stderr = 1,
    /// Written by the runner itself: truncation records and notices.
    System = 2,
}

/// One line, without its newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub seq: u64,
    pub at_us: i64,
    pub stream: Stream,
    pub text: String,
}

/// Consecutive lines: `lines[i].seq == first_seq + i`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBlock {
    pub lines: Vec<Line>,
}

/// Why bytes are not a log block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    #[error("log block is cut short")]
    Short,
    #[error("log block has an unknown form")]
    Unknown,
    #[error("log block holds text that is not UTF-8")]
    Utf8,
    #[error("log block's lines are not consecutive")]
    Sequence,
}

const MAGIC: u8 = 0xB1;

fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn take_varint(input: &mut &[u8]) -> Result<u64, BlockError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(BlockError::Short)?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(BlockError::Unknown)
}

impl LogBlock {
    pub fn first_seq(&self) -> u64 {
        self.lines.first().map_or(0, |l| l.seq)
    }

    pub fn last_seq(&self) -> u64 {
        self.lines.last().map_or(0, |l| l.seq)
    }

    pub fn encode(&self) -> Vec<u8> {
        let size: usize = self.lines.iter().map(|l| l.text.len() + 8).sum();
        let mut out = Vec::with_capacity(size + 24);
        out.push(MAGIC);
        put_varint(&mut out, self.first_seq());
        put_varint(&mut out, self.lines.len() as u64);
        let mut at = self.lines.first().map_or(0, |l| l.at_us);
        out.extend_from_slice(&at.to_le_bytes());
        for line in &self.lines {
            let delta = line.at_us.wrapping_sub(at);
            at = line.at_us;
            put_varint(&mut out, ((delta << 1) ^ (delta >> 63)) as u64);
            out.push(line.stream as u8);
            put_varint(&mut out, line.text.len() as u64);
            out.extend_from_slice(line.text.as_bytes());
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        let (&magic, mut rest) = bytes.split_first().ok_or(BlockError::Short)?;
        if magic != MAGIC {
            return Err(BlockError::Unknown);
        }
        let input = &mut rest;
        let first = take_varint(input)?;
        let count = take_varint(input)?;
        let (base, tail) = input.split_first_chunk::<8>().ok_or(BlockError::Short)?;
        *input = tail;
        let mut at = i64::from_le_bytes(*base);
        // Every line takes at least three bytes: a damaged count can't ask for unbounded memory.
        if count > (input.len() as u64) / 3 || first.checked_add(count).is_none() {
            return Err(BlockError::Short);
        }
        let mut lines = Vec::with_capacity(count as usize);
        for i in 0..count {
            let z = take_varint(input)?;
            at = at.wrapping_add(((z >> 1) as i64) ^ -((z & 1) as i64));
            let (&stream, tail) = input.split_first().ok_or(BlockError::Short)?;
            *input = tail;
            let stream = match stream {
                0 => Stream::Stdout,
                1 => Stream::Stderr,
                2 => Stream::System,
                _ => return Err(BlockError::Unknown),
            };
            let len = take_varint(input)?;
            let (text, tail) = input
                .split_at_checked(usize::try_from(len).map_err(|_| BlockError::Short)?)
                .ok_or(BlockError::Short)?;
            *input = tail;
            let text = std::str::from_utf8(text)
                .map_err(|_| BlockError::Utf8)?
                .to_owned();
            lines.push(Line {
                seq: first + i,
                at_us: at,
                stream,
                text,
            });
        }
        if input.is_empty() {
            Ok(Self { lines })
        } else {
            Err(BlockError::Unknown)
        }
    }
}
