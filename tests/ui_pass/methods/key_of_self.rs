use cache_core::{cached_ttl, invalidates};

struct Users {
    tenant: String,
}

impl Users {
    #[cached_ttl(key = (self.tenant, id))]
    async fn get(&self, id: u64, _trace: &str) -> String {
        format!("{}{id}", self.tenant)
    }

    #[invalidates(Self::get(self, id))]
    async fn change(&self, id: u64) {}
}

pub fn main() {
    futures::executor::block_on(async {
        let (a, b) = (Users { tenant: "a".into() }, Users { tenant: "b".into() });
        assert_eq!((a.get(1, "").await, b.get(1, "").await), ("a1".into(), "b1".into()));
        a.change(1).await;
        assert_eq!(Users::get_cache().len(), 1);
    });
}
