//! Runs a future that does not wait, by polling it once.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::async_executor::AsyncExecutor;

/// Polls once. A hit needs no more, nor does a miss whose load is ready; a runtime would cost more than they do.
#[derive(Debug, Clone, Copy)]
pub struct Once;

impl AsyncExecutor for Once {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        poll_once(future)
    }
}

/// The output of a future that is ready when it is polled for the first time.
///
/// # Panics
/// If it is not.
#[inline]
pub fn poll_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("what was to be ready at once had to wait"),
    }
}
