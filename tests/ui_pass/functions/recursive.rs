use cache_core::cached_lru;

#[cached_lru]
async fn fib(n: u64) -> u64 {
    if n < 2 {
        n
    } else {
        Box::pin(fib(n - 1)).await + Box::pin(fib(n - 2)).await
    }
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(fib(50).await, 12_586_269_025);
        assert_eq!(fib::stats().loads, 51);
    });
}
