//! Loading data for a page: the first time with a skeleton, afterwards keeping what is shown until
//! the new answer is there. Loads again when the server is back after an absence.

use std::future::Future;

use dioxus::prelude::*;

use crate::api::ApiError;
use crate::session;

/// What was loaded, and what went wrong last.
pub struct Query<T: 'static> {
    /// The last good answer.
    pub data: Signal<Option<T>>,
    /// Why the last request failed.
    pub error: Signal<Option<ApiError>>,
    /// Whether a request is under way.
    pub busy: Signal<bool>,
    resource: Resource<()>,
    overtaken: Signal<Option<Overtaken>>,
}

/// What news did to the request that was under way when they came: its answer may be older than they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Overtaken {
    /// They were all that it asks for: its answer counts for nothing.
    Whole,
    /// They were a part: its answer is shown, and it is asked again.
    InPart,
}

impl<T> Clone for Query<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Query<T> {}

impl<T> PartialEq for Query<T> {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

impl<T> Query<T> {
    /// Asks again, keeping what is shown.
    pub fn reload(&mut self) {
        self.resource.restart();
    }

    /// Shows what somebody else said just now, whatever the request under way brings.
    pub fn tell(&mut self, news: T) {
        self.data.set(Some(news));
        self.overtaken.set(Some(Overtaken::Whole));
    }

    /// Something of this changed just now, so that the request under way may have been too early.
    pub fn changed(&mut self) {
        self.overtaken.set(Some(Overtaken::InPart));
    }

    /// Asks again, unless a request is under way: then once that is over.
    pub fn refresh(&mut self) {
        if *self.busy.peek() {
            self.changed();
        } else {
            self.reload();
        }
    }
}

/// Runs `ask` now and whenever a signal that it reads (before its first wait) changes.
pub fn use_query<T, F>(mut ask: impl FnMut() -> F + 'static) -> Query<T>
where
    T: 'static,
    F: Future<Output = Result<T, ApiError>> + 'static,
{
    let mut data = use_signal(|| None);
    let mut error = use_signal(|| None);
    let mut busy = use_signal(|| true);
    let mut overtaken = use_signal(|| None);
    let mut again = use_signal(|| 0_u32);
    let resource = use_resource(move || {
        session::COMEBACKS.read();
        again.read();
        let asked = ask();
        async move {
            busy.set(true);
            overtaken.set(None);
            let answer = asked.await;
            let overtaken = *overtaken.peek();
            match answer {
                Ok(_) if overtaken == Some(Overtaken::Whole) => error.set(None),
                Ok(answer) => {
                    data.set(Some(answer));
                    error.set(None);
                }
                Err(failure) => error.set(Some(failure)),
            }
            busy.set(false);
            if overtaken == Some(Overtaken::InPart) {
                again += 1;
            }
        }
    });
    Query {
        data,
        error,
        busy,
        resource,
        overtaken,
    }
}
