use std::rc::Rc;
use std::sync::Arc;

use cache_core::cached_lru;

/// Documented.
#[cached_lru(detached, cache_if = keep)]
#[inline]
pub async fn documented(id: u64) -> u64 {
    id
}

fn keep(value: &u64) -> bool {
    *value > 0
}

#[cfg(any())]
#[cached_lru(detached, skip(nothing))]
async fn left_out(nothing: &Nothing) -> u64 {
    1
}

// It may be a macro that makes something else of an `async fn`, so it sees one.
#[cached_lru(detached)]
#[rustfmt::skip]
async fn beside(id: u64) -> u64 {
    id
}

#[cached_lru(detached)]
async fn recursive(n: u64) -> u64 {
    if n < 2 {
        n
    } else {
        Box::pin(recursive(n - 1)).await + Box::pin(recursive(n - 2)).await
    }
}

// What is not held over an `await` need not go anywhere.
#[cached_lru(detached, skip(lent))]
async fn lifetimes<'a, 'b: 'a>(lent: &'a Arc<str>, id: &'b str, fixed: &'static str) -> String {
    let text = Rc::new(format!("{lent}{id}{fixed}"));
    text.to_string()
}

#[cached_lru(detached, skip(of))]
async fn generic<T, const N: usize>(of: &[T; N], id: u64) -> u64
where
    T: Into<u64> + Copy + Send + Sync + 'static,
{
    id + N as u64 + of[0].into()
}

macro_rules! function {
    ($name:ident, $argument:ident: &$type:ty, $of:ty) => {
        #[cached_lru(detached)]
        async fn $name($argument: &$type, more: $of) -> usize {
            $argument.len() + more.len()
        }
    };
}

function!(in_a_macro, text: &str, &[u8]);

fn is_send<T: Send>(future: T) -> T {
    future
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(is_send(documented(0)).await + is_send(documented::refresh(1)).await, 1);
        assert_eq!((documented::peek(0), documented::peek(1)), (None, Some(1)));
        assert_eq!((beside(1).await, recursive(50).await), (1, 12_586_269_025));
        assert_eq!(recursive::stats().loads, 51);
        assert_eq!(lifetimes(&"a".into(), "b", "c").await, "abc");
        assert_eq!(generic(&[1u32, 2], 3).await, 6);
        assert_eq!(in_a_macro("abc", b"de").await, 5);
    });
}
