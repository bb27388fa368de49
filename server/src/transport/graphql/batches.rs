//! When a batch of nested loads is complete: when every resolver of a response that could run has run, and all wait.
//! A batch is then asked for by the response's own task, so that what waited for it goes on all at once, and what
//! that asks for is one batch again. No clock, so nothing waits longer than it must.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_graphql::dataloader::DataLoader;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered};
use futures::task::AtomicWaker;
use futures::{FutureExt as _, Stream, StreamExt as _};

type Batch = BoxFuture<'static, ()>;

thread_local! {
    /// Batches that were begun during the present look at a response; None outside of one.
    static BEGUN: RefCell<Option<Vec<Batch>>> = const { RefCell::new(None) };
}

/// What resolvers outside of a response wait for others of the same batch.
const ELSEWHERE: Duration = Duration::from_millis(1);

/// A loader whose batches are asked for as said above.
pub fn loader<L>(loader: L) -> DataLoader<L> {
    DataLoader::new(loader, begin).delay(Duration::ZERO)
}

fn begin(batch: Batch) {
    let elsewhere = BEGUN.with_borrow_mut(|begun| match begun {
        Some(begun) => {
            begun.push(batch);
            None
        }
        None => Some(batch),
    });
    if let Some(batch) = elsewhere {
        tokio::spawn(async move {
            tokio::time::sleep(ELSEWHERE).await;
            batch.await;
        });
    }
}

/// Wakes a response's task, and knows that it did. A response that woke itself while it was looked at has not run all
/// that can run: it only lets others have a turn, as futures of many parts do.
#[derive(Default)]
struct Bell {
    task: AtomicWaker,
    rung: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task.wake();
    }
}

/// Batches of one response that are being loaded. Others may have added keys to them: who asks no longer lets them
/// go on by themselves.
#[derive(Default)]
struct Batches {
    loading: FuturesUnordered<Batch>,
    bell: Arc<Bell>,
}

impl Batches {
    /// One look at a response, and at its batches for as long as they bring it on.
    fn look<T>(
        &mut self,
        context: &mut Context<'_>,
        mut response: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.bell.task.register(context.waker());
        let waker = Waker::from(Arc::clone(&self.bell));
        loop {
            self.bell.rung.store(false, Ordering::Release);
            let collecting = Collecting::new(self);
            let found = response(&mut Context::from_waker(&waker));
            drop(collecting);
            if found.is_ready() {
                // Nobody says when the next look is.
                self.let_go();
                return found;
            }
            if self.bell.rung.load(Ordering::Acquire) {
                return Poll::Pending;
            }
            let mut loaded = false;
            while let Poll::Ready(Some(())) = self.loading.poll_next_unpin(context) {
                loaded = true;
            }
            if !loaded {
                return Poll::Pending;
            }
        }
    }

    fn let_go(&mut self) {
        // Without a runtime there is nobody left to wait for them.
        if let (false, Ok(runtime)) = (self.loading.is_empty(), tokio::runtime::Handle::try_current()) {
            for batch in std::mem::take(&mut self.loading) {
                runtime.spawn(batch);
            }
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// While it lives, batches that are begun on this thread belong to a response, also when a resolver panics.
struct Collecting<'a> {
    batches: &'a Batches,
    outer: Option<Vec<Batch>>,
}

impl<'a> Collecting<'a> {
    fn new(batches: &'a Batches) -> Self {
        let outer = BEGUN.replace(Some(Vec::new()));
        Self { batches, outer }
    }
}

impl Drop for Collecting<'_> {
    fn drop(&mut self) {
        for batch in BEGUN.replace(self.outer.take()).unwrap_or_default() {
            self.batches.loading.push(batch);
        }
    }
}

/// Runs what makes one response.
pub async fn of_response<T>(response: impl Future<Output = T>) -> T {
    let mut response = pin!(response);
    let mut batches = Batches::default();
    std::future::poll_fn(move |context| batches.look(context, |context| response.poll_unpin(context))).await
}

/// Runs what makes many responses.
pub fn of_responses<T: 'static>(responses: impl Stream<Item = T> + Send + 'static) -> BoxStream<'static, T> {
    let mut responses = Box::pin(responses);
    let mut batches = Batches::default();
    futures::stream::poll_fn(move |context| {
        batches.look(context, |context| responses.poll_next_unpin(context))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_graphql::dataloader::Loader;
    use async_graphql::{Context, EmptyMutation, Object, Schema, Subscription};
    use tokio::sync::Semaphore;

    use super::*;

    /// Counts how often it is asked, and answers when it may.
    #[derive(Clone)]
    struct Twice {
        asked: Arc<AtomicUsize>,
        may: Arc<Semaphore>,
    }

    impl Loader<i32> for Twice {
        type Value = i32;
        type Error = Infallible;

        async fn load(&self, keys: &[i32]) -> Result<HashMap<i32, i32>, Infallible> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let _permit = self.may.acquire().await;
            tokio::task::yield_now().await;
            Ok(keys.iter().map(|key| (*key, key * 2)).collect())
        }
    }

    struct Node(i32);

    #[Object]
    impl Node {
        async fn twice(&self, ctx: &Context<'_>) -> i32 {
            let loader = ctx.data_unchecked::<DataLoader<Twice>>();
            loader.load_one(self.0).await.unwrap().unwrap()
        }

        async fn next(&self, ctx: &Context<'_>) -> Vec<Node> {
            let twice = self.twice(ctx).await.unwrap();
            (twice..twice + 3).map(Node).collect()
        }

        async fn panics(&self, ctx: &Context<'_>) -> i32 {
            let loaded = self.twice(ctx);
            futures::pin_mut!(loaded);
            assert!(loaded.now_or_never().is_some(), "as it must");
            0
        }
    }

    struct Query;

    #[Object]
    impl Query {
        async fn nodes(&self, count: i32) -> Vec<Node> {
            (0..count).map(Node).collect()
        }
    }

    struct Events;

    #[Subscription]
    impl Events {
        async fn nodes(&self, count: i32) -> impl Stream<Item = Vec<Node>> + use<> {
            futures::stream::iter([(0..count).map(Node).collect()])
        }
    }

    type Small = Schema<Query, EmptyMutation, Events>;

    fn schema(permits: usize) -> (Small, Twice) {
        let twice = Twice {
            asked: Arc::default(),
            may: Arc::new(Semaphore::new(permits)),
        };
        let schema = Schema::build(Query, EmptyMutation, Events).data(loader(twice.clone()));
        (schema.finish(), twice)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn each_level_is_one_batch_however_many_there_are() {
        let (schema, twice) = schema(1);
        for count in [1, 7, 90] {
            let text = format!("{{ nodes(count: {count}) {{ next {{ next {{ twice }} }} }} }}");
            let response = of_response(schema.execute(&text)).await;
            assert_eq!(response.errors, []);
            // Not one for each batch of fields that the engine works through before it gives others a turn.
            assert_eq!(twice.asked.swap(0, Ordering::SeqCst), 3, "{count} nodes");
            let mut responses = of_responses(schema.execute_stream(format!("subscription {text}")));
            let response = responses.next().await.unwrap();
            assert_eq!(response.errors, []);
            assert!(responses.next().await.is_none());
            assert_eq!(twice.asked.swap(0, Ordering::SeqCst), 3, "{count} nodes, live");
        }
    }

    #[tokio::test]
    async fn a_batch_outlives_the_response_that_began_it() {
        let (schema, twice) = schema(0);
        let text = "{ nodes(count: 3) { twice } }";
        let mut first = Box::pin(of_response(schema.execute(text)));
        assert!(futures::poll!(&mut first).is_pending());
        // In the same batch: the first one was not asked again since, and its loader is busy.
        let second = tokio::spawn({
            let schema = schema.clone();
            async move { of_response(schema.execute(text)).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        twice.may.add_permits(1);
        let response = second.await.unwrap();
        assert_eq!(response.errors, []);
    }

    #[tokio::test]
    async fn a_batch_outlives_a_panic() {
        let (schema, _) = schema(1);
        let failing = tokio::spawn({
            let schema = schema.clone();
            async move { of_response(schema.execute("{ nodes(count: 1) { panics } }")).await }
        });
        assert!(failing.await.unwrap_err().is_panic());
        // The same key: it waits for the batch that the panic left behind, or begins its own.
        let response = of_response(schema.execute("{ nodes(count: 1) { twice } }")).await;
        assert_eq!(response.errors, []);
    }

    #[tokio::test]
    async fn whoever_is_not_in_a_response_is_loaded_too() {
        let (_, twice) = schema(1);
        let loader = loader(twice.clone());
        let (one, two) = tokio::join!(loader.load_one(1), loader.load_one(2));
        assert_eq!((one.unwrap(), two.unwrap()), (Some(2), Some(4)));
        assert_eq!(twice.asked.load(Ordering::SeqCst), 1);
    }
}
