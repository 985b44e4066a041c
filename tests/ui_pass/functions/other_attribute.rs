use cache_core::cached_lru;

// It may be a macro that makes something else of an `async fn`, so it sees one.
#[cached_lru]
#[rustfmt::skip]
async fn number(id: u64) -> u64 {
    id
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(number(1).await + number(1).await, 2);
        assert_eq!(number::stats().hits, 1);
    });
}
