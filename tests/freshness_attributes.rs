//! The attributes' words for time and failure, and loads that outlive their calls.

#![allow(
    clippy::unwrap_used,
    clippy::unused_async,
    clippy::items_after_statements,
    clippy::too_many_arguments,
    reason = "tests are short, and stop where something is wrong"
)]

use std::borrow::Cow;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use cache_core::{Cache, LoadTimeout, cached_in, cached_lru, cached_ttl};

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
