mod elsewhere {
    pub use ::cache_core as renamed;
}

mod inner {
    #[derive(Clone)]
    pub struct Own(pub super::elsewhere::renamed::Cache<u64, u64>);

    #[super::elsewhere::renamed::cached_ttl(
        stale_while_revalidate = "30s",
        jitter = super::Duration::from_secs(1),
        refresh_ahead = 1.0 / 2.0,
        ttl_fn = |_| super::Duration::from_secs(60),
        skip(lent, given),
        crate = super::elsewhere::renamed
    )]
    pub async fn get(lent: &Vec<u8>, given: Vec<u8>, id: u64) -> u64 {
        id + lent.len() as u64 + given.len() as u64
    }

    impl Own {
        #[super::elsewhere::renamed::cached_in(self.0, detached, crate = super::elsewhere::renamed)]
        pub async fn get(&self, id: u64) -> u64 {
            id + self.0.len() as u64
        }
    }
}

use std::time::Duration;

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(inner::get(&vec![1], vec![2], 3).await, 5);
        let own = inner::Own(elsewhere::renamed::Cache::builder().build());
        assert_eq!(own.get(1).await, 1);
    });
}
