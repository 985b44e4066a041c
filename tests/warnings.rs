//! What is strange about resources and sessions is logged, once, and says what to do; and nothing stale is left because of it.

#![allow(clippy::unwrap_used, clippy::unused_async, reason = "a test that cannot go on fails")]

use std::sync::{Mutex, MutexGuard, Once};

use cache_core::{agent_cached, agent_invalidates, cached_lru, session};

struct Logged(Mutex<Vec<String>>);

static LOGGED: Logged = Logged(Mutex::new(Vec::new()));

impl Logged {
    fn all(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl log::Log for Logged {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.target().starts_with("cache_core")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            assert_eq!(record.level(), log::Level::Warn);
            self.all().push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// What was logged of this, `resource` or `cache`.
fn said_of(what: &str, name: &str) -> Vec<String> {
    let named = format!("{what} `{name}`");
    LOGGED.all().iter().filter(|it| it.contains(&named)).cloned().collect()
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOGGED).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

#[agent_cached(resource = "basket", name = "view_basket")]
async fn view_basket(user: u64) -> u64 {
    user
}

#[agent_invalidates(resource = "basket")]
async fn fill_basket() {}

#[agent_invalidates(resource = "baskte")]
async fn fill_by_typo() {}

#[agent_invalidates(resource = "weather")]
async fn change_weather() {}

#[tokio::test]
async fn a_resource_that_no_function_has_is_said_once_with_near_misses() {
    listen();
    // Known, although none of its functions has been called.
    fill_basket().await;
    assert!(said_of("resource", "basket").is_empty());
    for _ in 0..3 {
        fill_by_typo().await;
        change_weather().await;
    }
    let said = said_of("resource", "baskte");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("did you mean `basket` (of `warnings::view_basket`)?"),
        "{said:?}"
    );
    let said = said_of("resource", "weather");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("there are `") && !said[0].contains("did you mean"),
        "{said:?}"
    );
    assert_eq!(view_basket(7).await, 7);
}

#[agent_cached(resource = "diary", scope = "session", name = "read_diary")]
async fn read_diary(page: u64) -> u64 {
    page
}

#[agent_invalidates(resource = "diary", scope = "session")]
async fn write_diary() {}

#[tokio::test]
async fn what_belongs_to_a_session_says_once_that_there_is_none() {
    listen();
    for page in 0..3 {
        read_diary(page).await;
    }
    let said = said_of("cache", "read_diary");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("session::scope"), "{said:?}");
    assert_eq!((read_diary::stats().bypassed, read_diary::stats().len), (3, 0));

    for id in ["a", "b"] {
        session::scope(id, read_diary(1)).await;
    }
    // Whose part is meant nobody can tell, so that it is everybody's.
    write_diary().await;
    write_diary().await;
    assert_eq!(read_diary::stats().len, 0);
    let said: Vec<_> = said_of("resource", "diary");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("for everybody"), "{said:?}");
}

#[agent_cached(resource = "orders", name = "view_order")]
async fn view_order(id: u64) -> u64 {
    id
}

#[agent_cached(resource = "orders", name = "find_order")]
async fn find_order(number: &str) -> u64 {
    number.len() as u64
}

#[agent_invalidates(resource = "orders", key_fn = |id| id)]
async fn change_order(id: u64) {}

#[agent_invalidates(resource = "orders", key_fn = |number| number)]
async fn rename_order(number: String) {}

#[agent_invalidates(resource = "orders", key_fn = |id| id)]
async fn change_by_another_type(id: u32) {}

#[tokio::test]
async fn a_key_of_no_functions_type_evicts_everything_and_is_said_once() {
    listen();
    // Known before any of them is called.
    change_order(1).await;
    // Known before any of them is called.
    change_order(1).await;
    let fill = || async {
        view_order(1).await;
        view_order(2).await;
        find_order("one").await;
    };
    fill().await;
    change_order(1).await;
    assert_eq!((view_order::peek(1), view_order::peek(2)), (None, Some(2)));
    assert!(find_order::peek("one").is_some());
    rename_order("one".to_owned()).await;
    assert!(find_order::peek("one").is_none() && view_order::peek(2).is_some());
    assert!(said_of("resource", "orders").is_empty());

    for _ in 0..2 {
        fill().await;
        change_by_another_type(1).await;
        assert_eq!((view_order::stats().len, find_order::stats().len), (0, 0));
    }
    let said = said_of("resource", "orders");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("`u32`")
            && said[0].contains("`u64` (`warnings::view_order`)")
            && said[0].contains("`str` (`warnings::find_order`)"),
        "{said:?}"
    );
}

/// A method in a generic `impl` has a cache for each type, and is one function.
#[tokio::test]
async fn one_generic_method_is_not_two_functions() {
    struct Repository<T>(std::marker::PhantomData<T>);
    impl<T: Clone + Send + Sync + Default + 'static> Repository<T> {
        #[cached_lru(skip(self))]
        async fn generic_get(&self, id: u64) -> usize {
            let _ = id;
            size_of::<T>()
        }
    }
    listen();
    Repository::<u64>(std::marker::PhantomData).generic_get(1).await;
    Repository::<String>(std::marker::PhantomData).generic_get(1).await;
    let all = LOGGED.all();
    let warned = all.iter().filter(|text| text.contains("generic_get"));
    assert_eq!(warned.count(), 0);
}

/// A key that fits a function which has not been called yet is no mistake.
#[tokio::test]
async fn a_key_of_a_function_that_was_not_called_yet_is_not_warned_of() {
    #[agent_cached(resource = "later")]
    async fn all(user: u64) -> u64 {
        user
    }
    #[agent_cached(resource = "later")]
    async fn one(user: u64, item: u8) -> u64 {
        user + u64::from(item)
    }
    #[agent_invalidates(resource = "later", key_fn = |user| (*user, 1_u8))]
    async fn change(user: u64) {}
    listen();
    all(7).await;
    change(7).await;
    one(7, 1).await;
    assert!(said_of("resource", "later").is_empty());
}
