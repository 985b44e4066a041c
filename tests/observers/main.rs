//! Observers: one event for each change, to everybody who observed then, in the order of the changes of a key.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    clippy::unused_async,
    reason = "a test that cannot go on fails"
)]

mod order;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod told;
mod wiring;

use std::collections::HashMap;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock};
use std::time::Duration;

use cache_core::observer::{self, AnyEvent, Cause, Event, Events, Missed, ObserverId, Reason, Subscription};
use cache_core::{Cache, Clock, Policy, Stats, begin_tag_mutation, cached_lru, invalidate_tag};
use futures::FutureExt as _;
use futures::executor::block_on;
use futures::stream::{Stream, StreamExt as _};
use proptest::prelude::*;
use support::{soon, until, wait_until};

const POLICIES: [Policy; 2] = [Policy::Lru, Policy::TinyLfu];

/// An event: key, cause, former value, new value.
type Told = (u64, Cause, Option<u64>, Option<u64>);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Told>>>);

impl Log {
    fn of(cache: &Cache<u64, u64>) -> Self {
        let log = Self::default();
        cache.add_observer(log.writer());
        log
    }

    fn writer(&self) -> impl Fn(&Event<u64, u64>) + Send + Sync + use<> {
        let log = self.clone();
        move |event| log.0.lock().unwrap().push(told(event))
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn told(event: &Event<u64, u64>) -> Told {
    let (old, new) = (event.old_value().copied(), event.value().copied());
    (*event.key(), event.cause(), old, new)
}

fn inserted(key: u64, value: u64) -> Told {
    (key, Cause::Inserted, None, Some(value))
}

fn replaced(key: u64, old: u64, new: u64) -> Told {
    (key, Cause::Replaced, Some(old), Some(new))
}

fn gone(key: u64, cause: Cause, value: u64) -> Told {
    (key, cause, Some(value), None)
}

fn failed(key: u64) -> Told {
    (key, Cause::LoadFailed, None, None)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A cache in which time stands still.
fn timed(policy: Policy, max_size: usize, ttl: Duration) -> (Cache<u64, u64>, Clock) {
    let clock = Clock::manual();
    let builder = Cache::builder().policy(policy).max_size(max_size);
    (builder.ttl(ttl).clock(clock.clone()).build(), clock)
}

fn plain(policy: Policy, max_size: usize) -> Cache<u64, u64> {
    Cache::builder().policy(policy).max_size(max_size).build()
}
