//! Functions of a resource and mutations of one, for everybody and by session.
//!
//! Resources and sessions are of the process, so that each test has its own.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::items_after_statements,
    unreachable_pub,
    reason = "tests are short, and stop where something is wrong"
)]

mod support;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cache_core::session::{self, Scoped, SessionId};
use cache_core::{Resource, agent_cached, agent_invalidates, cached_lru, invalidate_tag, invalidates};
use futures::FutureExt as _;
use support::{Fate, Source, soon};

#[tokio::test]
async fn a_mutation_of_a_resource_evicts_from_all_its_functions() {
    #[agent_cached(resource = "a:cart")]
    async fn get_cart(user: u64) -> Vec<String> {
        vec![format!("cart of {user}")]
    }

    #[agent_cached(resource = "a:cart", max_size = 10, ttl = "5m", scope = "global")]
    async fn count_carts() -> u64 {
        3
    }

    #[agent_cached(resource = "a:catalogue")]
    async fn get_item(id: u64) -> u64 {
        id
    }

    #[agent_invalidates(resource = "a:cart")]
    async fn add(user: u64, item: &str) -> String {
        assert_eq!(get_cart::peek(user), None);
        format!("{user}: {item}")
    }

    for _ in 0..2 {
        get_cart(7).await;
        count_carts().await;
        get_item(7).await;
    }
    assert_eq!(get_cart::stats().hits + count_carts::stats().hits, 2);
    assert_eq!(add(7, "tea").await, "7: tea");
    assert_eq!((get_cart::peek(7), count_carts::peek()), (None, None));
    assert!(get_item::peek(7).is_some());

    get_cart(7).await;
    get_cart::insert(8, vec![]).await;
    get_cart::refresh(9).await;
    add(1, "x").await;
    assert_eq!(get_cart::cache().len(), 0);
}

mod names {
    use cache_core::Resource;

    pub const CART: Resource = Resource::new("b:cart");
}

#[tokio::test]
async fn a_constant_names_a_resource() {
    const ITEM: Resource = Resource::new("b:item");

    #[agent_cached(resource = names::CART)]
    async fn get_cart(user: u64) -> u64 {
        user
    }
    #[agent_cached(resource = ITEM)]
    async fn get_item(id: u64) -> u64 {
        id
    }
    #[agent_invalidates(resource = crate::names::CART, clear_all)]
    #[agent_invalidates(resource = ITEM, clear_all = true)]
    async fn change() {}

    get_cart(1).await;
    get_item(1).await;
    change().await;
    assert_eq!((get_cart::peek(1), get_item::peek(1)), (None, None));
}

#[tokio::test]
async fn a_key_fn_selects_one_entry() {
    #[agent_cached(resource = "c:doc")]
    async fn get(name: &str, page: u64) -> String {
        format!("{name}{page}")
    }
    #[agent_cached(resource = "c:note")]
    async fn note(name: String) -> String {
        name
    }
    #[agent_invalidates(resource = "c:doc", key_fn = |page, name, _text| (name, page))]
    async fn edit(page: u64, name: String, text: &str) -> String {
        assert_eq!(get::peek(&name, page), None);
        name + text
    }
    #[agent_invalidates(resource = "c:doc", key_fn = |(name, page)| (name.to_owned(), *page), clear_all = false)]
    async fn owned((name, page): (&str, u64)) -> u64 {
        name.len() as u64 + page
    }
    fn of_note<'a>(name: &'a str, _text: &str) -> &'a str {
        name
    }
    #[agent_invalidates(resource = "c:note", key_fn = of_note)]
    async fn rewrite(name: &str, text: &str) {}

    let fill = async || {
        for name in ["a", "b"] {
            get(name, 1).await;
            get(name, 2).await;
            note(name.to_owned()).await;
        }
    };
    fill().await;
    assert_eq!(edit(1, "a".to_owned(), "!").await, "a!");
    assert_eq!((get::peek("a", 1), get::cache().len()), (None, 3));
    fill().await;
    assert_eq!(owned(("b", 2)).await, 3);
    assert_eq!((get::peek("b", 2), get::cache().len()), (None, 3));
    rewrite("a", "x").await;
    assert_eq!((note::peek("a".to_owned()), note::cache().len()), (None, 1));
}

#[tokio::test]
async fn each_session_has_its_own() {
    static LOADS: AtomicU64 = AtomicU64::new(0);

    #[agent_cached(resource = "d:cart", scope = "session")]
    async fn get(user: u64, region: &str) -> (String, u64) {
        let whose = session::current().map_or_else(String::new, |id| id.to_string());
        LOADS.fetch_add(1, Ordering::SeqCst);
        (format!("{whose}/{user}/{region}"), LOADS.load(Ordering::SeqCst))
    }

    let (a, b) = (SessionId::new("d:a"), SessionId::new("d:b"));
    let first = session::scope(&a, async { get(7, "eu").await }).await;
    let second = session::scope(&b, async { get(7, "eu").await }).await;
    assert_eq!((first.0.as_str(), second.0.as_str()), ("d:a/7/eu", "d:b/7/eu"));
    assert_eq!(session::scope(&a, async { get(7, "eu").await }).await, first);
    assert_eq!(session::scope(&b, async { get(7, "eu").await }).await, second);
    assert_eq!(LOADS.load(Ordering::SeqCst), 2);
    let key = (7, "eu".to_owned());
    assert_eq!(get::cache().get(&Scoped::new(&a, key.clone())), Some(first));
    assert_eq!(get::cache().get(&Scoped::new("d:c", key)), None);
}

#[tokio::test]
async fn no_text_of_a_session_meets_that_of_a_key() {
    #[agent_cached(resource = "e", scope = "session")]
    async fn pair(one: &str, other: &str) -> String {
        format!("{:?}", (session::current(), one, other))
    }
    #[agent_cached(resource = "e", scope = "session")]
    async fn single(text: &str) -> String {
        format!("{:?}", (session::current(), text))
    }

    let mut seen = Vec::new();
    for (id, one, other) in [
        ("e:a", "b", "c"),
        ("e:ab", "", "c"),
        ("e:ab", "c", ""),
        ("e:a", "", "bc"),
        ("e:", "ab", "c"),
        ("e:a\u{ff}", "b", "c"),
        ("e:a\0", "b", "c"),
        ("e:a", "\0b", "c"),
    ] {
        let got = session::scope(id, pair(one, other)).await;
        assert_eq!(got, session::scope(id, pair::uncached(one, other)).await);
        seen.push(got);
        let text = format!("{one}{other}");
        let got = session::scope(id, single(&text)).await;
        assert_eq!(got, session::scope(id, single::uncached(&text)).await);
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
    assert_eq!(pair::stats().hits, 0);
}

#[agent_cached(resource = "f:cart", scope = "session", tags("f:user:{user}"))]
async fn f_by_session(user: u64) -> u64 {
    user
}

#[agent_cached(resource = "f:cart")]
async fn f_global(user: u64) -> u64 {
    user
}

#[agent_invalidates(resource = "f:cart")]
async fn f_change_all() {}

#[agent_invalidates(resource = "f:cart", scope = "session")]
async fn f_change_mine() {}

#[agent_invalidates(resource = "f:cart", scope = "session", key_fn = |user| user)]
async fn f_change_one_of_mine(user: u64) -> u64 {
    user
}

#[agent_invalidates(resource = "f:cart", key_fn = |user| user)]
async fn f_change_one_of_all(user: u64) -> u64 {
    user
}

#[tokio::test]
async fn a_mutation_reaches_as_far_as_its_scope() {
    let fill = async || {
        for id in ["f:a", "f:b"] {
            session::scope(id, f_by_session(7)).await;
            session::scope(id, f_by_session(8)).await;
        }
        f_global(7).await;
        f_global(8).await;
    };
    let kept = async || {
        let mut kept = Vec::new();
        for id in ["f:a", "f:b"] {
            for user in [7, 8] {
                kept.push(session::scope(id, async { f_by_session::peek(user).is_some() }).await);
            }
        }
        kept.extend([f_global::peek(7).is_some(), f_global::peek(8).is_some()]);
        kept
    };
    fill().await;
    assert_eq!(kept().await, [true; 6]);
    session::scope("f:a", f_change_mine()).await;
    assert_eq!(kept().await, [false, false, true, true, true, true]);
    fill().await;
    session::scope("f:a", f_change_one_of_mine(7)).await;
    assert_eq!(kept().await, [false, true, true, true, true, true]);
    fill().await;
    session::scope("f:a", f_change_one_of_all(7)).await;
    assert_eq!(kept().await, [false, true, false, true, false, true]);
    fill().await;
    f_change_all().await;
    assert_eq!(kept().await, [false; 6]);
    fill().await;
    // Whose it is cannot be known here, so it is everybody's.
    f_change_mine().await;
    assert_eq!(kept().await, [false; 6]);
    fill().await;
    assert_eq!(session::end("f:b").await, 2);
    assert_eq!(kept().await, [true, true, false, false, true, true]);
    assert_eq!(invalidate_tag("f:user:7").await, 1);
    assert_eq!(kept().await, [false, true, false, false, true, true]);
}

#[tokio::test]
async fn the_session_is_that_of_the_first_poll() {
    #[agent_cached(resource = "g:cart", scope = "session")]
    async fn get(user: u64) -> u64 {
        user
    }
    #[agent_invalidates(resource = "g:cart", scope = "session")]
    async fn change() {}

    let (call, insert, refresh) = (get(7), get::insert(8, 80), get::refresh(9));
    session::scope("g:a", call).await;
    session::scope("g:a", insert).await;
    session::scope("g:a", refresh).await;
    let peek = async |user| session::scope("g:a", async { get::peek(user) }).await;
    assert_eq!(
        (peek(7).await, peek(8).await, peek(9).await),
        (Some(7), Some(80), Some(9))
    );
    assert_eq!(session::scope("g:b", async { get::peek(7) }).await, None);

    let invalidate = get::invalidate(7);
    assert!(session::scope("g:a", invalidate).await);
    assert_eq!(peek(7).await, None);
    let changing = change();
    session::scope("g:b", changing).await;
    assert_eq!(peek(8).await, Some(80));
    let changing = change();
    session::scope("g:a", changing).await;
    assert_eq!(peek(8).await, None);
}

#[tokio::test]
async fn outside_of_any_session_nothing_is_kept() {
    static LOADS: AtomicU64 = AtomicU64::new(0);

    #[agent_cached(resource = "h:cart", scope = "session")]
    async fn get(user: u64) -> u64 {
        LOADS.fetch_add(1, Ordering::SeqCst);
        user
    }
    #[agent_cached(resource = "h:cart", scope = "session", key = user + 1)]
    async fn by_expression(user: u64) -> u64 {
        LOADS.fetch_add(1, Ordering::SeqCst);
        user
    }

    for _ in 0..2 {
        assert_eq!(get(7).await + by_expression(7).await, 14);
    }
    assert_eq!(get::refresh(7).await + by_expression::refresh(7).await, 14);
    get::insert(7, 1).await;
    by_expression::insert(7, 1).await;
    assert_eq!((get::peek(7), by_expression::peek(7)), (None, None));
    assert!(!get::invalidate(7).await && !by_expression::invalidate(7).await);
    assert_eq!(LOADS.load(Ordering::SeqCst), 6);
    for stats in [get::stats(), by_expression::stats()] {
        assert_eq!((stats.bypassed, stats.len, stats.insertions, stats.loads), (3, 0, 0, 0));
    }
    // In a session whose id is empty it is another matter.
    session::scope("", async { get(7).await + by_expression(7).await }).await;
    assert_eq!((get::stats().len, by_expression::stats().len), (1, 1));
}

struct Tools {
    id: u64,
}

impl Tools {
    #[agent_cached(resource = "i:cart", scope = "session", skip(self), tags("i:{user}"))]
    async fn shared(&self, user: u64, _region: &str) -> u64 {
        self.id + user
    }

    #[agent_cached(resource = "i:cart", scope = "session", key = (self.id, user), tags("i:{user}", "i:tool:{self.id}"))]
    async fn own(&self, user: u64) -> u64 {
        self.id + user
    }

    #[agent_cached(resource = "i:cart", skip(Self))]
    async fn plain(user: u64) -> u64 {
        user
    }

    #[agent_invalidates(resource = "i:cart", scope = "session")]
    async fn change(&self) {}

    #[agent_invalidates(resource = "i:cart", scope = "session", key_fn = |user| (self.id, *user))]
    async fn change_one(&self, user: u64) {}

    #[invalidates(Self::shared(user, "eu"), Self::own(self, user))]
    async fn by_name(&self, user: u64) {}
}

#[tokio::test]
async fn methods_belong_to_resources_too() {
    let tools = Tools { id: 10 };
    let fill = async || {
        for id in ["i:a", "i:b"] {
            session::scope(id, async {
                assert_eq!(tools.shared(7, "eu").await + tools.own(7).await, 34);
            })
            .await;
        }
        Tools::plain(7).await;
    };
    let kept = || {
        (
            Tools::shared_cache().len(),
            Tools::own_cache().len(),
            Tools::plain_cache().len(),
        )
    };
    fill().await;
    fill().await;
    assert_eq!(kept(), (2, 2, 1));
    assert_eq!(Tools::shared_cache().stats().hits + Tools::own_cache().stats().hits, 4);
    let call = tools.shared(7, "eu");
    assert_eq!(session::scope("i:a", call).await, 17);
    assert_eq!(Tools::shared_cache().stats().bypassed, 0);
    session::scope("i:a", tools.change()).await;
    assert_eq!(kept(), (1, 1, 1));
    fill().await;
    session::scope("i:a", tools.change_one(7)).await;
    assert_eq!(kept(), (2, 1, 1));
    fill().await;
    session::scope("i:b", tools.by_name(7)).await;
    assert_eq!(kept(), (1, 1, 1));
    fill().await;
    tools.by_name(7).await;
    assert_eq!(kept(), (2, 2, 1));
    assert_eq!(invalidate_tag("i:tool:10").await, 2);
    assert_eq!(invalidate_tag("i:7").await, 2);
    assert_eq!(kept(), (0, 0, 1));
    assert_eq!(tools.own(7).await, 17);
    assert_eq!(Tools::own_cache().stats().bypassed, 1);
}

#[tokio::test]
async fn several_mutations_stand_above_one_function() {
    #[agent_cached(resource = "j:cart")]
    async fn get_cart(user: u64) -> u64 {
        user
    }
    #[agent_cached(resource = "j:stock", scope = "session")]
    async fn get_stock(item: &str) -> u64 {
        item.len() as u64
    }
    #[cached_lru]
    async fn get_user(user: u64) -> u64 {
        user
    }
    #[cached_lru(tags("j:{user}"))]
    async fn get_name(user: u64) -> u64 {
        user
    }

    #[agent_invalidates(resource = "j:cart", key_fn = |user, _item| user)]
    #[invalidates(get_user, tag = "j:{user}")]
    #[agent_invalidates(resource = "j:stock", scope = "session", key_fn = |_user, item| item)]
    async fn order(user: u64, item: String) -> Result<String, String> {
        let left = (
            get_cart::peek(user),
            get_user::peek(user),
            get_name::peek(user),
            get_stock::peek(&item),
        );
        assert_eq!(left, (None, None, None, None));
        Err(item)
    }

    session::scope("j:a", async {
        for user in [7, 8] {
            get_cart(user).await;
            get_user(user).await;
            get_name(user).await;
        }
        get_stock("tea").await;
        get_stock("milk").await;
        assert_eq!(order(7, "tea".to_owned()).await, Err("tea".to_owned()));
        assert_eq!((get_stock::peek("tea"), get_stock::peek("milk")), (None, Some(4)));
    })
    .await;
    assert_eq!(
        (get_cart::peek(7), get_user::peek(7), get_name::peek(7)),
        (None, None, None)
    );
    assert_eq!(
        (get_cart::peek(8), get_user::peek(8), get_name::peek(8)),
        (Some(8), Some(8), Some(8))
    );
}

#[tokio::test]
async fn a_mutation_of_a_resource_evicts_first_and_stays_evicted_however_it_ends() {
    static READS: std::sync::LazyLock<Source> = std::sync::LazyLock::new(|| Source::new(1));

    #[agent_cached(resource = "k:cart", scope = "session", cache_if = |value: &u64| *value > 0)]
    async fn get(user: u64) -> u64 {
        let _ = user;
        READS.read().await
    }

    #[agent_invalidates(resource = "k:cart", scope = "session", key_fn = |user, _writes| user)]
    async fn change(user: u64, writes: &Source) -> Result<(), &'static str> {
        let _ = user;
        writes.try_read().await?;
        Ok(())
    }

    let peek = async || session::scope("k:a", async { get::peek(7) }).await;
    let load = || tokio::spawn(session::scope("k:a", get(7)));
    for fate in [Some(Fate::Return), Some(Fate::Fail), Some(Fate::Panic), None] {
        session::end("k:a").await;
        let writes = Arc::new(Source::new(0));
        let first = load();
        READS.started().await.go_on();
        soon(first).await.unwrap();
        assert_eq!(peek().await, Some(1));

        let mut mutation = Box::pin(AssertUnwindSafe(session::scope("k:a", change(7, &writes))).catch_unwind());
        assert!((&mut mutation).now_or_never().is_none());
        let meanwhile = load();
        READS.started().await.go_on();
        soon(meanwhile).await.unwrap();
        assert_eq!(peek().await, None, "kept while it is being changed");
        let overlapping = load();
        let read = READS.started().await;
        match fate {
            Some(fate) => {
                writes.started().await.end(fate);
                assert_eq!(soon(mutation).await.is_err(), fate == Fate::Panic);
            }
            None => drop(mutation),
        }
        read.go_on();
        soon(overlapping).await.unwrap();
        assert_eq!(peek().await, None, "{fate:?}");
    }
}

#[test]
fn futures_stay_send() {
    #[agent_cached(resource = "l", scope = "session")]
    async fn get(name: &str) -> u64 {
        name.len() as u64
    }
    #[agent_cached(resource = "l", scope = "session", key = name)]
    async fn by_expression(name: &str) -> u64 {
        name.len() as u64
    }
    #[agent_invalidates(resource = "l", key_fn = |name| name)]
    async fn change(name: &str) {
        tokio::task::yield_now().await;
    }
    fn is_send<T: Send>(_: T) {}
    is_send(get("a"));
    is_send(get::insert("a", 1));
    is_send(by_expression("a"));
    is_send(by_expression::refresh("a"));
    is_send(by_expression::insert("a", 1));
    is_send(change("a"));
    is_send(Tools { id: 1 }.own(1));
}

#[test]
fn a_hit_in_a_session_allocates_nothing() {
    #[agent_cached(resource = "m", scope = "session", tags("m:{id}"))]
    async fn get(id: u64, name: &str) -> u64 {
        id + name.len() as u64
    }
    futures::executor::block_on(session::scope("m:a", async {
        get(7, "name").await;
        get(7, "name").await;
        let counted = allocation_counter::measure(|| {
            assert_eq!(get(7, "name").now_or_never(), Some(11));
        });
        assert_eq!(counted.count_total, 0);
    }));
    assert_eq!(get::stats().hits, 2);
}

/// A `key_fn` may make a key of another type than the function has (here a tuple), which nobody can see before the
/// function is called. What is loaded meanwhile must not be kept all the same.
#[tokio::test]
async fn a_mutation_that_began_before_the_first_call_keeps_loads_out() {
    #[agent_cached(resource = "first")]
    async fn get(user: u64) -> u64 {
        user
    }
    #[agent_invalidates(resource = "first", key_fn = |user| (*user, 1_u8))]
    async fn change(user: u64) {
        get(user).await;
        assert_eq!(get::peek(user), None, "kept while it is being changed");
    }
    change(7).await;
    assert_eq!(get::peek(7), None);
}

/// The future of a whole conversation may be large.
#[test]
fn a_session_keeps_its_future_once() {
    async fn large() -> u8 {
        let kept = [0_u8; 4096];
        tokio::task::yield_now().await;
        kept[7]
    }
    let alone = size_of_val(&large());
    let in_session = size_of_val(&session::scope("size", large()));
    assert!(in_session < alone + 512, "{in_session} for {alone}");
}
