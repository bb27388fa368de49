//! Keeps from knocking again and again where nobody opens: after a failure, what comes too soon fails at once for the
//! same reason. Pure: the clock is given.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

#[derive(Debug)]
struct Failure<E> {
    why: E,
    pause: Duration,
    until: Instant,
}

/// Closed until something fails.
#[derive(Debug)]
pub struct Breaker<E> {
    failure: Option<Failure<E>>,
}

impl<E> Default for Breaker<E> {
    fn default() -> Self {
        Self { failure: None }
    }
}

impl<E: Clone> Breaker<E> {
    /// Why it is not to be tried now; None: it may be.
    pub fn refusal(&self, now: Instant) -> Option<E> {
        Some(self.pausing(now)?.why.clone())
    }

    /// When it may be tried again; None: now.
    pub fn opens_at(&self, now: Instant) -> Option<Instant> {
        Some(self.pausing(now)?.until)
    }

    fn pausing(&self, now: Instant) -> Option<&Failure<E>> {
        self.failure.as_ref().filter(|failure| now < failure.until)
    }

    pub fn failed(&mut self, why: E, now: Instant) {
        let before = self.failure.take();
        let pause = before.map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
        self.failure = Some(Failure {
            why,
            pause,
            until: now + pause,
        });
    }

    pub fn succeeded(&mut self) {
        self.failure = None;
    }

    /// The last failure, if nothing has succeeded since.
    pub fn last(&self) -> Option<E> {
        self.failure.as_ref().map(|failure| failure.why.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[tokio::test]
    async fn each_failure_doubles_the_pause_up_to_a_minute() {
        let mut now = clock::now().at;
        let mut breaker = Breaker::default();
        assert_eq!(breaker.refusal(now), None);
        for (n, secs) in [5, 10, 20, 40, 60, 60].into_iter().enumerate() {
            breaker.failed(n, now);
            let until = now + Duration::from_secs(secs);
            assert_eq!(breaker.refusal(now), Some(n));
            let just_before = until.checked_sub(Duration::from_millis(1)).unwrap();
            assert_eq!(breaker.refusal(just_before), Some(n), "{secs} s");
            assert_eq!(breaker.refusal(until), None, "{secs} s");
            assert_eq!(breaker.opens_at(now), Some(until));
            assert_eq!(breaker.opens_at(until), None, "{secs} s");
            assert_eq!(breaker.last(), Some(n));
            now = until;
        }
    }

    #[tokio::test]
    async fn a_success_forgets_what_was_before() {
        let now = clock::now().at;
        let mut breaker = Breaker::default();
        breaker.failed("refused", now);
        breaker.failed("refused", now);
        breaker.succeeded();
        assert_eq!((breaker.refusal(now), breaker.last()), (None, None));
        breaker.failed("silent", now);
        assert_eq!(breaker.refusal(now), Some("silent"));
        assert_eq!(breaker.refusal(now + FIRST_PAUSE), None);
    }
}
