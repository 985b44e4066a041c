use std::error::Error;

use cache_core::{LoadTimeout, cached_lru, cached_ttl};

#[cached_lru(detached)]
async fn boxed(id: u64) -> Result<u64, Box<dyn Error + Send + Sync>> {
    if id == 0 {
        return Err("none".into());
    }
    Ok("1".parse::<u64>()? + id)
}

// An error of this type is made of any other.
#[cached_ttl(load_timeout = "2s")]
async fn limited(id: u64) -> Result<u64, Box<dyn Error + Send + Sync>> {
    Ok(id)
}

type Res<T> = Result<T, LoadTimeout>;

#[cached_ttl(stale_if_error = "5m", err_ttl = "1s", load_timeout = "2s")]
async fn aliased(id: u64) -> Res<u64> {
    Ok(id)
}

pub fn main() {
    futures::executor::block_on(async {
        assert!(boxed(0).await.is_err());
        assert_eq!((boxed(1).await.unwrap(), limited(1).await.unwrap(), aliased(1).await.unwrap()), (2, 1, 1));
    });
}
