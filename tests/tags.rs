//! Tags as users write them: on cached functions of every kind, and on the mutations that evict by them.
//!
//! Tags are of the process, so that each test has its own.

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

use cache_core::{Cache, cached_in, cached_lru, cached_ttl, invalidate_tag, invalidates};
use futures::FutureExt as _;
use support::{Fate, Source, soon};

#[derive(Clone, Debug, PartialEq)]
struct Cart {
    owner: u64,
    items: Vec<String>,
}

fn cart(owner: u64) -> Cart {
    Cart {
        owner,
        items: vec!["tea".to_owned(), "milk".to_owned()],
    }
}

#[tokio::test]
async fn a_tag_evicts_from_all_functions_that_carry_it() {
    #[cached_lru(tags("a:carts", "a:user:{user_id}"))]
    async fn get_cart(user_id: u64, region: &str) -> Cart {
        let _ = region;
        cart(user_id)
    }

    #[cached_ttl(tags("a:user:{id}"))]
    async fn get_name(id: u64) -> String {
        format!("user {id}")
    }

    #[invalidates(tag = "a:user:{user_id}")]
    async fn rename(user_id: u64, name: String) -> String {
        assert_eq!(get_cart::peek(user_id, "eu"), None);
        assert_eq!(get_name::peek(user_id), None);
        name
    }

    #[invalidates(tag = "a:carts")]
    async fn close_shop() {}

    let fill = async || {
        for id in [7, 8] {
            get_cart(id, "eu").await;
            get_cart(id, "us").await;
            get_name(id).await;
        }
    };
    fill().await;
    fill().await;
    assert_eq!((get_cart::stats().hits, get_name::stats().hits), (4, 2));

    assert_eq!(rename(7, "Ada".to_owned()).await, "Ada");
    assert_eq!((get_cart::peek(7, "us"), get_name::peek(7)), (None, None));
    assert!(get_cart::peek(8, "eu").is_some() && get_name::peek(8).is_some());

    fill().await;
    close_shop().await;
    assert_eq!(get_cart::cache().len(), 0);
    assert_eq!(get_name::cache().len(), 2);
    assert_eq!(invalidate_tag("a:user:8").await, 1);
}

#[tokio::test]
async fn what_is_not_named_by_a_mutation_stays() {
    #[cached_lru(tags("b:{id}"))]
    async fn get(id: u64) -> u64 {
        id
    }
    #[invalidates(tag = "b:1")]
    async fn change() {}

    for id in [1, 11, 10] {
        get(id).await;
    }
    change().await;
    assert_eq!((get::peek(1), get::peek(11), get::peek(10)), (None, Some(11), Some(10)));
}

#[tokio::test]
async fn a_value_brings_tags_of_its_own() {
    fn of_items(cart: &Cart) -> Vec<String> {
        cart.items.iter().map(|item| format!("c:item:{item}")).collect()
    }

    #[cached_lru(tag_fn = of_items)]
    async fn by_path(user: u64) -> Cart {
        cart(user)
    }

    #[cached_lru(tag_fn = |cart| cart.items.iter().map(|item| format!("c:item:{item}")), tags("c:{user}"))]
    async fn by_closure(user: u64) -> Result<Cart, String> {
        Ok(cart(user))
    }

    // A borrow of the value will do, and so will what owns nothing.
    #[cached_lru(tag_fn = |cart: &Cart| &cart.items)]
    async fn borrowed(user: u64) -> Cart {
        cart(user)
    }

    #[cached_lru(tag_fn = |cart| (cart.owner > 1).then_some("c:item:tea"))]
    async fn perhaps(user: u64) -> Cart {
        cart(user)
    }

    by_path(1).await;
    by_closure(1).await.unwrap();
    borrowed(1).await;
    perhaps(1).await;
    perhaps(2).await;
    assert_eq!(invalidate_tag("c:item:tea").await, 3);
    assert_eq!((by_path::peek(1), by_closure::peek(1)), (None, None));
    assert!(borrowed::peek(1).is_some() && perhaps::peek(1).is_some());
    assert_eq!(invalidate_tag("milk").await, 1);
    by_closure(1).await.unwrap();
    assert_eq!(invalidate_tag("c:1").await, 1);
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    region: Region,
    at: (u8, u8),
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Region {
    name: String,
}

fn place() -> Place {
    Place {
        region: Region { name: "eu".to_owned() },
        at: (3, 4),
    }
}

#[tokio::test]
async fn templates_take_fields_formats_patterns_and_braces() {
    #[cached_lru(tags(
        "d:{place.region.name}",
        "d:{place.at.1:>03}",
        "d:{{{id:#x}}}",
        "d:{name:?}",
        "d:{x}-{y}",
        "d:{r#type}"
    ))]
    async fn get(place: &Place, id: u64, name: &str, (x, y): (u8, u8), r#type: String) -> u64 {
        let _ = (place, name, x, y, r#type);
        id
    }

    #[invalidates(tag = "d:{x}-{y}", tag = "d:{place.region.name:}", tag = "d:{type}")]
    async fn change(place: Place, (x, y): (u8, u8), r#type: String) -> Place {
        let _ = (x, y, r#type);
        place
    }

    let fill = async || get(&place(), 255, "na\"me", (1, 2), "kind".to_owned()).await;
    for tag in ["d:eu", "d:004", "d:{0xff}", "d:\"na\\\"me\"", "d:1-2", "d:kind"] {
        fill().await;
        assert_eq!(invalidate_tag(tag).await, 1, "{tag}");
    }
    for (other, kind) in [((1, 2), ""), ((9, 9), "kind")] {
        fill().await;
        let mut elsewhere = place();
        elsewhere.region.name.clear();
        change(elsewhere, other, kind.to_owned()).await;
        assert_eq!(get::cache().len(), 0);
    }
}

struct Shop {
    id: u64,
    tenant: Region,
    carts: Cache<u64, Cart>,
}

impl Shop {
    fn new(id: u64) -> Self {
        Self {
            id,
            tenant: Region { name: format!("t{id}") },
            carts: Cache::builder().build(),
        }
    }

    #[cached_lru(skip(self), tags("e:user:{user}"), tag_fn = Self::tags_of)]
    async fn shared(&self, user: u64, note: &str) -> Cart {
        let _ = note;
        cart(user + self.id)
    }

    #[cached_lru(key = (self.id, user), tags("e:shop:{self.id}", "e:user:{user}"), tag_fn = Self::tags_of)]
    async fn of_shop(&self, user: u64) -> Cart {
        cart(user)
    }

    #[cached_in(self.carts, tags("e:tenant:{self.tenant.name}", "e:user:{user}"), tag_fn = |cart| [format!("e:owner:{}", cart.owner)])]
    async fn own(&self, user: u64) -> Result<Cart, String> {
        Ok(cart(user))
    }

    fn tags_of(cart: &Cart) -> [String; 1] {
        [format!("e:owner:{}", cart.owner)]
    }

    #[invalidates(tag = "e:user:{user}")]
    async fn change_user(&self, user: u64) {}

    #[invalidates(tags("e:shop:{self.id}", "e:tenant:{self.tenant.name}"))]
    async fn close(&self) {}
}

#[tokio::test]
async fn methods_are_tagged_however_they_are_cached() {
    let (one, two) = (Shop::new(1), Shop::new(2));
    let fill = async || {
        for shop in [&one, &two] {
            for _ in 0..2 {
                shop.shared(7, "note").await;
                shop.of_shop(7).await;
                shop.own(7).await.unwrap();
            }
        }
    };
    let kept = || {
        (
            Shop::shared_cache().len(),
            Shop::of_shop_cache().len(),
            one.carts.len() + two.carts.len(),
        )
    };
    fill().await;
    assert_eq!(kept(), (1, 2, 2));
    assert_eq!(one.carts.stats().hits, 1);

    one.change_user(7).await;
    assert_eq!(kept(), (0, 0, 0));
    fill().await;
    one.close().await;
    assert_eq!(kept(), (1, 1, 1));
    fill().await;
    assert_eq!(invalidate_tag("e:tenant:t2").await, 1);
    assert_eq!(invalidate_tag("e:owner:7").await, 3);
    assert_eq!(invalidate_tag("e:owner:8").await, 1);
}

#[tokio::test]
async fn a_key_of_expressions_is_tagged_by_the_arguments_in_it() {
    #[cached_lru(
        key = (&place.region.name, id),
        tags("f:{place.region.name}", "f:{id}"),
        tag_fn = |text: &String| [format!("f:{text}")]
    )]
    async fn get(place: Place, id: u64, _note: &str) -> String {
        format!("{}{id}", place.region.name)
    }

    for tag in ["f:eu", "f:7", "f:eu7"] {
        assert_eq!(get(place(), 7, "").await, "eu7");
        assert_eq!(invalidate_tag(tag).await, 1, "{tag}");
        get::insert(place(), 7, "eu7".to_owned()).await;
        assert_eq!(invalidate_tag(tag).await, 1, "{tag} by hand");
        get::refresh(place(), 7, "").await;
        assert_eq!(invalidate_tag(tag).await, 1, "{tag} anew");
    }
    assert_eq!(get::cache().len(), 0);
}

static NUMBERS: std::sync::LazyLock<Cache<u64, String>> = std::sync::LazyLock::new(|| Cache::builder().build());

#[tokio::test]
async fn a_shared_cache_is_tagged_by_each_of_its_functions() {
    #[cached_in(NUMBERS, tags("g:{id}"), tag_fn = |text| [format!("g:{text}")])]
    async fn get(id: u64) -> String {
        format!("n{id}")
    }

    #[cached_in(NUMBERS)]
    async fn untagged(id: u64) -> String {
        format!("n{id}")
    }

    for tag in ["g:7", "g:n7"] {
        get(7).await;
        assert_eq!(invalidate_tag(tag).await, 1);
        get::insert(7, "n7".to_owned()).await;
        assert_eq!(invalidate_tag(tag).await, 1);
        get::refresh(7).await;
        assert_eq!(invalidate_tag(tag).await, 1);
    }
    untagged(7).await;
    assert_eq!(invalidate_tag("g:7").await, 0);
}

#[tokio::test]
async fn whatever_comes_in_by_the_handle_carries_its_tags() {
    #[cached_lru(tags("h:{id}"), tag_fn = |text: &String| [format!("h:{text}")])]
    async fn get(id: u64) -> String {
        format!("n{id}")
    }

    for tag in ["h:7", "h:n7"] {
        get::insert(7, "n7".to_owned()).await;
        assert_eq!(invalidate_tag(tag).await, 1, "{tag}");
        get::refresh(7).await;
        assert_eq!(invalidate_tag(tag).await, 1, "{tag}");
        get::cache().insert(7, "n7".to_owned()).await;
        assert_eq!(invalidate_tag(tag).await, 1, "{tag}");
    }
}

#[tokio::test]
async fn several_forms_stand_side_by_side() {
    #[cached_lru(tags("i:tag"))]
    async fn tagged(id: u64) -> u64 {
        id
    }
    #[cached_lru]
    async fn named(id: u64) -> u64 {
        id
    }
    #[cached_lru]
    async fn called(id: u64) -> u64 {
        id
    }
    #[cached_lru]
    async fn all(id: u64) -> u64 {
        id
    }
    #[cached_lru(tags("i:{id}"))]
    async fn other(id: u64) -> u64 {
        id
    }

    #[invalidates(tag = "i:tag", named, called(id + 1), tag = "i:{id}", all, clear_all, crate = ::cache_core)]
    async fn change(id: u64) {}

    tagged(1).await;
    named(1).await;
    called(2).await;
    all(9).await;
    other(1).await;
    other(2).await;
    change(1).await;
    let left = tagged::cache().len() + named::cache().len() + called::cache().len() + all::cache().len();
    assert_eq!((left, other::cache().len()), (0, 1));
}

#[tokio::test]
async fn a_mutation_by_tag_evicts_first_and_stays_evicted_however_it_ends() {
    struct Db {
        users: Cache<u64, u64>,
        reads: Source,
        writes: Source,
    }
    impl Db {
        #[cached_in(self.users, tags("j:{id}"))]
        async fn user(&self, id: u64) -> u64 {
            let _ = id;
            self.reads.read().await
        }

        #[invalidates(tag = "j:{id}")]
        async fn rename(&self, id: u64) -> Result<(), &'static str> {
            assert_eq!(self.users.peek(&id), None);
            self.writes.try_read().await?;
            self.reads.set(2);
            Ok(())
        }
    }

    for fate in [Some(Fate::Return), Some(Fate::Fail), Some(Fate::Panic), None] {
        let db = Arc::new(Db {
            users: Cache::builder().build(),
            reads: Source::new(1),
            writes: Source::new(0),
        });
        let load = || {
            let db = Arc::clone(&db);
            tokio::spawn(async move { db.user(7).await })
        };
        let first = load();
        db.reads.started().await.go_on();
        assert_eq!(soon(first).await.unwrap(), 1);

        let mut mutation = Box::pin(AssertUnwindSafe(db.rename(7)).catch_unwind());
        assert!((&mut mutation).now_or_never().is_none());
        assert_eq!(db.users.peek(&7), None);
        let meanwhile = load();
        db.reads.started().await.go_on();
        assert_eq!(soon(meanwhile).await.unwrap(), 1);
        assert_eq!(db.users.peek(&7), None, "kept while it is being changed");
        let overlapping = load();
        let read = db.reads.started().await;
        match fate {
            Some(fate) => {
                db.writes.started().await.end(fate);
                assert_eq!(soon(mutation).await.is_err(), fate == Fate::Panic);
            }
            None => drop(mutation),
        }
        read.go_on();
        soon(overlapping).await.unwrap();
        assert_eq!(db.users.peek(&7), None, "{fate:?}");
        let after = load();
        db.reads.started().await.go_on();
        let fresh = if fate == Some(Fate::Return) { 2 } else { 1 };
        assert_eq!(soon(after).await.unwrap(), fresh);
        assert_eq!(db.users.peek(&7), Some(fresh));
    }
}

#[tokio::test]
async fn what_arguments_own_is_not_moved() {
    #[cached_lru(tags("k:{name}"))]
    async fn get(name: String) -> String {
        name
    }
    #[cached_lru(key = name, tags("k:{name}"))]
    async fn by_expression(name: String) -> String {
        name
    }
    #[invalidates(tag = "k:{name}")]
    async fn change(name: String) -> String {
        name
    }
    assert_eq!(get("a".to_owned()).await, "a");
    assert_eq!(by_expression("a".to_owned()).await, "a");
    assert_eq!(change("a".to_owned()).await, "a");
    assert_eq!(get::cache().len() + by_expression::cache().len(), 0);
}

#[test]
fn futures_stay_send() {
    #[cached_lru(key = name, tags("l:{name}"))]
    async fn get(name: &str) -> u64 {
        tokio::task::yield_now().await;
        name.len() as u64
    }
    #[invalidates(tag = "l:{name}")]
    async fn change(name: &str) {
        tokio::task::yield_now().await;
    }
    fn is_send<T: Send>(_: T) {}
    is_send(get("a"));
    is_send(get::refresh("a"));
    is_send(get::insert("a", 1));
    is_send(change("a"));
    let shop = Shop::new(1);
    is_send(shop.own(1));
    is_send(shop.of_shop(1));
}

#[test]
fn a_hit_of_tagged_functions_allocates_nothing() {
    #[cached_lru(tags("m:{id}", "m"), tag_fn = |n: &u64| [format!("m:{n}")])]
    async fn typed(id: u64, name: &str) -> u64 {
        id + name.len() as u64
    }
    #[cached_lru(key = (id, name), tags("m:{id}", "m"), tag_fn = |n: &u64| [format!("m:{n}")])]
    async fn by_expression(id: u64, name: &str) -> u64 {
        id + name.len() as u64
    }
    futures::executor::block_on(async {
        let call = async || typed(7, "name").await + by_expression(7, "name").await;
        call().await;
        call().await;
        let counted = allocation_counter::measure(|| {
            assert_eq!(call().now_or_never(), Some(22));
        });
        assert_eq!(counted.count_total, 0);
    });
    assert_eq!(typed::stats().hits + by_expression::stats().hits, 4);
}

/// What a key holds whole, a tag may be made of, and of the fields of it.
#[tokio::test]
async fn a_tag_is_made_of_what_stands_whole_in_the_key() {
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct User {
        id: u64,
        team: (String, u8),
    }

    #[cached_lru(key = (user.clone(), region.to_owned(), &(*page)), tags("w:{user.id}:{user.team.0}", "w:{region}:{page}"))]
    async fn visits(user: &User, region: &str, page: &u64) -> u64 {
        user.id + region.len() as u64 + *page
    }

    let user = User {
        id: 7,
        team: ("red".to_owned(), 1),
    };
    visits(&user, "eu", &1).await;
    assert_eq!(invalidate_tag("w:7:red").await, 1);
    visits(&user, "eu", &1).await;
    assert_eq!(invalidate_tag("w:eu:1").await, 1);
}

/// Functions that share a cache and a key share the entry: it carries the tags of the one that loaded it.
#[tokio::test]
async fn an_entry_carries_the_tags_of_who_loaded_it() {
    static SHARED: std::sync::LazyLock<Cache<u64, u64>> = std::sync::LazyLock::new(|| Cache::builder().build());

    #[cached_in(SHARED, tags("x:one:{id}"))]
    async fn one(id: u64) -> u64 {
        id
    }
    #[cached_in(SHARED, tags("x:other:{id}"))]
    async fn other(id: u64) -> u64 {
        id
    }
    one(1).await;
    other(1).await;
    assert_eq!(invalidate_tag("x:other:1").await, 0);
    assert_eq!(invalidate_tag("x:one:1").await, 1);
    other(1).await;
    assert_eq!(invalidate_tag("x:other:1").await, 1);
}
