//! Time-based one-time passwords (RFC 6238: SHA-1, 30 s, six digits, which all authenticator apps know) and
//! recovery codes. Pure.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

/// Seconds of a step.
const STEP: i64 = 30;
/// Steps before and after the present one whose codes are taken: clocks differ.
const DRIFT: i64 = 1;
/// Bytes of a secret: as long as the hash (RFC 4226, section 4).
pub const SECRET: usize = 20;
/// Recovery codes that are made.
pub const RECOVERY_CODES: usize = 10;

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// RFC 4226.
fn hotp(secret: &[u8], counter: u64, digits: u32) -> u32 {
    // A key of any length is good for HMAC.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else {
        return u32::MAX;
    };
    mac.update(&counter.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash[hash.len() - 1] & 0xf);
    let word = [hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]];
    (u32::from_be_bytes(word) & 0x7fff_ffff) % 10_u32.pow(digits)
}

/// The step whose code this is, among those that may be taken now: later than the last one that was.
pub fn step_of(secret: &[u8], code: &str, now: i64, last_step: i64) -> Option<i64> {
    let code = code.trim();
    if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (code, present) = (code.parse::<u32>().ok()?, now.div_euclid(STEP));
    let mut found = None;
    // All of them are looked at, so that the time tells nothing.
    for step in present - DRIFT..=present + DRIFT {
        let matches = hotp(secret, u64::try_from(step).unwrap_or_default(), 6) == code;
        if matches && step > last_step && found.is_none() {
            found = Some(step);
        }
    }
    found
}

/// RFC 4648 without padding, as apps expect it.
pub fn base32(bytes: &[u8]) -> String {
    let (mut out, mut buffer, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(BASE32[(buffer >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        out.push(char::from(BASE32[(buffer << (5 - bits) & 31) as usize]));
    }
    out
}

/// What an app reads from a QR code. Labels hold nothing that would need quoting beyond this.
pub fn url(secret: &[u8], account: &str) -> String {
    let quoted: String = account
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'@' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!(
        "otpauth://totp/Cronium:{quoted}?secret={}&issuer=Cronium",
        base32(secret)
    )
}

/// 80 bits in groups of four.
pub fn recovery_code(bytes: [u8; 10]) -> String {
    let text = base32(&bytes);
    let groups: Vec<_> = text.as_bytes().chunks(4).map(String::from_utf8_lossy).collect();
    groups.join("-")
}

/// A recovery code as it is hashed: people write them in their own way.
pub fn plain(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B.
    const VECTORS: [(i64, u32); 6] = [
        (59, 94_287_082),
        (1_111_111_109, 7_081_804),
        (1_111_111_111, 14_050_471),
        (1_234_567_890, 89_005_924),
        (2_000_000_000, 69_279_037),
        (20_000_000_000, 65_353_130),
    ];
    const KEY: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_standard() {
        for (time, code) in VECTORS {
            assert_eq!(hotp(KEY, (time / STEP) as u64, 8), code);
            let six = format!("{:06}", code % 1_000_000);
            assert_eq!(step_of(KEY, &six, time, 0), Some(time / STEP));
        }
    }

    #[test]
    fn a_code_is_taken_a_step_early_or_late_and_never_twice() {
        let code = format!("{:06}", hotp(KEY, 100, 6));
        for (now, taken) in [
            (98 * 30, false),
            (99 * 30, true),
            (100 * 30, true),
            (101 * 30 + 29, true),
            (102 * 30, false),
        ] {
            assert_eq!(step_of(KEY, &code, now, 0).is_some(), taken, "at {now}");
        }
        assert_eq!(step_of(KEY, &code, 100 * 30, 100), None);
        assert_eq!(step_of(KEY, &code, 100 * 30, 99), Some(100));
        for wrong in ["", "12345", "1234567", "12a456", "-12345"] {
            assert_eq!(step_of(KEY, wrong, 100 * 30, 0), None);
        }
    }

    #[test]
    fn secrets_are_written_as_apps_read_them() {
        // RFC 4648, section 10.
        for (plain, text) in [("f", "MY"), ("fo", "MZXQ"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(base32(plain.as_bytes()), text);
        }
        assert_eq!(
            url(b"foobar", "a b@x.test"),
            "otpauth://totp/Cronium:a%20b@x.test?secret=MZXW6YTBOI&issuer=Cronium"
        );
        let code = recovery_code(*b"0123456789");
        assert_eq!(
            (code.len(), plain(&code.to_lowercase())),
            (19, code.replace('-', ""))
        );
    }
}
