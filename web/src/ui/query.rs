//! Loading data for a page: the first time with a skeleton, afterwards keeping what is shown until
//! the new answer is there. Loads again when the server is back after an absence.

use std::future::Future;
use std::time::Duration;

use dioxus::prelude::*;

use crate::api::ApiError;
use crate::browser;
use crate::session;

/// Long enough for the server to have begun a subscription that was asked for.
const MOMENT: Duration = Duration::from_millis(500);

/// What was loaded, and what went wrong last.
pub struct Query<T: 'static> {
    /// The last good answer.
    pub data: Signal<Option<T>>,
    /// Why the last request failed.
    pub error: Signal<Option<ApiError>>,
    /// Whether a request is under way.
    pub busy: Signal<bool>,
    resource: Resource<()>,
    news: Signal<Vec<Change<T>>>,
}

/// What became known while a request was under way, whose answer may be older.
type Change<T> = Box<dyn Fn(&mut Option<T>)>;

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

    /// Takes in what became known just now, also over the answer that is under way and may be older.
    pub fn change(&mut self, change: impl Fn(&mut Option<T>) + 'static) {
        change(&mut self.data.write());
        if *self.busy.peek() {
            self.news.write().push(Box::new(change));
        }
    }

    /// Asks again in a moment, once the request under way is over: for what may have happened before news were heard.
    /// A subscription has no receipt, so the moment is what it takes to begin.
    pub fn reload_soon(&self) {
        let mut query = *self;
        spawn(async move {
            browser::sleep(MOMENT).await;
            while *query.busy.peek() {
                browser::sleep(MOMENT).await;
            }
            query.reload();
        });
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
    let mut news = use_signal(Vec::<Change<T>>::new);
    let resource = use_resource(move || {
        session::COMEBACKS.read();
        let asked = ask();
        async move {
            busy.set(true);
            news.write().clear();
            match asked.await {
                Ok(answer) => {
                    let mut answer = Some(answer);
                    for change in news.peek().iter() {
                        change(&mut answer);
                    }
                    data.set(answer);
                    error.set(None);
                }
                Err(failure) => error.set(Some(failure)),
            }
            news.write().clear();
            busy.set(false);
        }
    });
    Query {
        data,
        error,
        busy,
        resource,
        news,
    }
}
