//! P5: whatever becomes of batches and their callers, nothing is left of them.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use super::*;
use crate::flight::FlightId;
use crate::reentry;

const LONG: Duration = Duration::from_secs(3_600);

type Pairs = Vec<(u64, u64)>;

fn all(keys: Vec<u64>) -> impl Future<Output = Result<Pairs, String>> + Send + 'static {
    std::future::ready(Ok(keys.into_iter().map(|key| (key, key)).collect()))
}

fn left_over(batched: &Batched<u64, u64, String>) -> (usize, usize) {
    (batched.cache.shared().flights.occupancy(), batched.batches.occupancy())
}

/// Waits for other threads and tasks.
async fn until(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("this should not hang");
}

#[tokio::test]
async fn nothing_is_left_of_batches_that_have_run() {
    let cache = Cache::<u64, u64>::builder().build();
    let found = cache.batched(Duration::ZERO, 8, all);
    assert_eq!(found.get_many(0..100).await.map(|found| found.len()), Ok(100));
    assert_eq!(left_over(&found), (0, 0));

    let nothing = cache.batched(Duration::ZERO, 8, |_| std::future::ready(Ok::<Pairs, String>(vec![])));
    assert_eq!(nothing.get_many(100..200).await, Ok(HashMap::new()));
    assert_eq!(left_over(&nothing), (0, 0));

    let failing = cache.batched(Duration::ZERO, 8, |_| {
        std::future::ready(Err::<Pairs, _>("down".to_owned()))
    });
    assert_eq!(failing.get_many(200..300).await, Err("down".to_owned()));
    until(|| left_over(&failing) == (0, 0)).await;

    let panicking: Batched<_, _, String> =
        cache.batched(Duration::ZERO, 8, |_| async { panic!("told to") as Result<Pairs, _> });
    for key in 300..310 {
        let asking = std::panic::AssertUnwindSafe(panicking.get(key));
        assert!(asking.catch_unwind().await.is_err());
    }
    assert_eq!(left_over(&panicking), (0, 0));
}

#[tokio::test]
async fn nothing_is_left_of_callers_that_have_gone() {
    let cache = Cache::<u64, u64>::builder().build();
    let found = cache.batched(LONG, 10, all);
    for key in 0..9 {
        assert!(found.get(key).now_or_never().is_none());
    }
    assert_eq!(left_over(&found), (9, 9));
    // The last fills it, and it runs for nobody.
    assert!(found.get(9).now_or_never().is_none());
    assert_eq!(left_over(&found), (10, 0));
    until(|| cache.len() == 10).await;
    assert_eq!(left_over(&found), (0, 0));
}

#[test]
fn nothing_is_left_of_a_runtime_that_has_gone() {
    let cache = Cache::<u64, u64>::builder().build();
    let gathering = cache.batched(LONG, 10, all);
    let hanging: Batched<_, _, String> = cache.batched(LONG, 1, |_| pending::<Result<Pairs, _>>());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for key in 0..5 {
            assert!(gathering.get(key).now_or_never().is_none());
            assert!(hanging.get(10 + key).now_or_never().is_none());
        }
        tokio::task::yield_now().await;
    });
    assert_eq!(left_over(&gathering), (10, 5));
    drop(runtime);
    assert_eq!((left_over(&gathering), left_over(&hanging)), ((0, 0), (0, 0)));
}

/// The edges of loads that run as one go with them.
#[test]
fn what_runs_as_one_is_forgotten_afterwards() {
    let (a, b, one) = (FlightId::next(), FlightId::next(), FlightId::next());
    let gathered = reentry::gather(vec![a, b], one);
    {
        let _running = reentry::Running::enter(one);
        assert!(reentry::wait(a).is_err() && reentry::wait(b).is_err());
    }
    drop(gathered);
    let _running = reentry::Running::enter(one);
    assert!(reentry::wait(a).is_ok());
}

/// A batch holds its cache and no more than that: when all are gone, so are the values.
#[tokio::test]
async fn nothing_keeps_a_cache_alive() {
    let cache = Cache::<u64, Arc<()>>::builder().build();
    let value = Arc::new(());
    let found = {
        let value = Arc::clone(&value);
        cache.batched(Duration::ZERO, 8, move |keys: Vec<u64>| {
            let value = Arc::clone(&value);
            async move {
                Ok::<_, String>(
                    keys.into_iter()
                        .map(|key| (key, Arc::clone(&value)))
                        .collect::<Vec<_>>(),
                )
            }
        })
    };
    assert_eq!(found.get_many(0..20).await.map(|found| found.len()), Ok(20));
    drop((cache, found));
    until(|| Arc::strong_count(&value) == 1).await;
}
