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
    let resource = use_resource(move || {
        session::COMEBACKS.read();
        let asked = ask();
        async move {
            busy.set(true);
            match asked.await {
                Ok(answer) => {
                    data.set(Some(answer));
                    error.set(None);
                }
                Err(failure) => error.set(Some(failure)),
            }
            busy.set(false);
        }
    });
    Query {
        data,
        error,
        busy,
        resource,
    }
}
