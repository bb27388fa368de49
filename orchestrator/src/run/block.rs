//! Reads the head of an encoded log block, nothing else: lines pass through unread.

/// Sequence of the block's last line; None for bytes that are no block.
pub fn last_seq(block: &[u8]) -> Option<u64> {
    let mut rest = block.get(1..)?;
    let first = varint(&mut rest)?;
    let count = varint(&mut rest)?;
    first.checked_add(count)?.checked_sub(1)
}

fn varint(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use cronium_protocol::log::{Line, LogBlock, Stream};

    use super::*;

    #[test]
    fn the_head_tells_the_last_line() {
        let line = |seq| Line {
            seq,
            at_us: 1,
            stream: Stream::Stdout,
            text: "x".into(),
        };
        let block = LogBlock {
            lines: (300..500).map(line).collect(),
        };
        assert_eq!(last_seq(&block.encode()), Some(499));
        assert_eq!(last_seq(&[]), None);
        assert_eq!(last_seq(&[0xB1, 0x80]), None);
    }
}
