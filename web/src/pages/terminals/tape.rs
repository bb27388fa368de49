//! A recording as it is played: when each piece was shown, with and without the times in which nothing happened. Pure.

use super::data::{Chunk, Size};

/// Nothing is waited for any longer than this, in seconds, where idle times are skipped.
const IDLE: f64 = 2.0;

/// What is shown at a moment.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// Bytes, in base64.
    Data(String),
    Size(Size),
}

/// Pieces with their moments, in seconds from the first one.
#[derive(Debug, Default)]
pub struct Tape {
    pieces: Vec<Shown>,
    /// As it was, and with idle times skipped.
    moments: [Vec<f64>; 2],
    /// Of the first and the last piece, in milliseconds since 1970.
    first: f64,
    last: f64,
}

impl Tape {
    /// Takes in the next piece.
    pub fn push(&mut self, chunk: Chunk) {
        let shown = match chunk.size {
            Some(size) => Shown::Size(size),
            None if chunk.data.is_empty() => return,
            None => Shown::Data(chunk.data),
        };
        let at = chunk.at.timestamp_millis() as f64;
        if self.pieces.is_empty() {
            (self.first, self.last) = (at, at);
        }
        // Clocks may be set back; what is shown goes on.
        let at = at.max(self.last);
        let gap = (at - self.last) / 1_000.0;
        let quick = self.moments[1].last().map_or(0.0, |last| last + gap.min(IDLE));
        self.moments[0].push((at - self.first) / 1_000.0);
        self.moments[1].push(quick);
        self.pieces.push(shown);
        self.last = at;
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The size that it begins with, where that is told before anything is shown.
    pub fn size(&self) -> Option<Size> {
        match self.pieces.first()? {
            Shown::Size(size) => Some(*size),
            Shown::Data(_) => None,
        }
    }

    pub fn piece(&self, at: usize) -> Option<&Shown> {
        self.pieces.get(at)
    }

    /// How long it is, in seconds.
    pub fn length(&self, skip: bool) -> f64 {
        self.moments[usize::from(skip)].last().copied().unwrap_or(0.0)
    }

    /// How many pieces were shown up to and with a moment.
    pub fn shown(&self, moment: f64, skip: bool) -> usize {
        self.moments[usize::from(skip)].partition_point(|at| *at <= moment)
    }

    /// The moment at which the same was shown as at this one, when idle times begin or cease to be skipped.
    pub fn turned(&self, moment: f64, skip: bool) -> f64 {
        let [from, to] = [
            &self.moments[usize::from(!skip)],
            &self.moments[usize::from(skip)],
        ];
        let next = from.partition_point(|at| *at <= moment);
        let Some(last) = next.checked_sub(1) else {
            return 0.0;
        };
        let since = moment - from[last];
        let room = to.get(next).map_or(0.0, |next| next - to[last]);
        to[last] + since.min(room)
    }
}

/// A moment of a recording as players write it: `2:05`, `1:02:03`.
pub fn stamp(seconds: f64) -> String {
    let all = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (all / 3_600, all % 3_600 / 60, all % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::tests::chunk;
    use super::*;

    /// A tape of pieces at these seconds.
    fn tape(seconds: &[i32]) -> Tape {
        let mut tape = Tape::default();
        for at in seconds {
            tape.push(chunk(*at, "eA=="));
        }
        tape
    }

    #[test]
    fn idle_times_are_cut_to_two_seconds() {
        let tape = tape(&[100, 101, 161, 162]);
        assert_eq!((tape.length(false), tape.length(true)), (62.0, 4.0));
        assert_eq!(
            (
                tape.shown(0.0, false),
                tape.shown(60.9, false),
                tape.shown(61.0, false)
            ),
            (1, 2, 3)
        );
        assert_eq!((tape.shown(2.9, true), tape.shown(3.0, true)), (2, 3));
    }

    #[test]
    fn the_place_stays_when_idle_times_are_skipped() {
        let tape = tape(&[100, 101, 161, 162]);
        for (as_it_was, quick) in [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0), (61.0, 3.0), (62.0, 4.0)] {
            let turned = (tape.turned(as_it_was, true), tape.turned(quick, false));
            assert_eq!(turned, (quick, as_it_was));
        }
        let (within, after) = (tape.turned(40.0, true), tape.turned(99.0, true));
        assert_eq!(
            (within, after),
            (3.0, 4.0),
            "within the idle time, and after the end"
        );
        let empty = Tape::default();
        assert_eq!((empty.turned(5.0, true), empty.turned(0.0, false)), (0.0, 0.0));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let tape = tape(&[100, 90, 102]);
        assert_eq!((tape.length(false), tape.shown(0.0, false)), (2.0, 2));
    }

    #[test]
    fn the_size_that_comes_first_is_the_first_size() {
        let size = Size {
            columns: 132,
            rows: 43,
        };
        let mut first = chunk(1, "");
        first.size = Some(size);
        let mut tape = Tape::default();
        tape.push(first);
        // The end of a terminal shows nothing.
        tape.push(chunk(9, ""));
        assert_eq!((tape.size(), tape.length(false)), (Some(size), 0.0));
        assert_eq!(tape.piece(1), None);
    }

    #[test]
    fn moments_are_written_as_players_write_them() {
        let texts: Vec<String> = [0.0, 5.9, 125.0, 3_723.0, -1.0].into_iter().map(stamp).collect();
        assert_eq!(texts, ["0:00", "0:05", "2:05", "1:02:03", "0:00"]);
    }
}
