//! Runs a future that waits for nobody, by polling it by hand.

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

/// Polls a future until it is ready: one that gives way to others now and then, and waits for nobody.
pub fn poll_through<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
}
