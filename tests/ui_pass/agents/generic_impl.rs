use cache_core::{agent_cached, agent_invalidates};

struct Tools<T>(T);

impl<T: Clone + Eq + std::hash::Hash + Send + Sync + 'static> Tools<T> {
    #[agent_cached(resource = "generic:cart", scope = "session", skip(self))]
    async fn get(&self, id: u64) -> u64 {
        id
    }

    #[agent_cached(resource = "generic:cart", key = self.0.clone())]
    async fn own(&self) -> u64 {
        1
    }

    #[agent_invalidates(resource = "generic:cart", scope = "session", key_fn = |id, _of| id)]
    async fn change(&self, id: u64, of: T) {}
}

#[agent_cached(resource = "generic:cart", skip(shown))]
async fn skipped<S: std::fmt::Display>(shown: S, id: u64) -> String {
    format!("{shown}{id}")
}

pub fn main() {
    futures::executor::block_on(cache_core::session::scope("generic", async {
        let (texts, numbers) = (Tools("a"), Tools(1_u64));
        texts.get(1).await;
        numbers.get(2).await;
        texts.own().await;
        numbers.own().await;
        skipped("x", 2).await;
        texts.change(1, "b").await;
        assert_eq!(Tools::<&str>::get_cache().len(), 0);
        assert_eq!(Tools::<u64>::get_cache().len(), 1);
        numbers.change(2, 2).await;
        assert_eq!(Tools::<u64>::get_cache().len(), 0);
        assert_eq!(Tools::<u64>::own_cache().len() + skipped::cache().len(), 2);
    }));
}
