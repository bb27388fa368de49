//! What is done where frames of a runner can't be read: one may have been cut by a connection that ended, while many are no
//! runner's, and answering each would fill memory and the log. Pure.

use cronium_protocol::frame::FrameError;

/// In a row; then the connection is made anew.
const MOST: u32 = 64;
/// The runner is asked again with every so many: what it answered may have been among them.
const ASK_EVERY: u32 = 16;

/// Frames in a row that could not be read.
#[derive(Debug, Default)]
pub struct Damage(u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// It was asked already.
    Wait,
    /// It says again what was lost.
    Ask,
    /// Nothing that can be read comes this way.
    Leave,
}

impl Damage {
    /// A frame could be read.
    pub fn ends(&mut self) {
        self.0 = 0;
    }

    pub fn goes_on(&mut self, error: &FrameError) -> Remedy {
        self.0 += 1;
        // No runner makes one of that size, and its end may never come.
        if self.0 > MOST || *error == FrameError::TooLarge {
            self.0 = 0;
            return Remedy::Leave;
        }
        if self.0 % ASK_EVERY == 1 {
            Remedy::Ask
        } else {
            Remedy::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remedies(damage: &mut Damage, count: usize) -> Vec<Remedy> {
        let damaged = FrameError::Damaged;
        (0..count).map(|_| damage.goes_on(&damaged)).collect()
    }

    #[test]
    fn the_runner_is_asked_at_once_and_then_rarely() {
        let mut damage = Damage::default();
        for _ in 0..3 {
            assert_eq!(remedies(&mut damage, 2), [Remedy::Ask, Remedy::Wait]);
            damage.ends();
        }
        let all = remedies(&mut damage, MOST as usize);
        let asked = all.iter().filter(|remedy| **remedy == Remedy::Ask).count();
        assert_eq!((asked, all.contains(&Remedy::Leave)), (4, false));
    }

    #[test]
    fn what_is_no_runner_is_left_soon() {
        let mut damage = Damage::default();
        assert_eq!(
            remedies(&mut damage, MOST as usize + 1).last(),
            Some(&Remedy::Leave)
        );
        assert_eq!(remedies(&mut damage, 1), [Remedy::Ask]);
        assert_eq!(damage.goes_on(&FrameError::TooLarge), Remedy::Leave);
    }
}
