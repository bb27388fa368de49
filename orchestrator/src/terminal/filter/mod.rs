//! Lets through what a terminal may be told. Programs on servers and in containers are not trusted by those who look
//! at them: they must not set the clipboard, have the terminal type for them, or move its window. What comes out is
//! whole characters of UTF-8 and whole sequences, so that every terminal reads the same in it. Pure; it keeps a few
//! kilobytes at most, and how the bytes are cut makes no difference. It must not know where they come from.

mod characters;
mod sequences;
#[cfg(test)]
mod tests;

use characters::{Characters, Unit};

/// Longest text of a command that is kept until its end.
const MAX_COMMAND: usize = 4096;
/// Longest sequence of other kinds.
const MAX_SEQUENCE: usize = 256;
/// So much at most comes out for so many bytes that go in: a byte that is none of UTF-8 becomes three, and what was
/// kept may come out with them.
pub const fn most(bytes: usize) -> usize {
    bytes * 3 + MAX_COMMAND + MAX_SEQUENCE
}

const BELL: u8 = 0x07;
const CANCEL: u8 = 0x18;
const SUBSTITUTE: u8 = 0x1a;
const ESCAPE: u8 = 0x1b;
const DELETE: u8 = 0x7f;
/// Eight-bit controls: of one character, what two are with ESC.
const STRINGS: [u8; 4] = [0x90, 0x98, 0x9e, 0x9f];
const CONTROL: u8 = 0x9b;
const END: u8 = 0x9c;
const COMMAND: u8 = 0x9d;

/// What the next character belongs to. The names are of ECMA-48, and how they follow each other is what xterm does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// After ESC, with what has followed so far.
    Escape,
    /// A control sequence: ESC [ and what follows.
    Control,
    /// One that is none: passed over to its end.
    NoControl,
    /// A command of the operating system: ESC ] and its text.
    Command,
    /// It may end here, with a backslash.
    CommandEnd,
    /// A string that is told to nobody, or a command that is too long: passed over to its end.
    Nothing {
        bell_ends: bool,
    },
}

/// Between a program and those who look at what it shows.
#[derive(Debug)]
pub struct Filter {
    characters: Characters,
    state: State,
    held: Vec<u8>,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            characters: Characters::default(),
            state: State::Text,
            held: Vec::new(),
        }
    }
}

impl Filter {
    /// Takes the next bytes, and adds to `shown` what comes out.
    pub fn pass(&mut self, mut bytes: &[u8], shown: &mut Vec<u8>) {
        while let Some(&byte) = bytes.first() {
            // Most of what is shown is this.
            if self.state == State::Text && self.characters.is_between() {
                let plain = bytes.iter().take_while(|byte| is_plain(**byte)).count();
                if plain > 0 {
                    shown.extend_from_slice(&bytes[..plain]);
                    bytes = &bytes[plain..];
                    continue;
                }
            }
            for unit in self.characters.take(byte).into_iter().flatten() {
                self.unit(unit, shown);
            }
            bytes = &bytes[1..];
        }
    }

    /// Nothing more comes: what is not whole is not shown.
    pub fn end(&mut self, shown: &mut Vec<u8>) {
        if let Some(unit) = self.characters.end() {
            self.unit(unit, shown);
        }
        self.go(State::Text);
    }

    fn go(&mut self, state: State) {
        self.held.clear();
        self.state = state;
    }

    fn unit(&mut self, unit: Unit, shown: &mut Vec<u8>) {
        match unit {
            Unit::Ascii(ESCAPE) if self.state == State::Command => self.state = State::CommandEnd,
            Unit::Ascii(ESCAPE) => self.go(State::Escape),
            Unit::Ascii(CANCEL | SUBSTITUTE) => self.go(State::Text),
            Unit::Eight(COMMAND) => self.go(State::Command),
            Unit::Eight(CONTROL) => self.go(State::Control),
            Unit::Eight(END) if self.state == State::Command => self.command(shown),
            Unit::Eight(code) if STRINGS.contains(&code) => self.go(State::Nothing { bell_ends: false }),
            // None of the others is needed by a program of today.
            Unit::Eight(_) => self.go(State::Text),
            Unit::Ascii(byte) => self.ascii(byte, shown),
            Unit::Character(..) | Unit::Wrong => self.character(unit, shown),
        }
    }

    fn ascii(&mut self, byte: u8, shown: &mut Vec<u8>) {
        let is_control = byte < b' ' || byte == DELETE;
        match self.state {
            State::Text if is_control => execute(byte, shown),
            State::Text => shown.push(byte),
            // Within a sequence it is done at once.
            State::Escape | State::Control | State::NoControl if is_control => execute(byte, shown),
            State::Escape => self.escape(byte, shown),
            State::Control => self.control(byte, shown),
            State::NoControl if is_final(byte) => self.go(State::Text),
            State::Command if byte == BELL => self.command(shown),
            State::Command if !is_control => self.hold(&[byte]),
            State::CommandEnd if byte == b'\\' => self.command(shown),
            State::CommandEnd => {
                self.go(State::Escape);
                self.ascii(byte, shown);
            }
            State::Nothing { bell_ends: true } if byte == BELL => self.go(State::Text),
            State::NoControl | State::Command | State::Nothing { .. } => {}
        }
    }

    fn character(&mut self, unit: Unit, shown: &mut Vec<u8>) {
        match self.state {
            State::Command => self.hold(unit.bytes()),
            State::Nothing { .. } => {}
            State::Text => shown.extend_from_slice(unit.bytes()),
            State::Escape | State::Control | State::NoControl | State::CommandEnd => {
                self.go(State::Text);
                shown.extend_from_slice(unit.bytes());
            }
        }
    }

    fn escape(&mut self, byte: u8, shown: &mut Vec<u8>) {
        match (byte, self.held.is_empty()) {
            (b'[', true) => self.go(State::Control),
            (b']', true) => self.go(State::Command),
            (b'P' | b'X' | b'^' | b'_', true) => self.go(State::Nothing { bell_ends: false }),
            (b' '..=b'/', _) => {
                if self.held.len() < MAX_SEQUENCE {
                    self.held.push(byte);
                }
            }
            _ => {
                if sequences::is_escape(&self.held, byte) {
                    shown.push(ESCAPE);
                    shown.extend_from_slice(&self.held);
                    shown.push(byte);
                }
                self.go(State::Text);
            }
        }
    }

    fn control(&mut self, byte: u8, shown: &mut Vec<u8>) {
        if is_final(byte) {
            sequences::control(&self.held, byte, shown);
            self.go(State::Text);
        } else if self.held.len() < MAX_SEQUENCE {
            self.held.push(byte);
        } else {
            self.go(State::NoControl);
        }
    }

    fn command(&mut self, shown: &mut Vec<u8>) {
        sequences::command(&self.held, shown);
        self.go(State::Text);
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.held.len() + bytes.len() > MAX_COMMAND {
            self.go(State::Nothing { bell_ends: true });
        } else {
            self.held.extend_from_slice(bytes);
        }
    }
}

fn is_plain(byte: u8) -> bool {
    (b' '..DELETE).contains(&byte)
}

fn is_final(byte: u8) -> bool {
    (b'@'..=b'~').contains(&byte)
}

/// Bell, backspace, tab, ends of lines and pages, and the two that change the set of characters. Not ENQ, which a
/// terminal answers, nor what means something to whoever carries files through terminals.
fn execute(byte: u8, shown: &mut Vec<u8>) {
    if (BELL..=0x0f).contains(&byte) {
        shown.push(byte);
    }
}
