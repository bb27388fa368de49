//! The script's calls that are under way: numbered, said again after a resume, answered once. Pure: it neither waits
//! nor writes.

use std::collections::VecDeque;

use cronium_protocol::frame::FromRunner;
use cronium_protocol::runtime::{Reply, Request, encode};
use uuid::Uuid;

/// What a call came to without an answer: nobody carries calls, or the run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotCarried;

#[derive(Debug)]
struct Open {
    number: u64,
    method: String,
    path: String,
    body: Vec<u8>,
    sent: bool,
    answer: Option<Result<Reply, NotCarried>>,
}

/// All open calls, oldest first.
#[derive(Debug, Default)]
pub struct Calls {
    /// What ids are counted from; None: there are no calls.
    base: Option<Uuid>,
    carried: bool,
    last: u64,
    open: VecDeque<Open>,
}

impl Calls {
    /// Calls are carried from now on. `base` is of this run alone.
    pub fn begin(&mut self, base: Uuid) {
        (self.base, self.carried) = (Some(base), true);
    }

    /// Takes a call; its number, to ask for its answer by.
    pub fn add(&mut self, method: String, path: String, body: Vec<u8>) -> Result<u64, NotCarried> {
        if !self.carried {
            return Err(NotCarried);
        }
        self.last += 1;
        self.open.push_back(Open {
            number: self.last,
            method,
            path,
            body,
            sent: false,
            answer: None,
        });
        Ok(self.last)
    }

    /// The answer to a call, once; the call is over then. None: not yet.
    pub fn take(&mut self, number: u64) -> Option<Result<Reply, NotCarried>> {
        let at = self.open.iter().position(|call| call.number == number)?;
        let answer = self.open[at].answer.take()?;
        self.open.remove(at);
        Some(answer)
    }

    fn id(&self, number: u64) -> Option<Uuid> {
        let base = self.base?.as_u128();
        Some(Uuid::from_u128(base.wrapping_add(u128::from(number))))
    }

    /// An answer came. One that nobody waits for any more is dropped.
    pub fn answered(&mut self, id: Uuid, reply: Reply) {
        let Some(base) = self.base else { return };
        let number = id.as_u128().wrapping_sub(base.as_u128());
        let open = self
            .open
            .iter_mut()
            .find(|call| u128::from(call.number) == number);
        if let Some(call) = open {
            call.answer.get_or_insert(Ok(reply));
        }
    }

    /// A new reader: it is told every call that has no answer, if it carries calls.
    pub fn resume(&mut self, calls: bool) {
        if self.base.is_none() {
            return;
        }
        if calls {
            self.carried = true;
            self.open.iter_mut().for_each(|call| call.sent = false);
        } else {
            self.end();
        }
    }

    /// Nobody carries calls any more.
    pub fn end(&mut self) {
        self.carried = false;
        for call in &mut self.open {
            call.answer.get_or_insert(Err(NotCarried));
        }
    }

    /// The next call to say.
    pub fn next(&mut self) -> Option<FromRunner> {
        if !self.carried {
            return None;
        }
        let settled = self.open.front().map_or(self.last, |first| first.number - 1);
        let at = self
            .open
            .iter()
            .position(|call| !call.sent && call.answer.is_none())?;
        let call = &mut self.open[at];
        call.sent = true;
        let request = Request {
            number: call.number,
            settled,
            method: call.method.clone(),
            path: call.path.clone(),
            body: call.body.clone(),
        };
        let (number, encoded) = (call.number, encode(&request));
        match (self.id(number), encoded) {
            (Some(id), Ok(request)) => Some(FromRunner::Call { id, request }),
            _ => {
                self.open[at].answer = Some(Err(NotCarried));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cronium_protocol::runtime::decode;

    use super::*;

    fn reply(status: u16) -> Reply {
        Reply {
            status,
            body: Vec::new(),
            secrets: Vec::new(),
        }
    }

    fn said(calls: &mut Calls) -> Vec<(Uuid, u64, u64)> {
        std::iter::from_fn(|| calls.next())
            .map(|frame| match frame {
                FromRunner::Call { id, request } => {
                    let request: Request = decode(&request).unwrap();
                    (id, request.number, request.settled)
                }
                other => panic!("not a call: {other:?}"),
            })
            .collect()
    }

    fn add(calls: &mut Calls) -> u64 {
        calls.add("GET".into(), "/".into(), Vec::new()).unwrap()
    }

    #[test]
    fn what_is_unanswered_is_said_again_under_the_same_id_and_nothing_else() {
        let mut calls = Calls::default();
        assert_eq!(calls.add("GET".into(), "/".into(), Vec::new()), Err(NotCarried));
        calls.begin(Uuid::from_u128(1000));
        for _ in 0..3 {
            add(&mut calls);
        }
        let first = said(&mut calls);
        assert_eq!(
            first.iter().map(|(_, n, s)| (*n, *s)).collect::<Vec<_>>(),
            [(1, 0), (2, 0), (3, 0)]
        );
        assert_eq!(said(&mut calls), []);
        calls.answered(first[0].0, reply(200));
        calls.answered(first[1].0, reply(404));
        calls.answered(first[1].0, reply(500));
        assert_eq!(calls.take(2), Some(Ok(reply(404))));
        assert_eq!((calls.take(2), calls.take(3)), (None, None));
        calls.resume(true);
        // The first is answered, though its answer was not fetched yet.
        assert_eq!(said(&mut calls), [(first[2].0, 3, 0)]);
        assert_eq!(calls.take(1), Some(Ok(reply(200))));
        calls.resume(true);
        assert_eq!(said(&mut calls), [(first[2].0, 3, 2)]);
    }

    #[test]
    fn a_reader_that_carries_no_calls_is_told_none_and_nobody_waits() {
        let mut calls = Calls::default();
        calls.begin(Uuid::from_u128(1000));
        let number = add(&mut calls);
        calls.resume(false);
        assert_eq!(
            (said(&mut calls), calls.take(number)),
            (vec![], Some(Err(NotCarried)))
        );
        assert_eq!(calls.add("GET".into(), "/".into(), Vec::new()), Err(NotCarried));
        calls.resume(true);
        add(&mut calls);
        assert_eq!(said(&mut calls).len(), 1);
    }
}
