//! Variables as text: files of environment variables, and JSON. Pure; what stands in a file is data, and nothing of
//! the server's own environment ever gets into it.

pub mod dotenv;
pub mod json;

/// A variable in a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins; the first line is 1.
    pub line: usize,
    pub key: String,
    pub text: String,
    /// None: the file does not say.
    pub secret: Option<bool>,
    pub description: Option<String>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({}: {})", self.line, self.key)
    }
}

/// What is wrong with a line, without its text: it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub message: String,
}

impl Problem {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            message: message.into(),
        }
    }
}

/// What a file holds, and what of it can't be read.
#[derive(Debug, Default)]
pub struct Parsed {
    pub entries: Vec<Entry>,
    pub problems: Vec<Problem>,
}
