//! Keeps the colours of a source text up to date while it is typed: only lines that changed, and
//! those that a changed string or comment reaches, are read again. Knows nothing of the page.

use super::lex;

/// The languages of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    Bash,
    Python,
    JavaScript,
}

/// What a piece of source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Keyword,
    String,
    Number,
    Function,
    Comment,
    /// Constants and variables.
    Constant,
}

impl Kind {
    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Keyword => "k",
            Self::String => "s",
            Self::Number => "n",
            Self::Function => "f",
            Self::Comment => "c",
            Self::Constant => "t",
        }
    }
}

/// A coloured piece of a line, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

/// What a line leaves open for the next one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum State {
    #[default]
    Code,
    /// A string up to `close`.
    Until {
        close: &'static str,
        escapes: bool,
    },
    BlockComment,
    HereDocument {
        delimiter: String,
        /// Leading tabs before the delimiter are of no account.
        tabs: bool,
    },
}

impl State {
    /// The colour of what is open.
    pub fn kind(&self) -> Kind {
        match self {
            Self::BlockComment => Kind::Comment,
            Self::Code | Self::Until { .. } | Self::HereDocument { .. } => Kind::String,
        }
    }
}

/// A line and its colours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    pub spans: Vec<Span>,
    before: State,
    after: State,
}

impl Line {
    /// The line cut into pieces, those without a colour included.
    pub fn pieces(&self) -> Vec<(&str, Option<Kind>)> {
        let mut pieces = Vec::with_capacity(self.spans.len() * 2 + 1);
        let mut at = 0;
        let mut push = |from: usize, to: usize, kind| {
            if let Some(text) = self.text.get(from..to).filter(|t| !t.is_empty()) {
                pieces.push((text, kind));
            }
        };
        for span in &self.spans {
            push(at, span.start, None);
            push(span.start, span.end, Some(span.kind));
            at = span.end;
        }
        push(at, self.text.len(), None);
        pieces
    }
}

/// A source text and its colours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    language: Language,
    lines: Vec<Line>,
}

impl Source {
    pub fn new(language: Language, text: &str) -> Self {
        let mut source = Self {
            language,
            lines: Vec::new(),
        };
        source.update(language, text);
        source
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether a text is another one than this.
    pub fn differs(&self, language: Language, text: &str) -> bool {
        language != self.language
            || !self
                .lines
                .iter()
                .map(|line| line.text.as_str())
                .eq(text.split('\n'))
    }

    /// Takes in a new text. Gives the number of lines that were read again.
    pub fn update(&mut self, language: Language, text: &str) -> usize {
        if language != self.language {
            self.language = language;
            self.lines.clear();
        }
        let texts: Vec<&str> = text.split('\n').collect();
        let same = self
            .lines
            .iter()
            .zip(&texts)
            .take_while(|(line, text)| line.text == **text)
            .count();
        let most = self.lines.len().min(texts.len()) - same;
        let tail = self
            .lines
            .iter()
            .rev()
            .zip(texts.iter().rev())
            .take(most)
            .take_while(|(l, t)| l.text == **t)
            .count();
        let old_tail = self.lines.split_off(self.lines.len() - tail);
        self.lines.truncate(same);
        let mut state = self.lines.last().map_or(State::Code, |line| line.after.clone());
        let mut read = 0;
        for text in &texts[same..texts.len() - tail] {
            let line = self.read(text, state);
            state = line.after.clone();
            self.lines.push(line);
            read += 1;
        }
        for line in old_tail {
            let line = if line.before == state {
                line
            } else {
                read += 1;
                self.read(&line.text, state)
            };
            state = line.after.clone();
            self.lines.push(line);
        }
        read
    }

    fn read(&self, text: &str, before: State) -> Line {
        let (spans, after) = lex::line(self.language, text, &before);
        Line {
            text: text.to_owned(),
            spans,
            before,
            after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The coloured pieces of a text, as `class:text`, line by line.
    fn colours(language: Language, text: &str) -> Vec<String> {
        let piece = |line: &Line| {
            let coloured = line
                .pieces()
                .into_iter()
                .filter_map(|(text, kind)| Some(format!("{}:{text}", kind?.class())));
            coloured.collect::<Vec<_>>().join(" ")
        };
        Source::new(language, text).lines().iter().map(piece).collect()
    }

    #[test]
    fn python_has_its_colours() {
        assert_eq!(
            colours(
                Language::Python,
                "def main(n=200): # note\n    return f\"{n}\" if n is not None else MAX_N"
            ),
            [
                "k:def f:main n:200 c:# note",
                "k:return s:f\"{n}\" k:if k:is k:not t:None k:else t:MAX_N"
            ]
        );
        assert_eq!(
            colours(Language::Python, r#"x = "a # b" + rb'\'' + 1.5e3 + é("")"#),
            [r#"s:"a # b" s:rb'\'' n:1.5e3 f:é s:"""#]
        );
    }

    #[test]
    fn a_triple_string_goes_over_lines() {
        assert_eq!(
            colours(Language::Python, "a = \"\"\"one\nif 'two'\nthree\"\"\" + 1\nif x"),
            ["s:\"\"\"one", "s:if 'two'", "s:three\"\"\" n:1", "k:if"]
        );
        assert_eq!(
            colours(Language::Python, "'''a''' in '''b\n'''\nin"),
            ["s:'''a''' k:in s:'''b", "s:'''", "k:in"]
        );
    }

    #[test]
    fn a_string_left_open_ends_with_its_line() {
        assert_eq!(colours(Language::Python, "x = 'open\nif y"), ["s:'open", "k:if"]);
        assert_eq!(
            colours(Language::JavaScript, "x = 'a\\\nb'; if"),
            ["s:'a\\", "s:b' k:if"]
        );
    }

    #[test]
    fn bash_has_its_colours() {
        assert_eq!(
            colours(
                Language::Bash,
                "for f in \"$HOME\"/*.log; do echo ${#f} $1 log-in # end\ndone"
            ),
            ["k:for k:in s:\"$HOME\" k:do t:${#f} t:$1 c:# end", "k:done"]
        );
        assert_eq!(
            colours(Language::Bash, "run() { local n=3; }"),
            ["f:run k:local n:3"]
        );
        assert_eq!(
            colours(Language::Bash, "echo 'it\\' # no\nx='a\nif b' fi"),
            ["s:'it\\' c:# no", "s:'a", "s:if b' k:fi"]
        );
        assert_eq!(colours(Language::Bash, "a=b#c; echo a$"), [""]);
    }

    #[test]
    fn a_here_document_ends_at_its_word() {
        assert_eq!(
            colours(Language::Bash, "cat <<EOF | sort\nif $x\nEOF \nEOF\nif"),
            ["k:<<EOF", "s:if $x", "s:EOF ", "k:EOF", "k:if"]
        );
        assert_eq!(
            colours(Language::Bash, "cat <<-'X Y'\n\tX Y\nfi"),
            ["k:<<-'X Y'", "k:\tX Y", "k:fi"]
        );
        assert_eq!(colours(Language::Bash, "read <<<word\nif"), ["", "k:if"]);
    }

    #[test]
    fn javascript_has_its_colours() {
        assert_eq!(
            colours(
                Language::JavaScript,
                "const a = `one\nif ${x} \\` two`; /* c\nif */ run(0xff); // end"
            ),
            [
                "k:const s:`one",
                "s:if ${x} \\` two` c:/* c",
                "c:if */ f:run n:0xff c:// end"
            ]
        );
        assert_eq!(
            colours(Language::JavaScript, "x.default = this; /**/ null"),
            ["t:this c:/**/ t:null"]
        );
    }

    #[test]
    fn spans_never_cut_a_character_or_overlap() {
        let texts = [
            "", "\"", "'''", "\\", "`é\\", "<<", "<<'", "<<-", "$", "${", "é$é", "1.é", "/*é", "f'", "\"\\é",
            "rb",
        ];
        for language in [Language::Bash, Language::Python, Language::JavaScript] {
            for a in texts {
                for b in texts {
                    let text = format!("{a}{b}\n{b}\n{a}");
                    for line in Source::new(language, &text).lines() {
                        let whole: String = line.pieces().into_iter().map(|(text, _)| text).collect();
                        assert_eq!(whole, line.text, "{language:?} {text:?}");
                        assert!(
                            line.spans.windows(2).all(|w| w[0].end <= w[1].start),
                            "{language:?} {text:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn an_edit_reads_only_what_it_touches() {
        let text = (0..1000)
            .map(|n| format!("x{n} = {n}"))
            .collect::<Vec<_>>()
            .join("\n");
        let mut source = Source::new(Language::Python, &text);
        let edited = text.replace("x500 = 500", "x500 = 'five'");
        assert_eq!(source.update(Language::Python, &edited), 1);
        assert_eq!(source, Source::new(Language::Python, &edited));
        // An open string reaches the end, and its removal too.
        let open = edited.replace("x500 = 'five'", "x500 = '''five");
        assert_eq!(source.update(Language::Python, &open), 500);
        assert_eq!(source, Source::new(Language::Python, &open));
        assert_eq!(source.update(Language::Python, &edited), 500);
        let with_line = edited.replace("x10 = 10\n", "x10 = 10\n\n");
        assert_eq!(source.update(Language::Python, &with_line), 1);
        assert_eq!(source.update(Language::Python, ""), 1);
        assert_eq!(source.lines().len(), 1);
    }
}
