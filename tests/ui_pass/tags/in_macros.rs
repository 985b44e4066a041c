use cache_core::{Cache, cached_in, cached_lru, invalidates};

macro_rules! getter {
    ($name:ident, $id:ident, $tag:literal) => {
        #[cached_lru(tags($tag, "macros:{id}"))]
        async fn $name($id: u64, id: u64) -> u64 {
            $id + id
        }
    };
}

getter!(get, key, "macros:{key}");

macro_rules! service {
    ($id:ident, $tag:literal) => {
        struct Service(Cache<u64, u64>);

        impl Service {
            #[cached_in(self.0, tags("macros:{value}", $tag))]
            async fn get(&self, value: u64) -> u64 {
                value
            }

            #[invalidates(tag = "macros:{value}", tag = "{self.1}", tag = $tag)]
            async fn change(&self, value: u64) {}
        }
    };
    ($id:ident) => {
        struct Service(Cache<u64, u64>, u64);

        impl Service {
            #[cached_in(self.0, tags("macros:{value}", "macros:{self.1}"))]
            async fn get(&self, value: u64) -> u64 {
                value
            }

            #[invalidates(tag = "macros:{value}", tag = "{self.1}")]
            async fn change(&self, value: u64) {}
        }
    };
}

service!(id);

pub fn main() {
    futures::executor::block_on(async {
        get(1, 2).await;
        let service = Service(Cache::builder().build(), 5);
        service.get(3).await;
        service.change(3).await;
        assert_eq!(service.0.len(), 0);
        assert_eq!(cache_core::invalidate_tag("macros:2").await, 1);
    });
}
