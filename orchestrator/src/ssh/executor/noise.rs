//! What a login shell says before the program speaks that it was asked for: skipped up to a mark. Pure.

use cronium_protocol::resident::MARK;

/// Most that is listened to.
const MAX_NOISE: usize = 64 << 10;
/// Of that, so much is kept, to tell what stands in the way.
const KEPT: usize = 512;

#[derive(Debug, Default)]
pub struct Noise {
    /// Bytes of the mark that came last.
    zeros: usize,
    length: usize,
    kept: Vec<u8>,
}

impl Noise {
    /// What comes after the mark; None: it has not come yet.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        for (n, byte) in bytes.iter().enumerate() {
            self.zeros = if *byte == 0 { self.zeros + 1 } else { 0 };
            if self.zeros == MARK.len() {
                return bytes.get(n + 1..);
            }
        }
        self.length += bytes.len();
        let room = KEPT.saturating_sub(self.kept.len());
        self.kept.extend(bytes.iter().take(room));
        None
    }

    pub fn is_endless(&self) -> bool {
        self.length > MAX_NOISE
    }

    /// The first of it.
    pub fn first(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_an_end() {
        let mut noise = Noise::default();
        let line = b"This account is not available.\n";
        while !noise.is_endless() {
            assert_eq!(noise.push(line), None);
        }
        assert!(noise.first().starts_with("This account is not available.\nThis"));
        assert_eq!(noise.kept.len(), KEPT);
    }

    #[test]
    fn what_comes_after_the_mark_is_found_however_it_is_cut() {
        let all = [&b"Welcome!\0\0 no end"[..], &MARK, &[0, 7, 0, 8]].concat();
        for size in 1..=all.len() {
            let (mut noise, mut found) = (Noise::default(), None::<Vec<u8>>);
            for piece in all.chunks(size) {
                match &mut found {
                    None => found = noise.push(piece).map(<[u8]>::to_vec),
                    Some(found) => found.extend_from_slice(piece),
                }
            }
            assert_eq!(found, Some(vec![0, 7, 0, 8]), "in pieces of {size}");
        }
        assert_eq!(
            Noise::default().push(&MARK),
            Some(&[][..]),
            "nothing need be before it"
        );
    }
}
