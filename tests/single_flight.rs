//! P3 and P4: callers of one key share one load, whatever becomes of it; hits wait for nothing; who would wait for
//! himself is told so.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::sync::Arc;

use cache_core::{Cache, cached_in, cached_lru};
use futures::FutureExt as _;
use support::{Fate, Read, Source, soon, until};
use tokio::task::JoinHandle;

const CALLERS: usize = 100;
const KEY: u64 = 7;

#[derive(Debug)]
struct NotClone;

struct Users {
    cache: Cache<u64, u64>,
    source: Source,
}

impl Users {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            cache: Cache::builder().name("users").build(),
            source: Source::new(1),
        })
    }

    #[cached_in(self.cache)]
    async fn plain(&self, id: u64) -> u64 {
        let _ = id;
        self.source.read().await
    }

    #[cached_in(self.cache)]
    async fn with_clone_error(&self, id: u64) -> Result<u64, String> {
        let _ = id;
        self.source.try_read().await.map_err(str::to_owned)
    }

    #[cached_in(self.cache)]
    async fn with_other_error(&self, id: u64) -> Result<u64, NotClone> {
        let _ = id;
        self.source.try_read().await.map_err(|_| NotClone)
    }
}

/// Lets a hundred callers ask for one cold key, and returns when all of them wait, but for the one that loads.
async fn crowd<R, Fut>(users: &Arc<Users>, call: fn(Arc<Users>) -> Fut) -> Vec<JoinHandle<R>>
where
    R: Send + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    let callers = (0..CALLERS).map(|_| tokio::spawn(call(Arc::clone(users)))).collect();
    // A caller has joined the load before it is counted; the one that loads is counted before it reads.
    until(|| users.cache.stats().misses == CALLERS as u64 && users.source.reads() > 0).await;
    assert_eq!(users.source.reads(), 1);
    callers
}

/// The same where it matters which of them loads: the first, whose read has started when the others come.
async fn crowd_behind_a_leader(users: &Arc<Users>) -> (JoinHandle<u64>, Read, Vec<JoinHandle<u64>>) {
    let call = || {
        let users = Arc::clone(users);
        tokio::spawn(async move { users.plain(KEY).await })
    };
    let leader = call();
    let read = users.source.started().await;
    let others = (1..CALLERS).map(|_| call()).collect();
    until(|| users.cache.stats().misses == CALLERS as u64).await;
    (leader, read, others)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_shares_one_load() {
    let users = Users::new();
    let callers = crowd(&users, |users| async move { users.plain(KEY).await }).await;
    users.source.started().await.go_on();
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap(), 1);
    }
    let stats = users.cache.stats();
    assert_eq!((stats.loads, stats.coalesced), (1, CALLERS as u64 - 1));
    println!("success: {} load", stats.loads);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_can_be_copied_reaches_the_whole_crowd() {
    let users = Users::new();
    let callers = crowd(&users, |users| async move { users.with_clone_error(KEY).await }).await;
    users.source.started().await.end(Fate::Fail);
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap(), Err("failed".to_owned()));
    }
    let stats = users.cache.stats();
    assert_eq!((stats.loads, stats.load_failures), (1, 1));
    println!("error, Clone: {} load", stats.loads);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_cannot_be_copied_makes_nobody_wait_in_line() {
    let users = Users::new();
    let callers = crowd(&users, |users| async move { users.with_other_error(KEY).await }).await;
    users.source.started().await.end(Fate::Fail);
    // All others load at once: every load has started before the first of them ends. The whole takes the time of two.
    let mut reads = Vec::new();
    for _ in 1..CALLERS {
        reads.push(users.source.started().await);
    }
    for read in reads {
        read.end(Fate::Fail);
    }
    for caller in callers {
        assert!(soon(caller).await.unwrap().is_err());
    }
    println!("error, not Clone: {} loads in two rounds", users.cache.stats().loads);
    assert_eq!(users.cache.stats().loads, CALLERS as u64);
    assert!(users.cache.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_error_that_cannot_be_copied_a_success_is_kept() {
    let users = Users::new();
    let callers = crowd(&users, |users| async move { users.with_other_error(KEY).await }).await;
    users.source.started().await.end(Fate::Fail);
    let mut reads = Vec::new();
    for _ in 1..CALLERS {
        reads.push(users.source.started().await);
    }
    for read in reads {
        read.go_on();
    }
    let mut failed = 0;
    for caller in callers {
        failed += usize::from(soon(caller).await.unwrap().is_err());
    }
    assert_eq!(failed, 1);
    assert_eq!(users.cache.peek(&KEY), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_harms_only_its_own_caller() {
    let users = Users::new();
    let callers = crowd(&users, |users| async move { users.plain(KEY).await }).await;
    users.source.started().await.end(Fate::Panic);
    users.source.started().await.go_on();
    let mut panicked = 0;
    for caller in callers {
        match soon(caller).await {
            Ok(value) => assert_eq!(value, 1),
            Err(error) => panicked += usize::from(error.is_panic()),
        }
    }
    assert_eq!(panicked, 1);
    println!("panic: {} loads", users.cache.stats().loads);
    assert_eq!(users.cache.stats().loads, 2);
}

/// On one thread, where yielding lets all others go as far as they can: all have joined the second load when it ends.
#[tokio::test]
async fn a_load_that_always_panics_makes_nobody_wait_in_line() {
    let users = Users::new();
    let callers = crowd(&users, |users| async move { users.plain(KEY).await }).await;
    for _ in 0..2 {
        users.source.started().await.end(Fate::Panic);
        for _ in 0..CALLERS {
            tokio::task::yield_now().await;
        }
    }
    let mut reads = Vec::new();
    for _ in 2..CALLERS {
        reads.push(users.source.started().await);
    }
    for read in reads {
        read.end(Fate::Panic);
    }
    for caller in callers {
        assert!(soon(caller).await.unwrap_err().is_panic());
    }
    assert!(users.cache.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_leader_is_replaced_by_a_waiter() {
    let users = Users::new();
    let (leader, read, others) = crowd_behind_a_leader(&users).await;
    leader.abort();
    assert!(soon(leader).await.unwrap_err().is_cancelled());
    drop(read);
    let next = users.source.started().await;
    assert!(
        !users.source.has_started().await,
        "one takes over, the others go on waiting"
    );
    next.go_on();
    for caller in others {
        assert_eq!(soon(caller).await.unwrap(), 1);
    }
    println!("leader cancelled: {} loads", users.cache.stats().loads);
    assert_eq!(users.cache.stats().loads, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelled_waiters_leave_the_load_alone() {
    let users = Users::new();
    let (leader, read, others) = crowd_behind_a_leader(&users).await;
    for caller in others.iter().step_by(2) {
        caller.abort();
    }
    read.go_on();
    assert_eq!(soon(leader).await.unwrap(), 1);
    for (index, caller) in others.into_iter().enumerate() {
        match soon(caller).await {
            Ok(value) => assert_eq!(value, 1),
            Err(error) => assert!(error.is_cancelled() && index % 2 == 0),
        }
    }
    assert_eq!(users.cache.stats().loads, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_keeps_nothing_still_shares_loads() {
    #[cached_lru(max_size = 0, skip(source))]
    async fn nothing(source: &Source, id: u64) -> u64 {
        let _ = id;
        source.read().await
    }

    let source = Arc::new(Source::new(1));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let source = Arc::clone(&source);
            tokio::spawn(async move { nothing(&source, 1).await })
        })
        .collect();
    until(|| nothing::stats().misses == CALLERS as u64).await;
    source.started().await.go_on();
    for caller in callers {
        assert_eq!(soon(caller).await.unwrap(), 1);
    }
    assert_eq!((source.reads(), nothing::stats().len), (1, 0));
}

/// P4: not "soon" but at once, in one poll.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_load_delays_no_hit_of_any_key() {
    let users = Users::new();
    for id in 0..1_000 {
        users.cache.insert(id, id).await;
    }
    let reload = tokio::spawn({
        let users = Arc::clone(&users);
        async move { users.cache.refresh(KEY, || users.source.read()).await }
    });
    let cold = tokio::spawn({
        let users = Arc::clone(&users);
        async move { users.plain(5_000).await }
    });
    let reads = [users.source.started().await, users.source.started().await];
    for id in 0..1_000 {
        assert_eq!(users.plain(id).now_or_never(), Some(id));
    }
    for read in reads {
        read.go_on();
    }
    soon(reload).await.unwrap();
    soon(cold).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn unrelated_keys_load_side_by_side() {
    let users = Users::new();
    let callers: Vec<_> = (0..CALLERS as u64)
        .map(|id| {
            let users = Arc::clone(&users);
            tokio::spawn(async move { users.plain(id).await })
        })
        .collect();
    let mut reads = Vec::new();
    for _ in 0..CALLERS {
        reads.push(users.source.started().await);
    }
    for read in reads {
        read.go_on();
    }
    for caller in callers {
        soon(caller).await.unwrap();
    }
}

mod reentry {
    use super::*;

    fn message(error: tokio::task::JoinError) -> String {
        *error.into_panic().downcast::<String>().unwrap()
    }

    #[cached_lru]
    async fn itself(id: u64) -> u64 {
        Box::pin(itself(id)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_load_that_asks_for_its_own_key_says_so() {
        let error = soon(tokio::spawn(itself(1))).await.unwrap_err();
        let message = message(error);
        assert!(
            message.contains("::itself`") && message.contains("wait for itself"),
            "{message}"
        );
    }

    #[cached_lru]
    async fn factorial(n: u64) -> u64 {
        if n == 0 {
            1
        } else {
            n * Box::pin(factorial(n - 1)).await
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_load_may_ask_for_other_keys_of_its_own_function() {
        assert_eq!(factorial(10).await, 3_628_800);
        assert_eq!(factorial::stats().loads, 11);
    }

    #[cached_lru]
    async fn ping(id: u64) -> u64 {
        Box::pin(pong(id)).await
    }

    #[cached_lru]
    async fn pong(id: u64) -> u64 {
        Box::pin(ping(id)).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_circle_of_functions_says_so() {
        let error = soon(tokio::spawn(ping(1))).await.unwrap_err();
        assert!(message(error).contains("wait for itself"));
    }

    /// Two tasks, each of which loads what the other one waits for.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_circle_across_tasks_says_so() {
        let cache = Cache::<u64, u64>::builder().name("circle").build();
        let both_load = Arc::new(tokio::sync::Barrier::new(2));
        let call = |mine: u64, other: u64| {
            let (cache, both_load) = (cache.clone(), Arc::clone(&both_load));
            tokio::spawn(async move {
                let inner = cache.clone();
                cache
                    .get_or_load(mine, || async move {
                        both_load.wait().await;
                        inner.get_or_load(other, || async { 0 }).await
                    })
                    .await
            })
        };
        let (a, b) = (call(1, 2), call(2, 1));
        let (a, b) = (soon(a).await, soon(b).await);
        let told = [a, b]
            .into_iter()
            .filter_map(Result::err)
            .map(message)
            .collect::<Vec<_>>();
        assert!(
            told.iter().any(|message| message.contains("cache `circle`")),
            "{told:?}"
        );
    }
}
