//! The terminals of one connection of an orchestrator: what it was told of each, and what it is to be told next. Asks
//! nobody.

use std::collections::{BTreeMap, HashMap};

use cronium_protocol::terminal::{About, Place, Size, ToTerminal};
use uuid::Uuid;

use super::model::Window;

/// What to tell, in this order.
pub type Told = Vec<About<ToTerminal>>;

/// A terminal that is to be opened.
#[derive(Debug)]
pub struct Opening {
    pub id: Uuid,
    pub place: Place,
    pub size: Size,
}

/// A terminal that goes on over another connection: after which pieces, and which of its output its opener has yet to
/// read, with the bytes up to the end of each.
#[derive(Debug)]
pub struct Meeting {
    pub id: Uuid,
    pub output: u64,
    pub input: u64,
    pub unseen: Vec<(u64, i64)>,
}

/// Output of a terminal that is kept now, and how many bytes its opener has read.
#[derive(Debug, Default)]
pub struct Kept {
    pub seen_bytes: i64,
    /// The last piece comes with every word about it: another connection may have kept it a moment ago.
    pub pieces: Vec<(u64, i64)>,
}

/// How a terminal is by now, and what was typed since it was last told of that.
#[derive(Debug)]
pub struct News {
    pub size: Size,
    pub seen_bytes: i64,
    pub input: Vec<(u64, Vec<u8>)>,
}

/// What came of what an orchestrator said.
#[derive(Debug, Default)]
pub struct Heard {
    pub met: Vec<Meeting>,
    pub kept: BTreeMap<Uuid, Kept>,
    /// These are not to go on.
    pub over: Vec<Uuid>,
}

#[derive(Debug, Default)]
struct Line {
    /// The last piece of input that was told.
    input: u64,
    /// None: the size may have changed.
    size: Option<Size>,
    window: Window,
}

/// By terminal.
#[derive(Debug, Default)]
pub struct Lines(HashMap<Uuid, Line>);

fn about(terminal: Uuid, word: ToTerminal) -> About<ToTerminal> {
    About { terminal, word }
}

impl Line {
    fn room(&mut self, id: Uuid, seen_bytes: i64) -> Option<About<ToTerminal>> {
        let number = self.window.seen(seen_bytes)?;
        Some(about(id, ToTerminal::Seen { number }))
    }
}

impl Lines {
    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn contains(&self, id: Uuid) -> bool {
        self.0.contains_key(&id)
    }

    pub fn ids(&self) -> Vec<Uuid> {
        self.0.keys().copied().collect()
    }

    /// Of these terminals, as far as they are here, the last piece of input that was told.
    pub fn told(&self, ids: impl IntoIterator<Item = Uuid>) -> Vec<(Uuid, u64)> {
        let told = |id: Uuid| Some((id, self.0.get(&id)?.input));
        ids.into_iter().filter_map(told).collect()
    }

    pub fn open(&mut self, opening: Opening) -> About<ToTerminal> {
        let Opening { id, place, size } = opening;
        let line = Line {
            size: Some(size),
            ..Line::default()
        };
        self.0.insert(id, line);
        about(id, ToTerminal::Open { place, size })
    }

    pub fn heard(&mut self, heard: Heard) -> Told {
        let mut told = Told::new();
        for meeting in heard.met {
            told.extend(self.meet(meeting));
        }
        for (id, kept) in heard.kept {
            if let Some(line) = self.0.get_mut(&id) {
                for (number, ends_at) in kept.pieces {
                    line.window.keep(number, ends_at);
                }
                told.extend(line.room(id, kept.seen_bytes));
            }
        }
        told.extend(heard.over.into_iter().map(|id| self.hang_up(id)));
        told
    }

    fn meet(&mut self, meeting: Meeting) -> Told {
        let Meeting {
            id, output, input, ..
        } = meeting;
        let mut told = vec![about(id, ToTerminal::GoOn { output, input })];
        // What it was told before may not have arrived.
        let number = meeting.unseen.first().map_or(output, |(number, _)| number - 1);
        if number > 0 {
            told.push(about(id, ToTerminal::Seen { number }));
        }
        let mut line = Line {
            input,
            ..Line::default()
        };
        for (number, ends_at) in meeting.unseen {
            line.window.keep(number, ends_at);
        }
        self.0.insert(id, line);
        told
    }

    /// None: it is not to go on.
    pub fn news(&mut self, id: Uuid, news: Option<News>) -> Told {
        let Some(line) = self.0.get_mut(&id) else {
            return Told::new();
        };
        let Some(news) = news else {
            return vec![self.hang_up(id)];
        };
        let mut told = Told::new();
        if line.size.replace(news.size) != Some(news.size) {
            told.push(about(id, ToTerminal::Resize(news.size)));
        }
        for (number, data) in news.input {
            line.input = number;
            told.push(about(id, ToTerminal::Input { number, data }));
        }
        told.extend(line.room(id, news.seen_bytes));
        told
    }

    pub fn hang_up(&mut self, id: Uuid) -> About<ToTerminal> {
        self.0.remove(&id);
        about(id, ToTerminal::Close)
    }

    /// It is over there.
    pub fn ended(&mut self, id: Uuid) {
        self.0.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminals::limits::LAG;

    const ID: Uuid = Uuid::from_u128(1);
    const SIZE: Size = Size {
        columns: 80,
        rows: 24,
    };

    fn met(unseen: &[(u64, i64)]) -> Heard {
        let meeting = Meeting {
            id: ID,
            output: 7,
            input: 3,
            unseen: unseen.to_vec(),
        };
        Heard {
            met: vec![meeting],
            ..Heard::default()
        }
    }

    fn news(seen_bytes: i64, input: &[u64]) -> News {
        News {
            size: SIZE,
            seen_bytes,
            input: input.iter().map(|number| (*number, vec![b'x'])).collect(),
        }
    }

    fn words(told: Told) -> Vec<ToTerminal> {
        told.into_iter().map(|about| about.word).collect()
    }

    fn typed(number: u64) -> ToTerminal {
        let data = vec![b'x'];
        ToTerminal::Input { number, data }
    }

    #[test]
    fn one_that_was_met_goes_on_where_it_was_and_is_told_its_size_again() {
        let mut lines = Lines::default();
        let go_on = ToTerminal::GoOn { output: 7, input: 3 };
        let seen = |number| ToTerminal::Seen { number };
        assert_eq!(words(lines.heard(met(&[]))), [go_on.clone(), seen(7)]);
        assert_eq!(
            words(lines.heard(met(&[(6, LAG + 10), (7, LAG + 20)]))),
            [go_on, seen(5)]
        );
        assert_eq!(lines.told([ID, Uuid::nil()]), [(ID, 3)]);
        let first = words(lines.news(ID, Some(news(10, &[4, 5]))));
        assert_eq!(first, [ToTerminal::Resize(SIZE), typed(4), typed(5), seen(6)]);
        assert_eq!(lines.told([ID]), [(ID, 5)]);
        assert_eq!(words(lines.news(ID, Some(news(10, &[])))), []);
        assert_eq!(words(lines.news(ID, Some(news(20, &[])))), [seen(7)]);
    }

    #[test]
    fn there_is_room_for_what_is_kept_and_not_too_far_ahead() {
        let mut lines = Lines::default();
        lines.heard(met(&[]));
        let kept = |pieces: &[(u64, i64)]| Heard {
            kept: BTreeMap::from([(
                ID,
                Kept {
                    seen_bytes: 0,
                    pieces: pieces.to_vec(),
                },
            )]),
            ..Heard::default()
        };
        let told = words(lines.heard(kept(&[(8, 100), (9, LAG), (10, LAG + 1)])));
        assert_eq!(told, [ToTerminal::Seen { number: 9 }]);
        assert_eq!(words(lines.heard(kept(&[(11, LAG + 2)]))), []);
    }

    #[test]
    fn one_that_is_over_is_hung_up_once() {
        let mut lines = Lines::default();
        lines.heard(met(&[]));
        assert_eq!(words(lines.news(ID, None)), [ToTerminal::Close]);
        assert_eq!(words(lines.news(ID, None)), []);
        assert!(!lines.contains(ID) && lines.count() == 0);
        let unknown = Heard {
            over: vec![ID],
            ..Heard::default()
        };
        assert_eq!(words(lines.heard(unknown)), [ToTerminal::Close]);
    }
}
