//! The same asked of many runs, a few at a time, and what became of each. Pure: who asks and who waits is given.

use std::future::Future;

use futures::StreamExt as _;
use futures::stream;

use crate::api::ApiErrorKind;
use crate::pages::runs::data::Refusal;

/// How many are asked for at a time.
const TOGETHER: usize = 4;
/// How often it is asked when no answer comes.
const TRIES: u32 = 3;

/// A run that something is asked of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub id: String,
    pub number: i32,
    pub title: String,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<T> {
    Done(T),
    Refused(String),
    /// It was never asked for.
    Left,
}

/// How many were done, refused, and never asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum {
    pub done: u64,
    pub refused: u64,
    pub left: u64,
}

/// The sum of what became of all.
pub fn sum<'a, T: 'a>(fates: impl IntoIterator<Item = &'a Fate<T>>) -> Sum {
    let mut sum = Sum::default();
    for fate in fates {
        match fate {
            Fate::Done(_) => sum.done += 1,
            Fate::Refused(_) => sum.refused += 1,
            Fate::Left => sum.left += 1,
        }
    }
    sum
}

/// Asks for each, and tells what became of it with its place in the list. Once `halted`, what was asked for is waited
/// for, and the rest is left.
pub async fn each<T, F>(
    asked: &[Asked],
    halted: impl Fn() -> bool,
    ask: impl Fn(Asked) -> F,
    mut told: impl FnMut(usize, Fate<T>),
) where
    F: Future<Output = Result<T, String>>,
{
    let (halted, ask) = (&halted, &ask);
    let mut fates = stream::iter(asked.iter().cloned().enumerate())
        .map(|(at, one)| async move {
            if halted() {
                return (at, Fate::Left);
            }
            let fate = match ask(one).await {
                Ok(thing) => Fate::Done(thing),
                Err(reason) => Fate::Refused(reason),
            };
            (at, fate)
        })
        .buffer_unordered(TOGETHER);
    while let Some((at, fate)) = fates.next().await {
        told(at, fate);
    }
}

/// Asks until there is an answer: whatever is asked for must be the same when it is asked twice.
pub async fn patiently<T, F, P>(
    mut ask: impl FnMut() -> F,
    mut pause: impl FnMut(u32) -> P,
) -> Result<T, Refusal>
where
    F: Future<Output = Result<T, Refusal>>,
    P: Future<Output = ()>,
{
    let mut tries = 1;
    loop {
        match ask().await {
            Err(Refusal::Failed(error))
                if tries < TRIES
                    && matches!(error.kind, ApiErrorKind::Offline | ApiErrorKind::RateLimited) =>
            {
                pause(tries).await;
                tries += 1;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use futures::executor::block_on;

    use super::*;
    use crate::api::ApiError;

    fn asked(count: usize) -> Vec<Asked> {
        let one = |at: usize| Asked {
            id: format!("job-{at}"),
            number: i32::try_from(at).unwrap(),
            title: "Backup".to_owned(),
        };
        (0..count).map(one).collect()
    }

    /// Comes back once before it is done, as a request does.
    async fn breath() {
        let mut came_back = false;
        futures::future::poll_fn(|context| {
            if std::mem::replace(&mut came_back, true) {
                std::task::Poll::Ready(())
            } else {
                context.waker().wake_by_ref();
                std::task::Poll::Pending
            }
        })
        .await;
    }

    #[test]
    fn what_became_of_each_is_told_at_its_place() {
        let fates = RefCell::new(vec![None; 9]);
        let (open, most) = (Cell::new(0), Cell::new(0));
        let ask = async |one: Asked| {
            open.set(open.get() + 1);
            most.set(most.get().max(open.get()));
            breath().await;
            open.set(open.get() - 1);
            if one.number == 4 {
                Err("archived".to_owned())
            } else {
                Ok(one.number)
            }
        };
        block_on(each(
            &asked(9),
            || false,
            ask,
            |at, fate| {
                fates.borrow_mut()[at] = Some(fate);
            },
        ));
        let fates: Vec<_> = fates.into_inner().into_iter().map(Option::unwrap).collect();
        assert_eq!(
            sum(&fates),
            Sum {
                done: 8,
                refused: 1,
                left: 0
            }
        );
        assert_eq!(fates[4], Fate::Refused("archived".to_owned()));
        assert_eq!(fates[8], Fate::Done(8));
        assert_eq!(most.get(), TOGETHER, "a few at a time");
    }

    #[test]
    fn once_halted_the_rest_is_left_and_nothing_is_unknown() {
        let fates = RefCell::new(Vec::new());
        let answered = Cell::new(0);
        let ask = async |one: Asked| {
            breath().await;
            answered.set(answered.get() + 1);
            Ok(one.number)
        };
        block_on(each(
            &asked(20),
            || answered.get() >= 2,
            ask,
            |_, fate| {
                fates.borrow_mut().push(fate);
            },
        ));
        let sum = sum(fates.borrow().iter());
        assert_eq!(sum.done, answered.get(), "whatever was asked for is told as done");
        assert_eq!((sum.done + sum.left, sum.refused), (20, 0));
        assert!((2..20).contains(&sum.done), "{sum:?}");
    }

    #[test]
    fn a_lost_answer_is_asked_for_again_and_a_refusal_is_not() {
        let failure = |kind| {
            Refusal::Failed(ApiError {
                kind,
                message: String::new(),
                request_id: None,
            })
        };
        let count = |answer: &dyn Fn(u32) -> Result<(), Refusal>| {
            let (asks, waits) = (Cell::new(0), Cell::new(0));
            let result = block_on(patiently(
                || {
                    asks.set(asks.get() + 1);
                    std::future::ready(answer(asks.get()))
                },
                |_| {
                    waits.set(waits.get() + 1);
                    std::future::ready(())
                },
            ));
            (asks.get(), waits.get(), result.is_ok())
        };
        let lost_once = |ask| match ask {
            1 => Err(failure(ApiErrorKind::Offline)),
            _ => Ok(()),
        };
        assert_eq!(count(&lost_once), (2, 1, true));
        assert_eq!(count(&|_| Err(failure(ApiErrorKind::RateLimited))), (3, 2, false));
        assert_eq!(count(&|_| Err(failure(ApiErrorKind::Other))), (1, 0, false));
        assert_eq!(count(&|_| Err(Refusal::Refused(Vec::new()))), (1, 0, false));
    }
}
