use std::error::Error;
use std::fmt;
use std::sync::Arc;

use cache_core::cached_revision;
use cache_core::revision::{Lookup, Revised, Status};

// Neither `Clone` nor to be shown.
#[derive(PartialEq)]
struct Silent;

#[derive(Debug)]
struct Chained(Box<dyn Error + Send + Sync>);

impl fmt::Display for Chained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Chained {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

type Res<T> = Result<T, Chained>;

macro_rules! both {
    ($name:ident, $stale:ident, $returns:ty, $value:expr) => {
        #[cached_revision(revision = 1)]
        async fn $name() -> $returns {
            $value
        }

        #[cached_revision(revision = 1, on_change = "stale")]
        async fn $stale() -> $returns {
            $value
        }
    };
}

both!(plain, plain_stale, u64, 7);
both!(option, option_stale, Option<u64>, None);
both!(result, result_stale, Result<Arc<u64>, String>, Ok(Arc::new(7)));
both!(silent, silent_stale, Result<u64, Silent>, Ok(7));
both!(boxed, boxed_stale, Result<u64, Box<dyn Error + Send + Sync>>, Ok("7".parse()?));
both!(alias, alias_stale, Res<u64>, Ok("7".parse()?));
both!(nested, nested_stale, Result<Result<u64, u64>, String>, Ok(Err(7)));
both!(unit, unit_stale, Result<(), String>, Ok(()));
both!(text, text_stale, &'static str, "7");

// Another thread never has it.
#[cached_revision(revision = 1)]
async fn stays() -> Result<u64, std::rc::Rc<str>> {
    Ok(7)
}

#[cached_revision(revision = 1)]
async fn lent_error(name: &str) -> Result<u64, &str> {
    name.parse().map_err(|_| name)
}

pub fn main() {
    futures::executor::block_on(async {
        let found: Lookup<u64> = plain::lookup().await;
        assert_eq!((found.value, found.status), (7, Status::Miss));
        assert_eq!((plain_stale().await, option().await, option_stale().await), (7, None, None));
        // That there is nothing is kept as well.
        assert_eq!(option::lookup().await.status, Status::HitRevision);
        let found: Result<Lookup<Arc<u64>>, String> = result::lookup().await;
        assert_eq!(*found.unwrap().value, 7);
        assert!(result_stale::lookup().await.is_ok());
        assert!(silent().await == Ok(7) && silent_stale::force().await == Ok(7));
        assert!(boxed().await.is_ok() && boxed_stale().await.is_ok());
        assert_eq!((alias().await.unwrap(), alias_stale::lookup().await.unwrap().value), (7, 7));
        assert_eq!((nested().await, nested_stale().await), (Ok(Err(7)), Ok(Err(7))));
        assert_eq!((unit().await, unit_stale().await), (Ok(()), Ok(())));
        assert_eq!((text().await, text_stale().await), ("7", "7"));
        assert_eq!(stays().await, Ok(7));
        assert_eq!((lent_error("7").await, lent_error("x").await), (Ok(7), Err("x")));
        // Of a `Result` the success is kept.
        let kept: Option<Revised<u64>> = alias::peek();
        assert_eq!(*kept.unwrap().value(), 7);
    });
}
