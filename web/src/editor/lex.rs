//! A small lexer of one line of Bash, Python or JavaScript, given the state that the line before left.
//! It colours; it does not judge. Works on any text.

use super::highlight::{Kind, Language, Span, State};

/// The words of a language that have a colour.
struct Words {
    keywords: &'static [&'static str],
    constants: &'static [&'static str],
}

const BASH: Words = Words {
    keywords: &[
        "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "in",
        "function", "select", "time", "return", "break", "continue", "exit", "local", "export", "readonly",
        "declare", "unset", "set", "shift", "trap", "source", "eval", "exec",
    ],
    constants: &["true", "false"],
};

const PYTHON: Words = Words {
    keywords: &[
        "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
        "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal",
        "not", "or", "pass", "raise", "return", "try", "while", "with", "yield", "match", "case",
    ],
    constants: &["None", "True", "False", "self", "cls"],
};

const JAVASCRIPT: Words = Words {
    keywords: &[
        "async",
        "await",
        "break",
        "case",
        "catch",
        "class",
        "const",
        "continue",
        "debugger",
        "default",
        "delete",
        "do",
        "else",
        "export",
        "extends",
        "finally",
        "for",
        "from",
        "function",
        "if",
        "import",
        "in",
        "instanceof",
        "let",
        "new",
        "of",
        "return",
        "static",
        "super",
        "switch",
        "throw",
        "try",
        "typeof",
        "var",
        "void",
        "while",
        "with",
        "yield",
    ],
    constants: &["null", "undefined", "true", "false", "this", "NaN", "Infinity"],
};

fn words(language: Language) -> &'static Words {
    match language {
        Language::Bash => &BASH,
        Language::Python => &PYTHON,
        Language::JavaScript => &JAVASCRIPT,
    }
}

/// Colours one line.
pub fn line(language: Language, text: &str, state: &State) -> (Vec<Span>, State) {
    let mut lexer = Lexer {
        language,
        text,
        at: 0,
        spans: Vec::new(),
        waiting: None,
    };
    let end = lexer.run(state.clone());
    (lexer.spans, end)
}

struct Lexer<'a> {
    language: Language,
    text: &'a str,
    at: usize,
    spans: Vec<Span>,
    /// A here-document that begins on the next line.
    waiting: Option<State>,
}

impl Lexer<'_> {
    fn run(&mut self, state: State) -> State {
        if let State::HereDocument { delimiter, tabs } = &state {
            let text = if *tabs {
                self.text.trim_start_matches('\t')
            } else {
                self.text
            };
            let ends = text == delimiter;
            self.span(
                0,
                self.text.len(),
                if ends { Kind::Keyword } else { Kind::String },
            );
            return if ends { State::Code } else { state };
        }
        let mut state = state;
        // A string or comment from the line before goes first; then code, which may open another.
        loop {
            state = match state {
                State::Code => match self.code() {
                    Some(open) => open,
                    None => return self.waiting.take().unwrap_or(State::Code),
                },
                open => {
                    let begun = self
                        .spans
                        .last()
                        .filter(|s| s.end == self.at && s.kind == Kind::String);
                    let start = begun.map_or(self.at, |s| s.start);
                    if begun.is_some() {
                        self.spans.pop();
                    }
                    if !self.inside(&open) {
                        self.span(start, self.text.len(), open.kind());
                        return open;
                    }
                    self.span(start, self.at, open.kind());
                    State::Code
                }
            };
        }
    }

    fn span(&mut self, start: usize, end: usize, kind: Kind) {
        if start < end {
            self.spans.push(Span { start, end, kind });
        }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Goes to the end of an open string or comment. False when the line ends first.
    fn inside(&mut self, open: &State) -> bool {
        let (close, escapes) = match open {
            State::Until { close, escapes } => (*close, *escapes),
            State::BlockComment => ("*/", false),
            State::Code | State::HereDocument { .. } => return true,
        };
        while let Some(c) = self.peek() {
            if escapes && c == '\\' {
                self.at += 1;
                self.at += self.peek().map_or(0, char::len_utf8);
            } else if self.rest().starts_with(close) {
                self.at += close.len();
                return true;
            } else {
                self.at += c.len_utf8();
            }
        }
        false
    }

    /// Reads code up to the end of the line, or to something that may go beyond it.
    fn code(&mut self) -> Option<State> {
        while let Some(c) = self.peek() {
            let start = self.at;
            if self.comment(start) {
                return None;
            }
            if self.language == Language::JavaScript && self.rest().starts_with("/*") {
                self.at += 2;
                if self.inside(&State::BlockComment) {
                    self.span(start, self.at, Kind::Comment);
                    continue;
                }
                self.span(start, self.text.len(), Kind::Comment);
                return Some(self.left_open(State::BlockComment));
            }
            if let Some(open) = self.quote(start) {
                return Some(open);
            }
            if self.at > start {
                continue;
            }
            match c {
                '$' if self.language == Language::Bash => self.variable(start),
                '<' if self.language == Language::Bash => self.here_document(start),
                c if c.is_ascii_digit() => self.number(start),
                c if c.is_alphabetic() || c == '_' => self.word(start),
                c => self.at += c.len_utf8(),
            }
        }
        None
    }

    /// After a comment that fills the line, the state is all that is left.
    fn left_open(&mut self, state: State) -> State {
        self.at = self.text.len();
        state
    }

    fn comment(&mut self, start: usize) -> bool {
        let opens = match self.language {
            // In Bash a hash inside a word, as in ${#list} or a#b, opens nothing.
            Language::Bash => {
                self.rest().starts_with('#')
                    && self.text[..start]
                        .chars()
                        .next_back()
                        .is_none_or(|c| c.is_whitespace() || ";|&(".contains(c))
            }
            Language::Python => self.rest().starts_with('#'),
            Language::JavaScript => {
                self.rest().starts_with("//") || (start == 0 && self.rest().starts_with("#!"))
            }
        };
        if opens {
            self.span(start, self.text.len(), Kind::Comment);
            self.at = self.text.len();
        }
        opens
    }

    /// A string that begins here: coloured when it ends on this line, given back as a state when it may not.
    fn quote(&mut self, start: usize) -> Option<State> {
        let prefix = if self.language == Language::Python {
            self.python_prefix()
        } else {
            0
        };
        let rest = &self.rest()[prefix..];
        let (open, close, many_lines): (usize, &'static str, bool) = match self.language {
            Language::Python if rest.starts_with("\"\"\"") => (3, "\"\"\"", true),
            Language::Python if rest.starts_with("'''") => (3, "'''", true),
            Language::Bash if rest.starts_with('"') => (1, "\"", true),
            Language::Bash if rest.starts_with('\'') => (1, "'", true),
            Language::JavaScript if rest.starts_with('`') => (1, "`", true),
            _ if rest.starts_with('"') => (1, "\"", false),
            _ if rest.starts_with('\'') => (1, "'", false),
            _ => return None,
        };
        let escapes = !(self.language == Language::Bash && close == "'");
        self.at += prefix + open;
        let state = State::Until { close, escapes };
        if many_lines {
            self.span(start, self.at, Kind::String);
            return Some(state);
        }
        self.inside(&state);
        self.span(start, self.at, Kind::String);
        // A backslash at the end carries a short string on to the next line.
        (!self.ended(start, open + prefix, close) && self.text.ends_with('\\'))
            .then_some(state)
            .map(|s| self.left_open(s))
    }

    fn ended(&self, start: usize, open: usize, close: &str) -> bool {
        self.text
            .get(start + open..self.at)
            .is_some_and(|body| body.ends_with(close))
    }

    /// Length of the letters before a Python string, such as `f` or `rb`.
    fn python_prefix(&self) -> usize {
        let rest = self.rest().as_bytes();
        let letters = rest
            .iter()
            .take(2)
            .take_while(|b| b"rRbBfFuU".contains(b))
            .count();
        (1..=letters)
            .rev()
            .find(|n| matches!(rest.get(*n), Some(b'"' | b'\'')))
            .unwrap_or(0)
    }

    fn variable(&mut self, start: usize) {
        self.at += 1;
        match self.peek() {
            Some('{') => {
                let end = self.rest().find('}').map_or(self.rest().len(), |i| i + 1);
                self.at += end;
            }
            Some(c) if c.is_alphanumeric() || c == '_' => self.name(),
            Some(c) if "@*#?$!-".contains(c) => self.at += 1,
            _ => return,
        }
        self.span(start, self.at, Kind::Constant);
    }

    fn here_document(&mut self, start: usize) {
        if self.rest().starts_with("<<<") || !self.rest().starts_with("<<") {
            self.at += if self.rest().starts_with("<<<") { 3 } else { 1 };
            return;
        }
        self.at += 2;
        let tabs = self.rest().starts_with('-');
        self.at += usize::from(tabs);
        let rest = self.rest().trim_start();
        let quoted = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let delimiter: String = match quoted {
            Some(quote) => rest[1..].chars().take_while(|c| *c != quote).collect(),
            None => rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect(),
        };
        if delimiter.is_empty() {
            return;
        }
        let skipped = self.rest().len() - rest.len();
        let quotes = if quoted.is_some() { 2 } else { 0 };
        self.at = (self.at + skipped + delimiter.len() + quotes).min(self.text.len());
        self.span(start, self.at, Kind::Keyword);
        self.waiting = Some(State::HereDocument { delimiter, tabs });
    }

    fn number(&mut self, start: usize) {
        while let Some(c) = self.peek() {
            let fraction = c == '.' && self.rest()[1..].starts_with(|c: char| c.is_ascii_digit());
            if !(c.is_ascii_alphanumeric() || c == '_' || fraction) {
                break;
            }
            self.at += 1;
        }
        self.span(start, self.at, Kind::Number);
    }

    fn name(&mut self) {
        let name = |c: &char| c.is_alphanumeric() || *c == '_';
        self.at += self
            .rest()
            .chars()
            .take_while(name)
            .map(char::len_utf8)
            .sum::<usize>();
    }

    fn word(&mut self, start: usize) {
        self.name();
        let word = &self.text[start..self.at];
        let before = self.text[..start].trim_end();
        let after = self.rest();
        let bare = self.language != Language::Bash || !self.joined(start);
        let known = words(self.language);
        let kind = if known.keywords.contains(&word) && bare && !before.ends_with('.') {
            Some(Kind::Keyword)
        } else if known.constants.contains(&word) && bare {
            Some(Kind::Constant)
        } else if self.is_function(before, after) {
            Some(Kind::Function)
        } else {
            let upper = word.len() > 1
                && word
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            upper.then_some(Kind::Constant)
        };
        if let Some(kind) = kind {
            self.span(start, self.at, kind);
        }
    }

    /// Part of a longer Bash word, as `in` is in `log-in` or `/in/`.
    fn joined(&self, start: usize) -> bool {
        let part = |c: char| c.is_alphanumeric() || "-./_:@%+=".contains(c);
        self.text[..start].ends_with(part) || self.rest().starts_with(|c| part(c) && c != '=')
    }

    fn is_function(&self, before: &str, after: &str) -> bool {
        match self.language {
            Language::Bash => after.starts_with("()") || before == "function",
            Language::Python | Language::JavaScript => after.starts_with('('),
        }
    }
}
