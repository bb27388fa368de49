//! Which e-mail addresses can be written to: those that the program that sends mail takes.

use lettre::Address;
use lettre::message::Mailbox;

use super::naming;

/// The longest that a path in SMTP may be, less its brackets (RFC 5321, 4.5.3.1.3).
const LONGEST: usize = 254;

/// An address alone, as people have it.
pub fn is_address(text: &str) -> bool {
    text.len() <= LONGEST
        && naming::is_plain(text)
        && !text.contains(|c: char| c.is_whitespace() || "<>,;\"".contains(c))
        && text.parse::<Address>().is_ok()
        && text.parse::<Mailbox>().is_ok()
}

/// What mail may come from: an address, with a name or without.
pub fn is_sender(text: &str) -> bool {
    let parsed = text.parse::<Mailbox>();
    naming::is_plain(text)
        && parsed.is_ok_and(|sender| is_address(sender.email.as_ref()))
        && text.chars().count() <= LONGEST + 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_that_mail_reaches() {
        for good in [
            "ada@example.test",
            "ada+cronium@mail.example.test",
            "zoë@exämple.test",
            "a.b@x.test",
        ] {
            assert!(is_address(good), "{good}");
            assert!(
                is_sender(good) && is_sender(&format!("Cronium <{good}>")),
                "{good}"
            );
        }
        let long = format!("{}@x.test", "a".repeat(250));
        for bad in [
            "",
            "ada",
            "@x.test",
            "ada@",
            ".a@x.test",
            "a..b@x.test",
            "a.@x.test",
            "a@b@c.test",
            "a b@x.test",
            "a@x .test",
            "Ada <a@x.test>",
            "a@x.test\r\nBcc: b@x.test",
            "a\u{202e}b@x.test",
            &long,
        ] {
            assert!(!is_address(bad), "{bad:?}");
        }
        for bad in ["Cronium", "Cronium <.a@x.test>", "Cro\r\nnium <a@x.test>"] {
            assert!(!is_sender(bad), "{bad:?}");
        }
    }
}
