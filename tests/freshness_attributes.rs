//! The attributes' words for time and failure, and loads that outlive their calls.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::items_after_statements,
    clippy::too_many_arguments,
    clippy::trivially_copy_pass_by_ref,
    clippy::useless_format,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::borrow::Cow;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cache_core::{
    Cache, LoadTimeout, agent_cached, agent_invalidates, cached_in, cached_lru, cached_ttl, invalidates, session,
};
use futures::FutureExt as _;
use tokio::task::yield_now;

use support::{Fate, Source, soon};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Lets the tasks of the runtime run until something has come true. It has one thread, so that a few turns will do.
async fn until(mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        yield_now().await;
    }
    panic!("this should have come true");
}

#[derive(Clone, Debug, PartialEq)]
struct Options {
    deep: bool,
}

#[cached_lru(
    detached,
    skip(shared, path, options, names, maybe, cow, closure, shown, generic, fixed, some, page)
)]
async fn every_kind<D: Display + Clone + Send + Sync + 'static>(
    id: u64,
    region: &str,
    mut owned: String,
    ids: &[u32],
    shared: &Arc<Vec<u8>>,
    path: &Path,
    options: &Options,
    names: Vec<String>,
    maybe: Option<&str>,
    some: Option<&Options>,
    cow: Cow<'_, str>,
    page: Cow<'_, [u8]>,
    closure: impl Fn() -> u64 + Send + Sync + 'static,
    shown: &(impl Display + Clone + Send + Sync + 'static),
    generic: &D,
    (one, two): (u8, u8),
    fixed: &'static str,
) -> String {
    owned.push('!');
    format!(
        "{id} {region} {owned} {ids:?} {shared:?} {} {options:?} {names:?} {maybe:?} {some:?} {cow} {page:?} {} {shown} {generic} {one}{two} {fixed}",
        path.display(),
        closure()
    )
}

#[tokio::test]
async fn arguments_of_every_kind_arrive() {
    let text = every_kind(
        7,
        &String::from("eu"),
        "owned".to_owned(),
        &[1, 2],
        &Arc::new(vec![3]),
        Path::new("/tmp"),
        &Options { deep: true },
        vec!["a".to_owned()],
        Some("b"),
        Some(&Options { deep: false }),
        Cow::Borrowed("c"),
        Cow::Borrowed(&[4]),
        || 5,
        &6,
        &"d".to_owned(),
        (8, 9),
        "e",
    )
    .await;
    assert_eq!(
        text,
        "7 eu owned! [1, 2] [3] /tmp Options { deep: true } [\"a\"] Some(\"b\") Some(Options { deep: false }) c [4] 5 6 d 89 e"
    );
}

#[derive(Clone)]
struct Users {
    prefix: String,
    cache: Cache<u64, String>,
}

trait Repository {
    fn of_trait(&self, id: u64, name: &str) -> impl Future<Output = Result<String, Slow>> + Send;
}

#[derive(Clone, Debug, PartialEq)]
enum Slow {
    Timeout(LoadTimeout),
    Down,
}

impl From<&'static str> for Slow {
    fn from(_: &'static str) -> Self {
        Self::Down
    }
}

impl From<LoadTimeout> for Slow {
    fn from(timeout: LoadTimeout) -> Self {
        Self::Timeout(timeout)
    }
}

impl Users {
    #[cached_lru(detached, skip(self))]
    async fn by_reference(&self, id: u64) -> String {
        format!("{}{id}", self.prefix)
    }

    #[cached_lru(load_timeout = "1m", key = (self.prefix, id))]
    async fn by_key(self: &Arc<Self>, id: u64, name: &str) -> Result<String, Slow> {
        Ok(format!("{}{id}{name}", self.prefix))
    }

    #[cached_ttl(refresh_ahead = 0.5, skip(self))]
    async fn by_arc(self: Arc<Self>, id: u64) -> String {
        format!("{}{id}", self.prefix)
    }

    #[cached_in(self.cache, detached)]
    async fn in_own(mut self, id: u64) -> String {
        self.prefix.push('?');
        let Self { prefix, .. } = &self;
        struct Inner(u64);
        impl Inner {
            fn show(&self) -> String {
                self.0.to_string()
            }
        }
        use self::inner::same;
        /// Not a `{self}` to be shown, and neither are these.
        const BRACES: &str = "{self}";
        let braces = format!("{{self}}");
        assert_eq!(braces, BRACES);
        same(format!("{prefix}{}", Inner(id).show()))
    }
}

mod inner {
    pub(super) fn same<T>(value: T) -> T {
        value
    }
}

impl Repository for Users {
    #[cached_in(self.cache, detached, key = id, cache_if = |name| !name.is_empty())]
    async fn of_trait(&self, id: u64, name: &str) -> Result<String, Slow> {
        if id == 0 {
            return Err(Slow::Down);
        }
        let of = async || self.by_reference(id).await;
        Ok(format!("{name}{}{}", of().await, self.prefix))
    }
}

#[tokio::test]
async fn methods_take_themselves_along() {
    let users = Users {
        prefix: "u".to_owned(),
        cache: Cache::builder().build(),
    };
    assert_eq!(users.by_reference(1).await, "u1");
    let shared = Arc::new(users.clone());
    assert_eq!(shared.by_key(1, "x").await.unwrap(), "u1x");
    assert_eq!(Arc::clone(&shared).by_arc(1).await, "u1");
    assert_eq!(users.of_trait(1, "n").await.unwrap(), "nu1u");
    assert_eq!(users.of_trait(0, "n").await, Err(Slow::Down));
    assert_eq!(users.clone().in_own(2).await, "u?2");
}

// What a load takes along

/// Counts its clones.
#[derive(Default)]
struct Counted(Arc<AtomicU64>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test]
async fn only_who_loads_clones_arguments() {
    #[cached_lru(detached, skip(source, counted))]
    async fn get(source: &Arc<Source>, counted: &Counted, id: u64) -> u64 {
        let _ = counted;
        source.read().await + id
    }
    let (source, counted) = (Arc::new(Source::new(1)), Counted::default());
    let clones = || counted.0.load(Ordering::SeqCst);
    let callers = futures::future::join3(
        get(&source, &counted, 7),
        get(&source, &counted, 7),
        get(&source, &counted, 7),
    );
    let end = async { source.started().await.go_on() };
    assert_eq!(soon(futures::future::join(callers, end)).await.0, (8, 8, 8));
    assert_eq!(clones(), 1);
    for _ in 0..5 {
        assert_eq!(get(&source, &counted, 7).await, 8);
    }
    assert_eq!(clones(), 1);
    assert_eq!((get::stats().loads, source.reads()), (1, 1));
}

#[tokio::test]
async fn a_load_survives_its_caller() {
    #[cached_lru(detached, skip(source))]
    async fn get(source: &Arc<Source>, id: u64) -> u64 {
        source.read().await + id
    }
    let source = Arc::new(Source::new(1));
    {
        let mut caller = Box::pin(get(&source, 7));
        assert!((&mut caller).now_or_never().is_none());
    }
    source.started().await.go_on();
    until(|| get::peek(7) == Some(8)).await;

    // And so does a refresh.
    source.set(2);
    {
        let mut caller = Box::pin(get::refresh(&source, 7));
        assert!((&mut caller).now_or_never().is_none());
    }
    source.started().await.go_on();
    until(|| get::peek(7) == Some(9)).await;
    assert_eq!(get(&source, 7).await, 9);
}

#[tokio::test]
async fn without_the_word_it_does_not() {
    #[cached_ttl(stale_if_error = "5m", err_ttl = "1s", jitter = 0.1, skip(source))]
    async fn get(source: &Source, id: u64) -> Result<u64, Slow> {
        Ok(source.try_read().await? + id)
    }
    let source = Source::new(1);
    {
        let mut caller = Box::pin(get(&source, 7));
        assert!((&mut caller).now_or_never().is_none());
    }
    source.started().await.go_on();
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(get::peek(7), None);
}

#[tokio::test]
async fn the_session_travels_along() {
    #[agent_cached(resource = "travelling", scope = "session", detached)]
    async fn get(id: u64) -> String {
        yield_now().await;
        format!("{}{id}", session::current().unwrap())
    }
    assert_eq!(session::scope("a", get(1)).await, "a1");
    assert_eq!(session::scope("b", get(1)).await, "b1");
    assert_eq!(get::stats().loads, 2);
    assert_eq!(get::cache().len(), 2);
}

#[tokio::test]
async fn a_panic_is_that_of_its_caller() {
    #[cached_lru(detached, skip(source))]
    async fn get(source: &Arc<Source>, id: u64) -> u64 {
        source.read().await + id
    }
    let source = Arc::new(Source::new(1));
    let caller = AssertUnwindSafe(get(&source, 7)).catch_unwind();
    let end = async { source.started().await.end(Fate::Panic) };
    assert!(soon(futures::future::join(caller, end)).await.0.is_err());
    let end = async { source.started().await.go_on() };
    assert_eq!(soon(futures::future::join(get(&source, 7), end)).await.0, 8);
}

#[tokio::test]
async fn an_error_reaches_all_callers() {
    #[cached_lru(detached, skip(source))]
    async fn get(source: &Arc<Source>, id: u64) -> Result<u64, Slow> {
        Ok(source.try_read().await? + id)
    }
    let source = Arc::new(Source::new(1));
    let callers = futures::future::join(get(&source, 7), get(&source, 7));
    let end = async { source.started().await.end(Fate::Fail) };
    let (outcomes, ()) = soon(futures::future::join(callers, end)).await;
    assert_eq!(outcomes, (Err(Slow::Down), Err(Slow::Down)));
    assert_eq!((source.reads(), get::stats().load_failures), (1, 1));
}

#[tokio::test]
async fn what_was_invalidated_while_it_loaded_is_not_kept() {
    #[cached_lru(detached, skip(source))]
    async fn get(source: &Arc<Source>, id: u64) -> u64 {
        source.read().await + id
    }

    #[invalidates(get(id))]
    async fn change(id: u64) {}

    let source = Arc::new(Source::new(1));
    let mut caller = Box::pin(get(&source, 7));
    assert!((&mut caller).now_or_never().is_none());
    let read = source.started().await;
    change(7).await;
    source.set(2);
    read.go_on();
    assert_eq!(soon(caller).await, 8);
    assert_eq!(get::peek(7), None);
    let end = async { source.started().await.go_on() };
    assert_eq!(soon(futures::future::join(get(&source, 7), end)).await.0, 9);
}

#[tokio::test]
async fn what_is_not_to_be_kept_is_not() {
    #[cached_lru(detached, cache_if = |value| value.is_some())]
    async fn get(id: u64) -> Option<u64> {
        (id > 0).then_some(id)
    }
    assert_eq!((get(0).await, get(1).await), (None, Some(1)));
    assert_eq!((get::peek(0), get::peek(1)), (None, Some(Some(1))));
}

#[tokio::test]
async fn a_load_without_a_key_of_a_type_with_a_name_is_one_of_its_own_too() {
    #[cached_lru(detached, key = (region, id), tags("region:{region}"))]
    async fn get(source: &Arc<Source>, region: &str, id: u64) -> u64 {
        source.read().await + id + region.len() as u64
    }
    let source = Arc::new(Source::new(1));
    {
        let mut caller = Box::pin(get(&source, "eu", 7));
        assert!((&mut caller).now_or_never().is_none());
    }
    source.started().await.go_on();
    until(|| get::peek("eu", 7) == Some(10)).await;
    {
        let mut caller = Box::pin(get::refresh(&source, "eu", 7));
        assert!((&mut caller).now_or_never().is_none());
    }
    source.set(2);
    source.started().await.go_on();
    until(|| get::stats().insertions == 2).await;
    assert_eq!(cache_core::invalidate_tag("region:eu").await, 1);
    assert_eq!(get::peek("eu", 7), None);
}

// With time

#[tokio::test(start_paused = true)]
async fn an_old_value_is_served_while_one_load_brings_a_new_one() {
    #[cached_ttl(ttl = "60s", stale_while_revalidate = "30s", skip(source))]
    async fn get(source: &Arc<Source>, id: u64) -> u64 {
        source.read().await + id
    }
    let source = Arc::new(Source::new(1));
    let end = async { source.started().await.go_on() };
    assert_eq!(soon(futures::future::join(get(&source, 7), end)).await.0, 8);
    source.set(2);
    tokio::time::advance(61 * SECOND).await;
    for _ in 0..3 {
        assert_eq!(soon(get(&source, 7)).await, 8);
    }
    source.started().await.go_on();
    until(|| get::peek(7) == Some(9)).await;
    assert_eq!((source.reads(), get::stats().refreshes), (2, 1));

    // After that time it is gone.
    tokio::time::advance(91 * SECOND).await;
    assert!(get(&source, 7).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_old_value_serves_for_a_failure_until_its_time_is_over() {
    #[cached_lru(ttl = "60s", stale_if_error = "5m", retry_after = "10s")]
    async fn get(id: u64) -> Result<u64, Slow> {
        if READS.fetch_add(1, Ordering::SeqCst) == 0 {
            Ok(id)
        } else {
            Err(Slow::Down)
        }
    }
    static READS: AtomicU64 = AtomicU64::new(0);
    let reads = || READS.load(Ordering::SeqCst);
    get(7).await.unwrap();
    tokio::time::advance(61 * SECOND).await;
    assert_eq!((get(7).await, get(7).await, reads()), (Ok(7), Ok(7), 2));
    tokio::time::advance(9 * SECOND).await;
    assert_eq!((get(7).await, reads()), (Ok(7), 2));
    tokio::time::advance(SECOND).await;
    assert_eq!((get(7).await, reads()), (Ok(7), 3));
    assert_eq!((get::stats().load_failures, get::stats().stale), (2, 4));
    tokio::time::advance(5 * MINUTE).await;
    assert_eq!(get(7).await, Err(Slow::Down));
}

#[tokio::test(start_paused = true)]
async fn a_hit_near_the_end_has_a_value_refreshed() {
    const SHARE: f64 = 0.5;

    #[cached_ttl(ttl = "60s", refresh_ahead = SHARE + 0.3)]
    async fn get(id: u64) -> u64 {
        READS.fetch_add(1, Ordering::SeqCst) + id
    }
    static READS: AtomicU64 = AtomicU64::new(0);
    get(7).await;
    tokio::time::advance(47 * SECOND).await;
    assert_eq!((get(7).await, READS.load(Ordering::SeqCst)), (7, 1));
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(get(7).await, 7);
    until(|| get::peek(7) == Some(8)).await;
    // It lives for a minute from then.
    tokio::time::advance(47 * SECOND).await;
    assert_eq!(get(7).await, 8);
}

#[tokio::test(start_paused = true)]
async fn expiry_is_spread_by_a_share_or_a_time() {
    #[cached_lru(unbounded, ttl = "100s", jitter = 0.5)]
    async fn by_share(id: u64) -> u64 {
        id
    }

    #[cached_ttl(unbounded, ttl = "100s", jitter = "50s")]
    async fn by_time(id: u64) -> u64 {
        id
    }

    #[cached_ttl(unbounded, ttl = "100s", jitter = Duration::from_secs(20) + 30 * SECOND)]
    async fn by_expression(id: u64) -> u64 {
        id
    }
    for id in 0..200 {
        by_share(id).await;
        by_time(id).await;
        by_expression(id).await;
    }
    let left = || {
        let count = |peek: &dyn Fn(u64) -> Option<u64>| (0..200).filter(|id| peek(*id).is_some()).count();
        [
            count(&by_share::peek),
            count(&by_time::peek),
            count(&by_expression::peek),
        ]
    };
    tokio::time::advance(49 * SECOND).await;
    assert_eq!(left(), [200; 3]);
    tokio::time::advance(26 * SECOND).await;
    assert!(left().iter().all(|left| (50..150).contains(left)), "{:?}", left());
    tokio::time::advance(26 * SECOND).await;
    assert_eq!(left(), [0; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_value_tells_its_ttl() {
    fn seconds(value: &u64) -> Duration {
        Duration::from_secs(*value)
    }

    #[cached_ttl(ttl_fn = seconds)]
    async fn by_path(id: u64) -> Result<u64, Slow> {
        Ok(id)
    }

    #[cached_lru(ttl_fn = |value| Duration::from_secs(value.len() as u64), tags("texts"))]
    async fn by_closure(id: usize) -> String {
        "x".repeat(id)
    }

    struct Tokens;
    impl Tokens {
        #[cached_lru(ttl_fn = |value| seconds(value), jitter = 0.01, skip(self))]
        async fn by_method(&self, id: u64) -> u64 {
            id
        }
    }
    by_path(0).await.unwrap();
    by_path(100).await.unwrap();
    by_closure(0).await;
    by_closure(100).await;
    Tokens.by_method(0).await;
    Tokens.by_method(100).await;
    assert_eq!((by_path::peek(0), by_closure::peek(0)), (None, None));
    assert_eq!(Tokens::by_method_cache().peek(&0), None);
    tokio::time::advance(98 * SECOND).await;
    assert!(by_path::peek(100).is_some() && by_closure::peek(100).is_some());
    assert_eq!(Tokens::by_method_cache().peek(&100), Some(100));
    tokio::time::advance(2 * SECOND).await;
    assert_eq!((by_path::peek(100), by_closure::peek(100)), (None, None));
    assert_eq!(Tokens::by_method_cache().peek(&100), None);
}

#[tokio::test(start_paused = true)]
async fn errors_are_kept_for_a_while() {
    const fn a_second() -> Duration {
        SECOND
    }

    #[cached_lru(err_ttl = a_second())]
    async fn get(id: u64) -> Result<u64, Slow> {
        if READS.fetch_add(1, Ordering::SeqCst) < 2 {
            Err(Slow::Down)
        } else {
            Ok(id)
        }
    }
    static READS: AtomicU64 = AtomicU64::new(0);
    for _ in 0..3 {
        assert_eq!(get(7).await, Err(Slow::Down));
    }
    assert_eq!((READS.load(Ordering::SeqCst), get::stats().negative_hits), (1, 2));
    get::invalidate(7).await;
    assert_eq!((get(7).await, READS.load(Ordering::SeqCst)), (Err(Slow::Down), 2));
    tokio::time::advance(SECOND).await;
    assert_eq!(get(7).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn who_has_an_old_value_waits_only_so_long() {
    #[cached_ttl(ttl = "60s", stale_if_error = "5m", soft_timeout = "50ms", skip(source))]
    async fn get(source: &Arc<Source>, id: u64) -> Result<u64, Slow> {
        Ok(source.try_read().await? + id)
    }
    let source = Arc::new(Source::new(1));
    let end = async { source.started().await.go_on() };
    assert_eq!(soon(futures::future::join(get(&source, 7), end)).await.0, Ok(8));
    source.set(2);
    tokio::time::advance(61 * SECOND).await;
    assert_eq!(soon(get(&source, 7)).await, Ok(8));
    source.started().await.go_on();
    until(|| get::peek(7) == Some(9)).await;
    assert_eq!((get::stats().timeouts, get::stats().stale), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_waits_only_so_long() {
    #[cached_lru(load_timeout = "2s", skip(source))]
    async fn get(source: &Arc<Source>, id: u64) -> Result<u64, Slow> {
        Ok(source.try_read().await? + id)
    }
    let source = Arc::new(Source::new(1));
    let Err(Slow::Timeout(timeout)) = soon(get(&source, 7)).await else {
        panic!("not in time");
    };
    assert_eq!((timeout.cache(), timeout.after()), (get::cache().name(), 2 * SECOND));
    // The load goes on, and others join it.
    let end = async { source.started().await.go_on() };
    assert_eq!(soon(futures::future::join(get(&source, 7), end)).await.0, Ok(8));
    assert_eq!(source.reads(), 1);

    // A refresh, too.
    assert!(matches!(soon(get::refresh(&source, 7)).await, Err(Slow::Timeout(_))));
}

#[tokio::test(start_paused = true)]
async fn methods_have_it_all() {
    #[derive(Clone)]
    struct Service {
        name: String,
        source: Arc<Source>,
    }

    impl Service {
        #[cached_ttl(
            ttl = "60s",
            stale_while_revalidate = "30s",
            stale_if_error = 5 * MINUTE,
            refresh_ahead = 0.9,
            jitter = "1ms",
            retry_after = "1s",
            err_ttl = "1s",
            soft_timeout = "50ms",
            load_timeout = "2s",
            key = (self.name, id)
        )]
        async fn get(&self, id: u64) -> Result<u64, Slow> {
            Ok(self.source.try_read().await? + id)
        }
    }
    let service = Service {
        name: "a".to_owned(),
        source: Arc::new(Source::new(1)),
    };
    assert!(matches!(soon(service.get(7)).await, Err(Slow::Timeout(_))));
    service.source.started().await.go_on();
    until(|| Service::get_cache().len() == 1).await;
    tokio::time::advance(61 * SECOND).await;
    service.source.set(2);
    assert_eq!(soon(service.get(7)).await, Ok(8));
    service.source.started().await.go_on();
    until(|| Service::get_cache().stats().insertions == 2).await;
    assert_eq!(soon(service.get(7)).await, Ok(9));
}

#[tokio::test(start_paused = true)]
async fn a_cache_of_ones_own_says_how_long() {
    #[derive(Clone)]
    struct Service {
        source: Arc<Source>,
        cache: Cache<u64, u64>,
    }

    impl Service {
        fn new(load_timeout: Duration) -> Self {
            let cache = Cache::builder().ttl(MINUTE).stale_while_revalidate(MINUTE);
            Self {
                source: Arc::new(Source::new(1)),
                cache: cache.load_timeout(load_timeout).build(),
            }
        }

        #[cached_in(self.cache, detached)]
        async fn get(&self, id: u64) -> Result<u64, Slow> {
            let read = self.source.try_read().await?;
            Ok(read + id)
        }

        // Its error cannot tell, so its callers wait.
        #[cached_in(self.cache, detached)]
        async fn get_patiently(&self, id: u64) -> Result<u64, &'static str> {
            Ok(self.source.try_read().await? + id)
        }

        #[cached_in(self.cache, detached)]
        async fn by_arc(self: Arc<Self>, id: u64) -> Result<u64, Slow> {
            Ok(self.source.try_read().await? + id)
        }
    }

    /// Here the cache is that of an argument.
    #[cached_in(cache, detached, key = id)]
    async fn of_any<V: cache_core::Value, F>(cache: &Cache<u64, V>, id: u64, make: F) -> V
    where
        F: Fn(u64) -> V + Send + Sync + 'static,
    {
        yield_now().await;
        make(id)
    }

    let service = Service::new(2 * SECOND);
    assert!(matches!(soon(service.get(7)).await, Err(Slow::Timeout(_))));
    service.source.started().await.go_on();
    until(|| service.cache.peek(&7) == Some(8)).await;
    tokio::time::advance(61 * SECOND).await;
    service.source.set(2);
    assert_eq!(soon(service.get(7)).await, Ok(8));
    service.source.started().await.go_on();
    until(|| service.cache.peek(&7) == Some(9)).await;

    let end = async {
        tokio::time::sleep(MINUTE).await;
        service.source.started().await.go_on();
    };
    assert_eq!(futures::future::join(service.get_patiently(8), end).await.0, Ok(10));
    let end = async { service.source.started().await.go_on() };
    assert_eq!(
        soon(futures::future::join(Arc::new(service.clone()).by_arc(9), end))
            .await
            .0,
        Ok(11)
    );
    assert_eq!(of_any(&service.cache, 10, |id| id + 5).await, 15);
    assert_eq!(service.cache.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn tools_of_agents_have_it_too() {
    #[agent_cached(resource = "fresh cart", stale_while_revalidate = "30s")]
    async fn get_cart(user: &str) -> u64 {
        READS.fetch_add(1, Ordering::SeqCst) + user.len() as u64
    }

    #[agent_invalidates(resource = "fresh cart")]
    async fn add(_user: &str) {}

    static READS: AtomicU64 = AtomicU64::new(0);
    assert_eq!(get_cart("ada").await, 3);
    tokio::time::advance(61 * SECOND).await;
    assert_eq!(get_cart("ada").await, 3);
    until(|| get_cart::peek("ada") == Some(4)).await;
    add("ada").await;
    assert_eq!(get_cart("ada").await, 5);
}

fn shelf() -> Cache<u64, u64> {
    static SHELF: LazyLock<Cache<u64, u64>> = LazyLock::new(|| Cache::builder().name("shelf").build());
    SHELF.clone()
}

#[cached_in(shelf(), detached)]
async fn on_the_shelf(id: u64) -> u64 {
    id * 2
}

#[cached_in(cache, detached, key = id)]
async fn in_the_given(cache: Cache<u64, u64>, id: u64) -> u64 {
    cache.peek(&(id - 1)).unwrap_or(id)
}

/// The cache is a clone then, which nobody holds but the call.
#[tokio::test]
async fn a_cache_may_be_named_by_a_call_or_by_an_argument_that_is_taken() {
    assert_eq!(on_the_shelf(1).await, 2);
    assert_eq!(on_the_shelf::refresh(1).await, 2);
    assert_eq!(in_the_given(shelf(), 2).await, 2);
    assert_eq!((shelf().peek(&1), shelf().peek(&2)), (Some(2), Some(2)));
}
