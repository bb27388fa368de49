//! Rate limits that several servers share through a real Valkey, and what becomes of them when it goes away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cronium_entity::enums::UserRole;
use cronium_server::kernel::clock::SystemClock;
use cronium_server::rate::{Balance, Buckets, Principal, Quota, Rates, SharedBuckets};
use cronium_server::transport::graphql::Settings;
use uuid::Uuid;

use crate::support::served::Served;
use crate::support::valkey::TestValkey;

const SOMEBODY: Principal = Principal::User(Uuid::from_u128(7));
/// Fills with one a minute for every unit: within a test next to nothing comes back.
const SLOW: Quota = Quota(100);

fn server(valkey: &TestValkey) -> SharedBuckets {
    SharedBuckets::new(valkey.link(), Arc::new(SystemClock))
}

/// Takes with this server until Valkey has the bucket: it may have to be found first.
async fn shared(valkey: &TestValkey, server: &SharedBuckets, quota: Quota, cost: u64) -> Balance {
    let found = async {
        loop {
            let balance = server.take(SOMEBODY, quota, cost).await;
            if valkey.ask::<u64>(&["DBSIZE"]).await == 1 {
                return balance;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), found).await;
    found.expect("Valkey is used")
}

#[tokio::test]
async fn two_servers_have_one_bucket_between_them() {
    let valkey = TestValkey::start().await;
    let (one, other) = (server(&valkey), server(&valkey));
    let first = one.take(SOMEBODY, SLOW, 60).await;
    assert_eq!((first.limit, first.remaining, first.wait), (100, 40, None));
    let second = other.take(SOMEBODY, SLOW, 30).await;
    assert_eq!((second.remaining, second.wait), (10, None));
    let refused = one.take(SOMEBODY, SLOW, 20).await;
    assert_eq!(refused.remaining, 10, "nothing was taken");
    // 10 too few at 100 a minute.
    assert!([5, 6].contains(&refused.retry_after().unwrap()), "{refused:?}");
    let stranger = other.take(Principal::Nowhere, SLOW, 100).await;
    assert_eq!((stranger.remaining, stranger.wait), (0, None));
}

#[tokio::test]
async fn five_hundred_at_once_through_two_servers_get_exactly_what_the_bucket_holds() {
    let valkey = TestValkey::start().await;
    let servers = [server(&valkey), server(&valkey)];
    for server in &servers {
        server.take(Principal::Nowhere, SLOW, 1).await;
    }
    let all = (0..500).map(|n| servers[n % 2].take(SOMEBODY, SLOW, 3));
    let all = futures::future::join_all(all).await;
    let admitted = all.iter().filter(|balance| balance.wait.is_none()).count();
    assert_eq!(admitted, 33);
}

#[tokio::test]
async fn a_bucket_fills_by_the_time_of_valkey_and_is_forgotten_when_it_is_full() {
    let valkey = TestValkey::start().await;
    let server = server(&valkey);
    // A hundred a second.
    let quick = Quota(6_000);
    assert_eq!(server.take(SOMEBODY, quick, 6_000).await.remaining, 0);
    let refused = server.take(SOMEBODY, quick, 50).await;
    assert_eq!(refused.retry_after(), Some(1), "{refused:?}");
    let began = Instant::now();
    let filled = async {
        while server.take(SOMEBODY, quick, 50).await.wait.is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), filled)
        .await
        .unwrap();
    assert!(
        began.elapsed() >= Duration::from_millis(350),
        "{:?}",
        began.elapsed()
    );
    let lives: i64 = valkey
        .ask(&["PTTL", &format!("cronium:rate:user:{}", Uuid::from_u128(7))])
        .await;
    assert!((1..=60_001).contains(&lives), "{lives} ms");
}

#[tokio::test]
async fn when_valkey_goes_away_limits_go_on_where_they_were() {
    let mut valkey = TestValkey::start().await;
    let server = server(&valkey);
    assert_eq!(server.take(SOMEBODY, SLOW, 70).await.remaining, 30);
    valkey.kill();
    let began = Instant::now();
    let away = server.take(SOMEBODY, SLOW, 20).await;
    assert_eq!((away.remaining, away.wait), (10, None), "not a new bucket");
    assert!(server.take(SOMEBODY, SLOW, 20).await.wait.is_some());
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for it");

    // It comes back with nothing in it: what the server knows counts.
    valkey.restart().await;
    let back = shared(&valkey, &server, SLOW, 20).await;
    assert!(back.wait.is_some() && back.remaining <= 11, "{back:?}");
    let other = self::server(&valkey);
    let seen = other.take(SOMEBODY, SLOW, 0).await;
    assert!(seen.remaining <= 12, "other servers see it too: {seen:?}");
}

#[tokio::test]
async fn a_valkey_that_hangs_holds_up_one_operation_a_second_and_no_longer_than_a_moment() {
    let valkey = TestValkey::start().await;
    let server = server(&valkey);
    assert_eq!(server.take(SOMEBODY, SLOW, 10).await.remaining, 90);
    valkey.freeze(true);
    let began = Instant::now();
    assert_eq!(server.take(SOMEBODY, SLOW, 10).await.remaining, 80);
    let first = began.elapsed();
    for _ in 0..50 {
        server.take(SOMEBODY, SLOW, 0).await;
    }
    let all = began.elapsed();
    valkey.freeze(false);
    assert!(first < Duration::from_secs(1), "the first waited {first:?}");
    assert!(all < Duration::from_secs(2), "all waited {all:?}");
    let back = async {
        loop {
            let balance = server.take(SOMEBODY, SLOW, 0).await;
            let other = self::server(&valkey).take(SOMEBODY, SLOW, 0).await;
            if other.remaining <= 81 {
                return balance;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let back = tokio::time::timeout(Duration::from_secs(20), back).await.unwrap();
    assert!(back.remaining <= 82, "{back:?}");
}

#[tokio::test]
async fn a_server_starts_without_its_valkey_and_the_api_keeps_its_limits() {
    let mut valkey = TestValkey::start().await;
    valkey.kill();
    let settings = || Settings {
        rates: Rates {
            signed_in: Some(SLOW),
            anonymous: Some(SLOW),
        },
        buckets: Some(Arc::new(server(&valkey))),
        ..Settings::default()
    };
    let served = Served::with(settings()).await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let query = "{ rateLimit { remaining } }";
    let mut admitted = 0;
    loop {
        let response = served.post(&token, query).send().await.unwrap();
        if response.status() == 429 {
            assert!(response.headers().contains_key("retry-after"));
            break;
        }
        assert_eq!(response.status(), 200);
        admitted += 1;
        assert!(admitted <= 100);
    }
    assert!(admitted >= 10, "{admitted}");
}
