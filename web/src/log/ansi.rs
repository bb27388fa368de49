//! Turns one log line into styled spans: the colours of SGR sequences are kept, every other escape
//! sequence is dropped, and characters that could rearrange or hide text are made visible.
//! Knows nothing of the page: the viewer maps a style to classes.

/// A colour that a log line may ask for. Each has a class in the design's style sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Colour {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    /// Faint text, and bright black.
    Dim,
}

/// How a span looks. The default is plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Style {
    pub colour: Option<Colour>,
    pub bold: bool,
}

impl Style {
    /// The classes of the style sheet, or an empty string for plain text.
    pub fn class(self) -> &'static str {
        match (self.colour, self.bold) {
            (None, false) => "",
            (None, true) => "a-bold",
            (Some(Colour::Red), false) => "a-r",
            (Some(Colour::Red), true) => "a-r a-bold",
            (Some(Colour::Green), false) => "a-g",
            (Some(Colour::Green), true) => "a-g a-bold",
            (Some(Colour::Yellow), false) => "a-y",
            (Some(Colour::Yellow), true) => "a-y a-bold",
            (Some(Colour::Blue), false) => "a-b",
            (Some(Colour::Blue), true) => "a-b a-bold",
            (Some(Colour::Magenta), false) => "a-m",
            (Some(Colour::Magenta), true) => "a-m a-bold",
            (Some(Colour::Cyan), false) => "a-c",
            (Some(Colour::Cyan), true) => "a-c a-bold",
            (Some(Colour::Dim), false) => "a-d",
            (Some(Colour::Dim), true) => "a-d a-bold",
        }
    }
}

/// A run of text with one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub text: String,
    pub style: Style,
}

/// What stands for a character that is not shown as it is.
const NEUTRAL: char = '\u{FFFD}';

/// True when the line has nothing to interpret, so that its text is its visible text.
pub fn is_plain(line: &str) -> bool {
    line.bytes().all(|b| (0x20..0x7f).contains(&b) || b == b'\t')
}

/// The visible text of a line, without its styles.
pub fn strip(line: &str) -> String {
    parse(line).into_iter().map(|span| span.text).collect()
}

/// Parses one line. Every line starts in plain style, so that any window of lines can be drawn alone.
pub fn parse(line: &str) -> Vec<Span> {
    let mut out = Output::default();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => match chars.next() {
                Some('[') => control_sequence(&mut chars, &mut out.style),
                Some(']' | 'P' | 'X' | '^' | '_') => skip_string(&mut chars),
                // An escape with intermediate bytes, such as a character set choice: one final byte follows.
                Some(' '..='/') => {
                    while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
                    chars.next();
                }
                _ => {}
            },
            '\u{9b}' => control_sequence(&mut chars, &mut out.style),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut chars),
            '\r' => {
                // A return at the end is a foreign line ending; elsewhere it is shown, not obeyed.
                if chars.peek().is_some() {
                    out.push('\u{240d}');
                }
            }
            '\t' => out.push('\t'),
            c if reorders(c) => out.push(NEUTRAL),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.finish()
}

/// Characters that change the order of other characters or break the line.
fn reorders(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[derive(Default)]
struct Output {
    spans: Vec<Span>,
    text: String,
    text_style: Style,
    style: Style,
}

impl Output {
    fn push(&mut self, c: char) {
        if self.text_style != self.style {
            self.flush();
            self.text_style = self.style;
        }
        self.text.push(c);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.spans.push(Span {
                text: std::mem::take(&mut self.text),
                style: self.text_style,
            });
        }
    }

    fn finish(mut self) -> Vec<Span> {
        self.flush();
        self.spans
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// Skips an operating system command or another string up to BEL or ST; unfinished, to the end of the line.
fn skip_string(chars: &mut Chars<'_>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{7}' | '\u{9c}' => return,
            '\u{1b}' => {
                chars.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

/// Reads a control sequence; only `m` without a private prefix or intermediate bytes has an effect.
fn control_sequence(chars: &mut Chars<'_>, style: &mut Style) {
    let mut parameters = String::new();
    let mut intermediate = false;
    while let Some(c) = chars.next_if(|c| (' '..='~').contains(c)) {
        match c {
            '0'..='?' => parameters.push(c),
            ' '..='/' => intermediate = true,
            'm' if !intermediate && parameters.chars().all(|c| matches!(c, '0'..='9' | ';' | ':')) => {
                select_graphics(&parameters, style);
                return;
            }
            _ => return,
        }
    }
}

fn select_graphics(parameters: &str, style: &mut Style) {
    let mut fields = parameters.split(';');
    while let Some(field) = fields.next() {
        if let Some((head, rest)) = field.split_once(':') {
            // The colon form keeps its arguments to itself.
            let rest: Vec<u32> = rest.split(':').map(number).collect();
            if head == "38" {
                set_extended(&rest, style);
            }
            continue;
        }
        match number(field) {
            0 => *style = Style::default(),
            1 => style.bold = true,
            2 => style.colour = Some(Colour::Dim),
            22 => {
                style.bold = false;
                if style.colour == Some(Colour::Dim) {
                    style.colour = None;
                }
            }
            code @ 30..=37 => style.colour = base(code - 30),
            39 => style.colour = None,
            code @ 90..=97 => bright(code - 90, style),
            code @ (38 | 48 | 58) => {
                let kind = fields.next().map_or(0, number);
                let count = match kind {
                    5 => 1,
                    2 => 3,
                    _ => 0,
                };
                let mut arguments = vec![kind];
                arguments.extend(fields.by_ref().take(count).map(number));
                if code == 38 {
                    set_extended(&arguments, style);
                }
            }
            _ => {}
        }
    }
}

/// A parameter; an empty one is zero, one too large is a number that means nothing.
fn number(text: &str) -> u32 {
    if text.is_empty() {
        0
    } else {
        text.parse().unwrap_or(u32::MAX)
    }
}

/// The base colours. Black and white are the text colour, which suits either theme.
fn base(index: u32) -> Option<Colour> {
    match index {
        1 => Some(Colour::Red),
        2 => Some(Colour::Green),
        3 => Some(Colour::Yellow),
        4 => Some(Colour::Blue),
        5 => Some(Colour::Magenta),
        6 => Some(Colour::Cyan),
        _ => None,
    }
}

fn bright(index: u32, style: &mut Style) {
    if index == 0 {
        style.colour = Some(Colour::Dim);
    } else {
        style.colour = base(index);
        style.bold = true;
    }
}

/// Arguments after 38: `5;n` or `2;r;g;b`; the colon form may have an empty colour space before the red.
fn set_extended(arguments: &[u32], style: &mut Style) {
    match arguments {
        [5, n @ 0..=7] => style.colour = base(*n),
        [5, n @ 8..=15] => bright(n - 8, style),
        [5, n @ 16..=231] => {
            let level = |v: u32| if v == 0 { 0 } else { 55 + 40 * v };
            let n = n - 16;
            style.colour = nearest(level(n / 36), level(n / 6 % 6), level(n % 6));
        }
        [5, n @ 232..=255] => {
            let grey = 8 + 10 * (n - 232);
            style.colour = nearest(grey, grey, grey);
        }
        [2, r, g, b] | [2, _, r, g, b] => style.colour = nearest(*r, *g, *b),
        _ => {}
    }
}

/// The base colour with the nearest hue; greys are dim in the middle and plain at the ends.
fn nearest(r: u32, g: u32, b: u32) -> Option<Colour> {
    let (r, g, b) = (r.min(255), g.min(255), b.min(255));
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    if high - low < 40 {
        return (70..=180).contains(&high).then_some(Colour::Dim);
    }
    // Which channels stand above the middle says which of the six hues it is.
    let middle = u32::midpoint(high, low);
    match (r > middle, g > middle, b > middle) {
        (true, false, false) => Some(Colour::Red),
        (false, true, false) => Some(Colour::Green),
        (true, true, false) => Some(Colour::Yellow),
        (false, false, true) => Some(Colour::Blue),
        (true, false, true) => Some(Colour::Magenta),
        (false, true, true) => Some(Colour::Cyan),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(line: &str) -> Vec<(String, &'static str)> {
        parse(line)
            .into_iter()
            .map(|s| (s.text, s.style.class()))
            .collect()
    }

    fn one(text: &str, class: &'static str) -> Vec<(String, &'static str)> {
        vec![(text.to_owned(), class)]
    }

    #[test]
    fn plain_text_is_one_span() {
        assert_eq!(spans("hello  world\t!"), one("hello  world\t!", ""));
        assert!(is_plain("hello\tworld"));
        assert!(!is_plain("\u{1b}[31mred") && !is_plain("café"));
        assert!(spans("").is_empty());
    }

    #[test]
    fn colours_and_weight_make_spans() {
        assert_eq!(
            spans("a \u{1b}[31mred \u{1b}[1mbold\u{1b}[0m b"),
            vec![
                ("a ".into(), ""),
                ("red ".into(), "a-r"),
                ("bold".into(), "a-r a-bold"),
                (" b".into(), "")
            ]
        );
        assert_eq!(
            spans("\u{1b}[92mok\u{1b}[m!"),
            vec![("ok".into(), "a-g a-bold"), ("!".into(), "")]
        );
        assert_eq!(
            spans("\u{1b}[2mx\u{1b}[22my"),
            vec![("x".into(), "a-d"), ("y".into(), "")]
        );
        assert_eq!(spans("\u{1b}[37mwhite"), one("white", ""));
        assert_eq!(spans("\u{1b}[90mgrey"), one("grey", "a-d"));
    }

    #[test]
    fn extended_colours_come_down_to_the_six() {
        assert_eq!(spans("\u{1b}[38;5;196mx"), one("x", "a-r"));
        assert_eq!(spans("\u{1b}[38;2;10;200;20mx"), one("x", "a-g"));
        assert_eq!(spans("\u{1b}[38:2::0:200:220mx"), one("x", "a-c"));
        assert_eq!(spans("\u{1b}[38;5;240mx"), one("x", "a-d"));
        // Arguments of a background are not read as colours of their own.
        assert_eq!(spans("\u{1b}[48;5;31mx"), one("x", ""));
        assert_eq!(spans("\u{1b}[48;2;31;32;33;34mx"), one("x", "a-b"));
    }

    #[test]
    fn other_sequences_leave_nothing() {
        assert_eq!(strip("\u{1b}[2J\u{1b}[1;1Hclear"), "clear");
        assert_eq!(strip("\u{1b}[?25lhidden"), "hidden");
        assert_eq!(strip("\u{1b}[>4;1mkeys"), "keys");
        assert_eq!(strip("\u{1b}(Bset"), "set");
        assert_eq!(strip("\u{1b}7save\u{1b}8"), "save");
        assert_eq!(strip("\u{9b}31mc1"), "c1");
        assert_eq!(strip("nul\0bell\u{7}back\u{8}del\u{7f}"), "nulbellbackdel");
    }

    #[test]
    fn operating_system_commands_leave_nothing() {
        assert_eq!(strip("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(
            strip("\u{1b}]8;;https://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\"),
            "link"
        );
        assert_eq!(strip("\u{9d}52;c;aGk=\u{9c}text"), "text");
        assert_eq!(strip("\u{1b}Pq#0\u{1b}\\text"), "text");
        assert_eq!(strip("text\u{1b}]0;never ends"), "text");
    }

    #[test]
    fn broken_sequences_do_not_eat_the_line() {
        assert_eq!(strip("a\u{1b}"), "a");
        assert_eq!(strip("a\u{1b}["), "a");
        assert_eq!(strip("a\u{1b}[31"), "a");
        assert_eq!(strip("a\u{1b}[31é"), "aé");
        assert_eq!(strip("a\u{1b}[99999999999999999999mb"), "ab");
        assert_eq!(strip("a\u{1b}[38;5mb\u{1b}[38mc\u{1b}[38;2;1mz"), "abcz");
        assert_eq!(strip("a\u{1b}[;;;mb"), "ab");
    }

    #[test]
    fn text_that_would_be_reordered_is_marked() {
        assert_eq!(
            strip("a\u{202e}b\u{2066}c\u{2069}d"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d"
        );
        assert_eq!(strip("a\u{200f}\u{61c}\u{2028}b"), "a\u{fffd}\u{fffd}\u{fffd}b");
    }

    #[test]
    fn a_carriage_return_hides_nothing() {
        assert_eq!(strip("rm -rf\rnice\r"), "rm -rf\u{240d}nice");
    }
}
