//! Bytes as hexadecimal digits, and back. It must not know what they are.

use std::fmt::Write as _;

pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// None: these are not as many bytes, or no digits.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; N];
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_they_are_written() {
        assert_eq!(hex(&[0, 1, 0xAB]), "0001ab");
        assert_eq!(unhex("0001AB"), Some([0, 1, 0xAB]));
        for bad in ["", "0001", "0001abcd", "0001a+", "00é0b"] {
            assert_eq!(unhex::<3>(bad), None, "{bad:?}");
        }
    }
}
