//! Tasks that live as long as their executor. One that panics is noticed: the process ends, and its next life goes on
//! with what runs, where it would else work on without that part.

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Whether any of them has failed.
#[derive(Debug, Default)]
pub struct Keepers {
    failed: CancellationToken,
}

impl Keepers {
    /// Runs until it ends or the handle is dropped, which counts as a failure too: a handle lives as long as its executor.
    pub fn spawn(&self, keeper: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
        let unwinding = self.failed.clone().drop_guard();
        AbortOnDropHandle::new(tokio::spawn(async move {
            keeper.await;
            unwinding.disarm();
        }))
    }

    /// Waits for the first that fails.
    pub async fn failed(&self) {
        self.failed.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_noticed_and_an_end_is_none() {
        let keepers = Keepers::default();
        keepers.spawn(async {}).await.unwrap();
        let noticed = || timeout(Duration::from_secs(1), keepers.failed());
        assert!(noticed().await.is_err());
        let panicking = keepers.spawn(async { panic!("a fault") }).await;
        assert!(panicking.unwrap_err().is_panic());
        noticed().await.expect("it is noticed");
    }
}
