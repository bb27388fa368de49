//! Following what must be followed for as long as somebody looks at it. Knows no page.

use std::ops::ControlFlow;

use futures::StreamExt as _;
use serde::de::DeserializeOwned;

use super::error::ApiErrorKind;
use super::live::{Feed, Subscription};
use super::protocol;
use crate::browser;

/// Follows a subscription until `take` breaks off. One that the server ended is begun anew, after longer each time that
/// nothing came of it, so that a page does not stay as it was for a failure that is over. What is refused or not there
/// is not asked for again.
pub async fn insist<Q: DeserializeOwned>(
    begin: impl Fn() -> Subscription<Q>,
    mut take: impl FnMut(Feed<Q>) -> ControlFlow<()>,
) {
    let mut failures = 0;
    loop {
        let mut feed = begin();
        while let Some(news) = feed.next().await {
            let over = matches!(&news, Feed::Failed(error) if is_final(error.kind));
            if matches!(news, Feed::Data(_)) {
                failures = 0;
            }
            if take(news).is_break() || over {
                return;
            }
        }
        drop(feed);
        if take(Feed::Down).is_break() {
            return;
        }
        // The first step of what a lost connection waits is too short for a server that has just said no.
        failures += 1;
        browser::sleep(protocol::back_off(failures + 1, js_sys::Math::random())).await;
    }
}

fn is_final(kind: ApiErrorKind) -> bool {
    matches!(kind, ApiErrorKind::NotFound | ApiErrorKind::Refused)
}
