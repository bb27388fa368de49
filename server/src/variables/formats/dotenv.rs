//! `.env` files: `KEY=value` lines, an `export` before them, comments, and values in quotes that may have lines.
//! Parsers from libraries put in `$NAME` from the environment of the process that reads; here that would be the
//! server's, with its keys. So this one is our own, and puts in nothing: a dollar is a dollar.

use super::{Entry, Parsed, Problem};

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    /// Takes what is up to the first character that is none of these.
    fn take(&mut self, of: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| c == '\n' || !of(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn blanks(&mut self) {
        self.take(|c| c != '\n' && c.is_whitespace());
    }

    /// Goes to the next line; gives what was left of this one.
    fn finish_line(&mut self) -> &'a str {
        let left = self.take(|_| true);
        self.next();
        left
    }
}

/// Reads a file. One line may end as Windows' do.
pub fn parse(content: &str) -> Parsed {
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let content = content.replace("\r\n", "\n");
    let mut reader = Reader {
        rest: &content,
        line: 1,
    };
    let mut parsed = Parsed::default();
    while !reader.rest.is_empty() {
        let line = reader.line;
        match entry(&mut reader) {
            Ok(Some(entry)) => parsed.entries.push(entry),
            Ok(None) => {}
            Err(message) => {
                parsed.problems.push(Problem::new(line, message));
                // Where a quote is open, nobody knows where the next value begins.
                if message == OPEN {
                    break;
                }
                if reader.line == line {
                    reader.finish_line();
                }
            }
        }
    }
    parsed
}

const OPEN: &str = "The quote that begins here is not closed.";

/// The next line's entry; None for a blank line or a comment.
fn entry(reader: &mut Reader<'_>) -> Result<Option<Entry>, &'static str> {
    reader.blanks();
    if matches!(reader.peek(), None | Some('\n' | '#')) {
        reader.finish_line();
        return Ok(None);
    }
    let line = reader.line;
    let mut key = name(reader);
    if key == "export" && reader.peek().is_some_and(char::is_whitespace) {
        reader.blanks();
        if reader.peek() != Some('=') {
            key = name(reader);
        }
    }
    reader.blanks();
    if reader.peek() != Some('=') {
        return Err("There is no `=` after the key.");
    }
    reader.next();
    reader.blanks();
    let text = match reader.peek() {
        Some(quote @ ('"' | '\'' | '`')) => {
            reader.next();
            let text = quoted(reader, quote).ok_or(OPEN)?;
            reader.blanks();
            if !matches!(reader.peek(), None | Some('\n' | '#')) {
                reader.finish_line();
                return Err("Something stands after the closing quote.");
            }
            reader.finish_line();
            text
        }
        _ => bare(reader.finish_line()).to_owned(),
    };
    Ok(Some(Entry {
        line,
        key: key.to_owned(),
        text,
        secret: None,
        description: None,
    }))
}

fn name<'a>(reader: &mut Reader<'a>) -> &'a str {
    reader.take(|c| c != '=' && !c.is_whitespace())
}

/// Up to a comment, which begins with ` #`.
fn bare(text: &str) -> &str {
    let comment = text.char_indices().find(|(at, c)| {
        let before = text[..*at].chars().next_back();
        *c == '#' && before.is_none_or(char::is_whitespace)
    });
    text[..comment.map_or(text.len(), |(at, _)| at)].trim()
}

/// Up to the closing quote; None when there is none. Only double quotes know escapes, as in a shell.
fn quoted(reader: &mut Reader<'_>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        match reader.next()? {
            c if c == quote => return Some(text),
            '\\' if quote == '"' => match reader.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                c @ ('"' | '\\' | '$' | '`') => text.push(c),
                // The line goes on.
                '\n' => {}
                other => text.extend(['\\', other]),
            },
            c => text.push(c),
        }
    }
}

/// One variable as a line, or as several when its value has lines.
pub fn write(key: &str, text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:@%+,-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return format!("{key}={text}\n");
    }
    if !text.contains(['\'', '\r']) {
        return format!("{key}='{text}'\n");
    }
    let mut out = format!("{key}=\"");
    for c in text.chars() {
        match c {
            '\r' => out.push_str("\\r"),
            '"' | '\\' | '$' | '`' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out + "\"\n"
}

/// A text as lines of a comment.
pub fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(content: &str) -> Vec<(usize, String, String)> {
        let parsed = parse(content);
        assert_eq!(parsed.problems, [], "{content:?}");
        let all = parsed.entries.into_iter();
        all.map(|entry| (entry.line, entry.key, entry.text)).collect()
    }

    fn one(content: &str) -> String {
        let mut all = read(content);
        assert_eq!(all.len(), 1, "{content:?}");
        all.remove(0).2
    }

    fn problems(content: &str) -> Vec<usize> {
        parse(content)
            .problems
            .into_iter()
            .map(|problem| problem.line)
            .collect()
    }

    #[test]
    fn lines_comments_exports_and_quotes_are_read() {
        let content = "\u{feff}# a comment\r\n\r\nA=1\r\nexport B = two words  # said\n\texport\tC='x # y'\nD=\"\"\nE=\n\
                       F=a#b\nG=\"line 1\nline 2\" # end\nH=after\nexport=yes\nI=`it's \"so\"`\nJ=a=b=c\nK='it\nis'\nL=x\n";
        let expected = [
            (3, "A", "1"),
            (4, "B", "two words"),
            (5, "C", "x # y"),
            (6, "D", ""),
            (7, "E", ""),
            (8, "F", "a#b"),
            (9, "G", "line 1\nline 2"),
            (11, "H", "after"),
            (12, "export", "yes"),
            (13, "I", "it's \"so\""),
            (14, "J", "a=b=c"),
            (15, "K", "it\nis"),
            (17, "L", "x"),
        ];
        let expected = expected.map(|(line, key, text)| (line, key.to_owned(), text.to_owned()));
        assert_eq!(read(content), expected);
    }

    #[test]
    fn only_double_quotes_know_escapes() {
        assert_eq!(
            one(r#"A="a\nb\t\"c\"\\ \$x \`y\` \d""#),
            "a\nb\t\"c\"\\ $x `y` \\d"
        );
        assert_eq!(one("A=\"a\\\nb\""), "ab");
        assert_eq!(one(r"A='a\nb\'"), r"a\nb\");
        assert_eq!(one(r"A=a\nb"), r"a\nb");
    }

    #[test]
    fn nothing_comes_from_the_environment_of_the_process() {
        // Each process has this one.
        assert!(std::env::var_os("PATH").is_some());
        for text in ["$PATH", "${PATH}", "${PATH:-x}", "$(id)", "`id`", "%PATH%"] {
            assert_eq!(one(&format!("A=x{text}")), format!("x{text}"));
            assert_eq!(one(&format!("A=\"{text}\"")), text);
            assert_eq!(one(&format!("A='{text}'")), text);
        }
        assert_eq!(read("B=1\nA=$B")[1].2, "$B");
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        assert_eq!(problems("A=1\nnonsense\nB=2\n= 3\nexport X\n"), [2, 5]);
        assert_eq!(
            problems("A=1\nB='x' y\nC=\"a\nb\"c\nD=1\nE=\"open\nF=2"),
            [2, 3, 6]
        );
        let parsed = parse("A=1\nnonsense\nB=2\n");
        assert_eq!(parsed.entries.len(), 2, "the others are read");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in "\\PC*|[a-z\"'`$\\\\ \\n\\r\\t#=]*", more in "[ -~]*") {
            let content = write("A", &text) + &comment(&more) + &write("B", &more);
            let read = read(&content);
            prop_assert_eq!(&read[0].2, &text);
            prop_assert_eq!(&read[1].2, &more);
        }

        #[test]
        fn no_text_stops_the_reader(content in "\\PC*|([A-C ]|=|\"|'|`|\\\\|#|\\n|\\r|export )*") {
            let parsed = parse(&content);
            prop_assert!(parsed.entries.len() + parsed.problems.len() <= content.lines().count() + 1);
        }
    }
}
