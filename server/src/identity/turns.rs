//! Whose turn it is: work of which only some may be done at a time, and which many may ask for. Those who ask from one
//! address wait for each other, not others for them: the addresses that wait take turns. Knows no work.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who asks: IPv6 by its first 64 bits, which one customer has to himself; None: the program itself.
type Place = Option<IpAddr>;

#[derive(Debug)]
struct State {
    free: usize,
    waiting: HashMap<Place, VecDeque<oneshot::Sender<Turn>>>,
    /// Those who wait, the next one first.
    ring: VecDeque<Place>,
}

/// So many turns at a time.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Mutex<State>>);

/// Somebody's turn, until it is dropped.
#[derive(Debug)]
pub struct Turn(Option<Turns>);

fn place(client: Option<IpAddr>) -> Place {
    client.map(|address| match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    })
}

impl State {
    /// Who is next, if anybody waits.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let place = self.ring.pop_front()?;
        let queue = self.waiting.get_mut(&place)?;
        let next = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&place);
        } else {
            self.ring.push_back(place);
        }
        next
    }
}

impl Turns {
    pub fn new(at_a_time: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: at_a_time,
            waiting: HashMap::new(),
            ring: VecDeque::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; who stops waiting has lost nothing for others.
    pub async fn wait(&self, client: Option<IpAddr>) -> Turn {
        let receiver = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Turn(Some(self.clone()));
            }
            let place = place(client);
            let (sender, receiver) = oneshot::channel();
            let queue = state.waiting.entry(place).or_default();
            queue.push_back(sender);
            if queue.len() == 1 {
                state.ring.push_back(place);
            }
            receiver
        };
        // The sender is dropped only after it gave a turn.
        receiver.await.unwrap_or(Turn(None))
    }

    fn pass_on(&self) {
        loop {
            let mut state = self.lock();
            let Some(next) = state.next() else {
                state.free += 1;
                return;
            };
            drop(state);
            match next.send(Turn(Some(self.clone()))) {
                Ok(()) => return,
                // Whoever waited has gone: it is the next one's turn.
                Err(mut turn) => drop(turn.0.take()),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn whoever_asks_often_waits_for_themselves() {
        let turns = Turns::new(1);
        let busy = turns.wait(None).await;
        let mut crowd: Vec<_> = (0..100)
            .map(|_| Box::pin(turns.wait(Some(address("192.0.2.1")))))
            .collect();
        for one in &mut crowd {
            assert!(one.now_or_never().is_none());
        }
        let mut other = Box::pin(turns.wait(Some(address("192.0.2.2"))));
        assert!((&mut other).now_or_never().is_none());
        drop(busy);
        let first = crowd[0].as_mut().now_or_never().unwrap();
        assert!((&mut other).now_or_never().is_none(), "one at a time");
        drop(first);
        let theirs = (&mut other)
            .now_or_never()
            .expect("the next turn is another address's");
        drop(theirs);
        for one in &mut crowd[1..] {
            drop(one.as_mut().now_or_never().expect("each has its turn"));
        }
    }

    #[tokio::test]
    async fn who_goes_away_takes_no_turn_along() {
        let turns = Turns::new(1);
        let busy = turns.wait(None).await;
        let mut gone = Box::pin(turns.wait(Some(address("192.0.2.1"))));
        assert!((&mut gone).now_or_never().is_none());
        let mut given = Box::pin(turns.wait(Some(address("192.0.2.1"))));
        assert!((&mut given).now_or_never().is_none());
        let mut last = Box::pin(turns.wait(Some(address("192.0.2.2"))));
        assert!((&mut last).now_or_never().is_none());
        drop(gone);
        drop(busy);
        // Given, and dropped before it was seen.
        drop(given);
        let last = (&mut last).now_or_never().expect("nobody holds the turn");
        drop(last);
        assert_eq!(turns.lock().free, 1);
        assert!(turns.lock().waiting.is_empty() && turns.lock().ring.is_empty());
    }

    #[test]
    fn one_customer_is_one_place() {
        assert_eq!(
            place(Some(address("2001:db8:1:2::1"))),
            place(Some(address("2001:db8:1:2:ffff::9")))
        );
        assert_ne!(
            place(Some(address("2001:db8:1:2::1"))),
            place(Some(address("2001:db8:1:3::1")))
        );
        assert_eq!(
            place(Some(address("::ffff:192.0.2.7"))),
            place(Some(address("192.0.2.7")))
        );
    }
}
