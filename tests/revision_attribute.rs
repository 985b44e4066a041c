//! `#[cached_revision]`: what a function with a revision and its handle do. Each test has caches of its own.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cache_core::registry::{self, Kind};
use cache_core::revision::{During, Lookup, Revised, Status};
use cache_core::testing::{disabled, isolated};
use cache_core::{cached_revision, invalidate_tag, invalidates, session};
use futures::FutureExt as _;
use support::{Fate, Source, soon, until};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq)]
struct DbError(&'static str);

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the database {}", self.0)
    }
}

impl std::error::Error for DbError {}

/// Two tables of one number each, and a version of each. Every read of a number waits until it is told to go on.
#[derive(Clone)]
struct Db(Arc<Data>);

struct Data {
    core: Table,
    tail: Table,
    is_down: AtomicBool,
}

struct Table {
    version: AtomicU64,
    rows: Source,
}

impl Table {
    fn new() -> Self {
        Self {
            version: AtomicU64::new(1),
            rows: Source::new(1),
        }
    }

    fn change(&self) -> u64 {
        let version = self.version.fetch_add(1, SeqCst) + 1;
        self.rows.set(version);
        version
    }

    async fn read(&self) -> Result<u64, DbError> {
        self.rows.try_read().await.map_err(DbError)
    }

    /// Ends the next read, beside a call that waits for it.
    async fn answer<T>(&self, fate: Fate, call: impl Future<Output = T>) -> T {
        let (answer, ()) = soon(futures::future::join(call, async {
            self.rows.started().await.end(fate);
        }))
        .await;
        answer
    }
}

impl Db {
    fn new() -> Self {
        Self(Arc::new(Data {
            core: Table::new(),
            tail: Table::new(),
            is_down: AtomicBool::new(false),
        }))
    }

    async fn revision(&self, table: &str) -> Result<u64, DbError> {
        if self.is_down.load(SeqCst) {
            return Err(DbError("is down"));
        }
        let table = if table == "core" { &self.core } else { &self.tail };
        Ok(table.version.load(SeqCst))
    }
}

impl std::ops::Deref for Db {
    type Target = Data;

    fn deref(&self) -> &Data {
        &self.0
    }
}

#[cached_revision(
    revision = db.revision("core"),
    on_change = "stale",
    max_stale = "300s",
    retry_after = "1s",
    tags("sections"),
    tag_fn = |value| [format!("core:{value}")]
)]
async fn core(db: &Db) -> Result<u64, DbError> {
    db.core.read().await
}

#[cached_revision(revision = db.revision("tail"), on_change = "reload", max_stale = "300s", tags("sections", "user:{user}"))]
async fn tail(db: &Db, user: u64, region: &str) -> Result<u64, DbError> {
    let _ = (user, region);
    db.tail.read().await
}

fn what(found: Result<Lookup<u64>, DbError>) -> (u64, Status) {
    let found = found.unwrap();
    (found.value, found.status)
}

/// Fills both sections anew, `tail` for two users.
async fn filled() -> Db {
    let db = Db::new();
    core::clear().await;
    tail::clear().await;
    db.core.answer(Fate::Return, core(&db)).await.unwrap();
    for user in [1, 2] {
        db.tail.answer(Fate::Return, tail(&db, user, "eu")).await.unwrap();
    }
    db
}

/// Which sections are there: that of `core`, and those of two users.
fn kept() -> [bool; 3] {
    [
        core::peek().is_some(),
        tail::peek(1, "eu").is_some(),
        tail::peek(2, "eu").is_some(),
    ]
}

/// Starts a refresh of `core`, and ends it.
async fn refreshed(db: &Db, fate: Fate) {
    let before = core::stats();
    assert_eq!(soon(core::lookup(db)).await.unwrap().status, Status::Stale);
    db.core.rows.started().await.end(fate);
    let ended = |stats: cache_core::Stats| stats.insertions + stats.load_failures;
    until(|| ended(core::stats()) > ended(before)).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_reloaded_and_told() {
    isolated(async {
        let db = Db::new();
        assert_eq!(
            what(db.tail.answer(Fate::Return, tail::lookup(&db, 1, "eu")).await),
            (1, Status::Miss)
        );
        tokio::time::advance(7 * SECOND).await;
        let found = tail::lookup(&db, 1, "eu").await.unwrap();
        assert_eq!(
            (found.value, found.status, found.age),
            (1, Status::HitRevision, 7 * SECOND)
        );
        assert_eq!(found.revision.unwrap().downcast_ref::<u64>(), Some(&1));

        db.tail.change();
        // What is there does not serve, and the other section is none of this one's concern.
        assert!(tail(&db, 1, "eu").now_or_never().is_none());
        drop(db.tail.rows.started().await);
        let found = db.tail.answer(Fate::Return, tail::lookup(&db, 1, "eu")).await.unwrap();
        assert_eq!(
            (found.value, found.status, found.age),
            (2, Status::Reloaded, Duration::ZERO)
        );
        assert_eq!(found.revision.unwrap().downcast_ref::<u64>(), Some(&2));
        assert_eq!(tail(&db, 1, "eu").now_or_never(), Some(Ok(2)));
        assert_eq!(db.core.rows.reads(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_change_serves_the_old_value_and_is_refreshed_once() {
    isolated(async {
        let db = filled().await;
        db.core.change();
        for _ in 0..3 {
            let found = soon(core::lookup(&db)).await.unwrap();
            assert_eq!((found.value, found.status), (1, Status::Stale));
            assert_eq!(found.revision.unwrap().downcast_ref::<u64>(), Some(&1));
        }
        db.core.rows.started().await.go_on();
        until(|| core::peek().is_some_and(|it| *it.value() == 2)).await;
        assert_eq!(what(core::lookup(&db).await), (2, Status::HitRevision));
        assert_eq!(db.core.rows.reads(), 2);

        // What has been outdated for too long is waited for.
        db.core.change();
        tokio::time::advance(300 * SECOND).await;
        assert_eq!(
            what(db.core.answer(Fate::Return, core::lookup(&db)).await),
            (3, Status::Reloaded)
        );
    })
    .await;
}

#[tokio::test]
async fn callers_share_one_load() {
    isolated(async {
        let db = Db::new();
        for _ in 0..2 {
            let callers = futures::future::join_all((0..10).map(|_| tail(&db, 1, "eu")));
            let answers = db.tail.answer(Fate::Return, callers).await;
            assert!(answers.iter().all(|answer| *answer == answers[0]));
            db.tail.change();
        }
        assert_eq!((db.tail.rows.reads(), tail::stats().coalesced), (2, 18));
    })
    .await;
}

#[tokio::test]
async fn the_arguments_form_the_key_but_for_the_source() {
    isolated(async {
        let (one, other) = (Db::new(), Db::new());
        one.tail.answer(Fate::Return, tail(&one, 1, "eu")).await.unwrap();
        assert_eq!(tail(&other, 1, "eu").now_or_never(), Some(Ok(1)));
        assert!(tail(&one, 2, "eu").now_or_never().is_none());
        assert!(tail(&one, 1, "us").now_or_never().is_none());
        let kept: Option<Revised<u64>> = tail::peek(1, "eu");
        assert_eq!(kept.unwrap().revision().unwrap().downcast_ref::<u64>(), Some(&1));
    })
    .await;
}

#[tokio::test]
async fn a_source_that_fails_serves_the_value_at_hand() {
    isolated(async {
        let db = filled().await;
        db.is_down.store(true, SeqCst);
        db.tail.change();
        assert_eq!(what(tail::lookup(&db, 1, "eu").await), (1, Status::Unverified));
        assert_eq!(what(core::lookup(&db).await), (1, Status::Unverified));
        let error = tail::last_error().unwrap();
        assert_eq!(error.during(), During::Revision);
        assert_eq!(error.to_string(), "reading the revision failed: the database is down");
        // Without a value there is a load.
        assert_eq!(db.tail.answer(Fate::Return, tail(&db, 3, "eu")).await, Ok(2));

        db.is_down.store(false, SeqCst);
        assert_eq!(what(core::lookup(&db).await), (1, Status::HitRevision));
        assert!(
            core::last_error().is_none() && tail::last_error().is_some(),
            "each function has its own"
        );
        tail::clear().await;
        assert!(tail::last_error().is_none());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_refresh_is_told_until_one_succeeds() {
    isolated(async {
        let db = filled().await;
        db.core.change();
        refreshed(&db, Fate::Fail).await;
        let error = core::last_error().unwrap();
        assert_eq!(error.during(), During::Refresh);
        assert_eq!(
            error.to_string(),
            "the refresh in the background failed: the database failed"
        );
        assert_eq!(error.downcast_ref::<DbError>(), Some(&DbError("failed")));

        // Not at once again, by whoever comes next, and then by one.
        assert_eq!(what(core::lookup(&db).await), (1, Status::Stale));
        assert!(core::stats().refreshes == 1 && core::last_error().is_some());
        tokio::time::advance(SECOND).await;
        refreshed(&db, Fate::Panic).await;
        let error = core::last_error().unwrap();
        assert_eq!(error.to_string(), "the refresh in the background failed: it panicked");
        assert!(error.downcast_ref::<DbError>().is_none());

        tokio::time::advance(SECOND).await;
        refreshed(&db, Fate::Return).await;
        assert!(core::last_error().is_none());
        assert_eq!(what(core::lookup(&db).await), (2, Status::HitRevision));

        db.core.change();
        refreshed(&db, Fate::Fail).await;
        core::clear().await;
        assert!(core::last_error().is_none());
    })
    .await;
}

/// An error that nobody can show, or keep.
#[tokio::test]
async fn errors_say_what_they_can() {
    struct Silent;
    #[derive(Debug)]
    struct Debugged;
    macro_rules! failing {
        ($name:ident, $error:ty, $value:expr) => {
            #[cached_revision(revision = version, on_change = "stale", skip(version))]
            async fn $name(version: u64) -> Result<u64, $error> {
                if version > 1 { Err($value) } else { Ok(1) }
            }
        };
    }
    failing!(silent, Silent, Silent);
    failing!(debugged, Debugged, Debugged);
    failing!(boxed, Box<dyn std::error::Error + Send + Sync>, "boxed".into());
    macro_rules! says {
        ($name:ident, $text:literal) => {
            assert!($name(1).await.is_ok());
            assert!($name(2).await.is_ok(), "the old value");
            until(|| $name::last_error().is_some()).await;
            let text = $name::last_error().unwrap().to_string();
            assert_eq!(text, concat!("the refresh in the background failed: ", $text));
        };
    }
    says!(silent, "its error has no text");
    says!(debugged, "Debugged");
    says!(boxed, "boxed");
}

#[tokio::test]
async fn force_rebuilds_now_and_loses_nothing_by_an_error() {
    isolated(async {
        let db = filled().await;
        // Of the same revision.
        db.core.rows.set(10);
        assert_eq!(db.core.answer(Fate::Return, core::force(&db)).await, Ok(10));
        assert_eq!(what(core::lookup(&db).await), (10, Status::HitRevision));
        db.tail.rows.set(10);
        assert_eq!(db.tail.answer(Fate::Return, tail::force(&db, 1, "eu")).await, Ok(10));
        assert_eq!(tail(&db, 2, "eu").now_or_never(), Some(Ok(1)));

        assert_eq!(
            db.core.answer(Fate::Fail, core::force(&db)).await,
            Err(DbError("failed"))
        );
        assert_eq!(
            db.tail.answer(Fate::Fail, tail::force(&db, 1, "eu")).await,
            Err(DbError("failed"))
        );
        assert_eq!(what(core::lookup(&db).await), (10, Status::HitRevision));
        assert_eq!(what(tail::lookup(&db, 1, "eu").await), (10, Status::HitRevision));
        assert!(core::last_error().is_none(), "its caller was told");

        // Without a value it loads, too, and it does not need to know the revision.
        db.is_down.store(true, SeqCst);
        assert_eq!(db.tail.answer(Fate::Return, tail::force(&db, 3, "eu")).await, Ok(10));
        assert!(tail::peek(3, "eu").unwrap().revision().is_none());
    })
    .await;
}

#[tokio::test]
async fn what_is_counted() {
    isolated(async {
        let db = filled().await;
        core(&db).await.unwrap();
        db.core.change();
        core(&db).await.unwrap();
        core(&db).await.unwrap();
        db.core.rows.started().await.go_on();
        until(|| core::stats().insertions == 2).await;
        core(&db).await.unwrap();
        let stats = core::stats();
        assert_eq!(
            (stats.hits, stats.misses, stats.stale, stats.refreshes),
            (4, 1, 2, 1),
            "{stats}"
        );
        assert_eq!((stats.loads, stats.insertions, stats.len), (2, 2, 1), "{stats}");

        db.tail.change();
        db.tail.answer(Fate::Return, tail(&db, 1, "eu")).await.unwrap();
        tail(&db, 1, "eu").await.unwrap();
        db.tail.answer(Fate::Return, tail::force(&db, 1, "eu")).await.unwrap();
        let stats = tail::stats();
        assert_eq!(
            (stats.hits, stats.stale, stats.refreshes, stats.loads),
            (1, 0, 0, 4),
            "{stats}"
        );
        assert_eq!((stats.misses, stats.len), (3, 2), "{stats}");

        let any = registry::get("revision_attribute::core").unwrap();
        assert_eq!(
            (any.kind(), any.kind().to_string().as_str()),
            (Kind::CachedRevision, "cached_revision")
        );
        assert_eq!(any.stats(), core::stats());
    })
    .await;
}

#[tokio::test]
async fn sections_are_evicted_apart_and_in_every_way() {
    #[invalidates(core)]
    async fn by_name() {}
    #[invalidates(tail)]
    async fn by_arguments(region: String, user: u64, name: &str) {
        let _ = (region, user, name);
    }
    #[invalidates(tail, clear_all)]
    async fn all(user: u64) {
        let _ = user;
    }
    #[invalidates(tail, key_fn = |owner| (owner.0, "eu"))]
    async fn by_key_fn(owner: (u64, u64)) {
        let _ = owner;
    }
    #[invalidates(tail(owner, "eu"), core(..))]
    async fn by_call(owner: u64) {
        let _ = owner;
    }
    #[invalidates(tag = "user:{user}")]
    async fn by_tag(user: u64) {
        let _ = user;
    }
    isolated(async {
        filled().await;
        by_name().await;
        assert_eq!(kept(), [false, true, true]);
        by_arguments("eu".to_owned(), 1, "Ada").await;
        assert_eq!(kept(), [false, false, true]);
        filled().await;
        all(7).await;
        assert_eq!(kept(), [true, false, false]);
        filled().await;
        by_key_fn((2, 0)).await;
        assert_eq!(kept(), [true, true, false]);
        filled().await;
        by_call(1).await;
        assert_eq!(kept(), [false, false, true]);
        filled().await;
        by_tag(2).await;
        assert_eq!(kept(), [true, true, false]);
        assert_eq!(invalidate_tag("core:1").await, 1);
        assert_eq!(kept(), [false, true, false]);
        filled().await;
        assert!(tail::invalidate(1, "eu").await && !tail::invalidate(1, "us").await);
        assert_eq!(kept(), [true, false, true]);
        assert_eq!(invalidate_tag("sections").await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_mutation_evicts_first_and_keeps_nothing_while_it_runs() {
    #[invalidates(core, tail(1, "eu"))]
    async fn change(db: &Db, fate: Fate) -> Result<(), DbError> {
        assert_eq!(kept(), [false, false, true], "before the body");
        db.core.answer(Fate::Return, core(db)).await?;
        db.tail.answer(Fate::Return, tail(db, 1, "eu")).await?;
        assert_eq!(kept(), [false, false, true], "while it runs");
        match fate {
            Fate::Return => Ok(()),
            Fate::Fail => Err(DbError("failed")),
            Fate::Panic => std::future::pending().await,
        }
    }
    isolated(async {
        for fate in [Fate::Return, Fate::Fail] {
            let db = filled().await;
            assert_eq!(soon(change(&db, fate)).await.is_ok(), fate == Fate::Return);
            assert_eq!(kept(), [false, false, true]);
            db.core.answer(Fate::Return, core(&db)).await.unwrap();
            assert_eq!(kept(), [true, false, true]);
        }
        // Dropped half way.
        let db = filled().await;
        let mut changing = Box::pin(change(&db, Fate::Panic));
        while db.tail.rows.reads() < 3 {
            assert!((&mut changing).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(changing);
        assert_eq!(kept(), [false, false, true]);
        db.core.answer(Fate::Return, core(&db)).await.unwrap();
        assert_eq!(kept(), [true, false, true]);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_that_began_before_an_invalidation_is_not_kept() {
    isolated(async {
        let db = filled().await;
        db.core.change();
        assert_eq!(what(soon(core::lookup(&db)).await), (1, Status::Stale));
        let refresh = db.core.rows.started().await;
        assert!(core::invalidate().await);
        db.core.change();
        // Who comes now does not share it.
        assert_eq!(
            what(db.core.answer(Fate::Return, core::lookup(&db)).await),
            (3, Status::Miss)
        );
        refresh.go_on();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(what(core::lookup(&db).await), (3, Status::HitRevision));
    })
    .await;
}

#[tokio::test]
async fn a_warm_up_brings_what_is_missing_or_outdated() {
    isolated(async {
        let db = filled().await;
        db.core.change();
        db.tail.change();
        let warmed = cache_core::warm([1_u64, 3], 1, |user| {
            let db = &db;
            async move {
                db.tail.answer(Fate::Return, tail(db, user, "eu")).await.unwrap();
                if user == 1 {
                    db.core.answer(Fate::Return, core(db)).await.unwrap();
                }
            }
        })
        .await;
        assert_eq!((warmed.loaded, warmed.skipped, warmed.failed), (2, 0, 0));
        // It takes no old value, and so there is none left.
        assert_eq!(what(core::lookup(&db).await), (2, Status::HitRevision));
        let again = |user| {
            let db = &db;
            async move {
                core(db).await.unwrap();
                tail(db, user, "eu").await.unwrap();
            }
        };
        let warmed = cache_core::warm([1_u64, 3], 2, again).await;
        assert_eq!((warmed.loaded, warmed.skipped, warmed.failed), (0, 2, 0));
        assert_eq!(core::stats().misses, 1, "nobody has asked for what was warmed");
    })
    .await;
}

/// Nor one that is being refreshed, or whose refresh has just failed.
#[tokio::test]
async fn a_warm_up_waits_for_the_refresh_that_is_under_way() {
    isolated(async {
        let db = filled().await;
        db.core.change();
        refreshed(&db, Fate::Fail).await;
        let warm = || cache_core::warm([()], 1, |()| core(&db));
        // It does not wait for the time of the next attempt.
        let warmed = db.core.answer(Fate::Return, warm()).await;
        assert_eq!((warmed.loaded, warmed.skipped), (1, 0));
        assert_eq!(what(core::lookup(&db).await), (2, Status::HitRevision));

        db.core.change();
        assert_eq!(what(core::lookup(&db).await), (2, Status::Stale));
        let warmed = db.core.answer(Fate::Return, warm()).await;
        assert_eq!((warmed.loaded, warmed.skipped), (1, 0));
        assert_eq!(what(core::lookup(&db).await), (3, Status::HitRevision));
        assert_eq!(db.core.rows.reads(), 4);
    })
    .await;
}

#[tokio::test]
async fn tests_have_their_own_or_none() {
    isolated(async {
        let db = filled().await;
        isolated(async { assert_eq!(kept(), [false; 3]) }).await;
        disabled(async {
            assert_eq!(
                db.core.answer(Fate::Return, core::lookup(&db)).await.unwrap().status,
                Status::Miss
            );
            assert_eq!(db.tail.answer(Fate::Return, tail(&db, 1, "eu")).await, Ok(1));
            assert_eq!(kept(), [false; 3]);
        })
        .await;
        assert_eq!(kept(), [true; 3]);
    })
    .await;
}

#[tokio::test]
async fn a_refresh_has_the_session_and_the_span_of_the_call_that_began_it() {
    type Seen = Mutex<Vec<(Option<session::SessionId>, Option<&'static str>)>>;
    #[cached_revision(revision = version, on_change = "stale", skip(seen, version))]
    async fn get(seen: &Arc<Seen>, version: u64) -> u64 {
        let span = tracing::Span::current().metadata().map(tracing::Metadata::name);
        seen.lock().unwrap().push((session::current(), span));
        version
    }
    let _subscriber = tracing::subscriber::set_default(tracing_subscriber::registry());
    let seen = Arc::new(Seen::default());
    for (version, session, span) in [
        (1, "a", tracing::info_span!("first")),
        (2, "b", tracing::info_span!("second")),
    ] {
        let call = session::scope(session, get(&seen, version));
        assert_eq!(tracing::Instrument::instrument(call, span).await, 1);
    }
    until(|| get::peek().is_some_and(|it| *it.value() == 2)).await;
    let expected = [(Some("a".into()), Some("first")), (Some("b".into()), Some("second"))];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[derive(Clone)]
struct Service {
    db: Db,
}

impl Service {
    #[cached_revision(revision = self.db.revision("core"), skip(self), on_change = "stale")]
    async fn core(&self, id: u64) -> Result<u64, DbError> {
        Ok(id + self.db.core.read().await?)
    }

    #[cached_revision(revision = self.db.revision("tail"), skip(self), max_size = 10, tags("service"), tag_fn = |value| [format!("v{value}")])]
    async fn tail(self: Arc<Self>, id: u64) -> Result<u64, DbError> {
        Ok(id + self.db.tail.read().await?)
    }

    #[cached_revision(revision = db.revision("tail"))]
    async fn of(db: &Db, id: u64) -> Result<u64, DbError> {
        let _: Option<Self> = None;
        Ok(id + db.tail.read().await?)
    }

    #[invalidates(Self::core(id), Self::tail(id), Self::of(..))]
    async fn change(&self, id: u64) {
        assert!(Self::core_cache().is_empty() && Self::tail_cache().is_empty() && Self::of_cache().is_empty());
        let _ = (self, id);
    }
}

#[tokio::test]
async fn methods_have_the_same() {
    isolated(async {
        let db = Db::new();
        let it = Arc::new(Service { db: db.clone() });
        assert_eq!(db.core.answer(Fate::Return, it.core(1)).await, Ok(2));
        assert_eq!(db.tail.answer(Fate::Return, it.clone().tail(1)).await, Ok(2));
        assert_eq!(db.tail.answer(Fate::Return, Service::of(&db, 1)).await, Ok(2));
        db.core.change();
        db.tail.change();
        assert_eq!(what(soon(it.core_lookup(1)).await), (2, Status::Stale));
        db.core.rows.started().await.end(Fate::Fail);
        until(|| Service::core_last_error().is_some()).await;
        assert_eq!(
            what(db.tail.answer(Fate::Return, it.clone().tail_lookup(1)).await),
            (3, Status::Reloaded)
        );
        assert_eq!(db.tail.answer(Fate::Return, it.clone().tail_force(1)).await, Ok(3));
        assert_eq!(
            db.tail
                .answer(Fate::Return, Service::of_lookup(&db, 1))
                .await
                .unwrap()
                .status,
            Status::Reloaded
        );
        assert_eq!(db.tail.answer(Fate::Return, Service::of_uncached(&db, 1)).await, Ok(3));
        assert_eq!(Service::tail_cache().stats().loads, 3);
        assert!(Service::tail_last_error().is_none());

        it.change(1).await;
        assert_eq!(db.core.answer(Fate::Return, it.core_force(1)).await, Ok(3));
        assert_eq!(db.tail.answer(Fate::Return, it.clone().tail(1)).await, Ok(3));
        assert_eq!(invalidate_tag("v3").await, 1);
        assert!(Service::tail_cache().is_empty());
    })
    .await;
}
