//! Cuts bytes into characters of UTF-8, as the Encoding Standard reads it (WHATWG, "UTF-8 decoder"). It must not know
//! what they mean.

/// What stands for bytes that are no character: U+FFFD.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Ascii(u8),
    /// A control of eight bits, U+0080 to U+009F, by its number. As a byte of its own it is no character: a terminal
    /// that reads UTF-8 knows it in this form only.
    Eight(u8),
    /// Any other character: its bytes, and how many.
    Character([u8; 4], usize),
    /// Bytes that are none.
    Wrong,
}

impl Unit {
    /// Of a character, or what stands for one that is none.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Ascii(byte) | Self::Eight(byte) => std::slice::from_ref(byte),
            Self::Character(bytes, length) => &bytes[..*length],
            Self::Wrong => REPLACEMENT,
        }
    }
}

/// The beginning of a character whose end has not come yet.
#[derive(Debug, Default)]
pub struct Characters {
    bytes: [u8; 4],
    length: usize,
    /// Bytes that it has when it is whole.
    whole: usize,
}

impl Characters {
    /// Nothing of a character waits for its end.
    pub fn is_between(&self) -> bool {
        self.length == 0
    }

    /// What is known with the next byte: that what was begun is none, and what the byte itself is.
    pub fn take(&mut self, byte: u8) -> [Option<Unit>; 2] {
        if self.is_between() {
            return [self.begin(byte), None];
        }
        if !self.follows(byte) {
            self.length = 0;
            return [Some(Unit::Wrong), self.begin(byte)];
        }
        self.bytes[self.length] = byte;
        self.length += 1;
        if self.length < self.whole {
            return [None, None];
        }
        self.length = 0;
        let unit = match (self.bytes[0], self.bytes[1]) {
            (0xc2, second @ 0x80..=0x9f) => Unit::Eight(second),
            _ => Unit::Character(self.bytes, self.whole),
        };
        [Some(unit), None]
    }

    /// Nothing more comes.
    pub fn end(&mut self) -> Option<Unit> {
        let is_broken = !self.is_between();
        self.length = 0;
        is_broken.then_some(Unit::Wrong)
    }

    fn begin(&mut self, byte: u8) -> Option<Unit> {
        self.whole = match byte {
            0..=0x7f => return Some(Unit::Ascii(byte)),
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            // A byte that nothing begins with.
            _ => return Some(Unit::Wrong),
        };
        self.bytes = [byte, 0, 0, 0];
        self.length = 1;
        None
    }

    /// Not where the character would have a shorter form, be a half of another, or be past the last one.
    fn follows(&self, byte: u8) -> bool {
        let (least, most) = match (self.length, self.bytes[0]) {
            (1, 0xe0) => (0xa0, 0xbf),
            (1, 0xed) => (0x80, 0x9f),
            (1, 0xf0) => (0x90, 0xbf),
            (1, 0xf4) => (0x80, 0x8f),
            _ => (0x80, 0xbf),
        };
        (least..=most).contains(&byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_become_what_the_standard_makes_of_them() {
        let alphabet = [
            0x00, 0x1b, 0x41, 0x80, 0x9b, 0xa0, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff,
        ];
        for number in 0..alphabet.len().pow(4) {
            let bytes = [1, 14, 196, 2744].map(|unit| alphabet[number / unit % 14]);
            let mut characters = Characters::default();
            let mut found = Vec::new();
            for unit in bytes.iter().flat_map(|byte| characters.take(*byte)).flatten() {
                match unit {
                    Unit::Eight(code) => found.extend_from_slice(&[0xc2, code]),
                    other => found.extend_from_slice(other.bytes()),
                }
            }
            found.extend(characters.end().iter().flat_map(|unit| unit.bytes().to_vec()));
            let meant = String::from_utf8_lossy(&bytes);
            assert_eq!(String::from_utf8_lossy(&found), meant, "{bytes:x?}");
        }
    }
}
