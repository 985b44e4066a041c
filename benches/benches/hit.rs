//! What a hit costs on one thread.
//!
//! All are asked for the same keys in the same turn, so that no single entry stays hot, and prove that they were only
//! ever hit; see `contestants`. A hit waits for nothing, so no runtime takes part: a task that awaits one call after
//! the other is polled once, by hand.

#![expect(
    clippy::unused_async,
    reason = "the bodies of the cached functions; `cached` leaves them as they are"
)]

mod contestants;

use std::cell::Cell;
use std::future::Future;
use std::hint::black_box;

use cache_benches::once::Once;
use cache_benches::settings;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};

use contestants::{KEYS, Measure, fill, hits_only, number, number_and_text};

struct Latency<'a>(BenchmarkGroup<'a, WallTime>);

impl Measure for Latency<'_> {
    fn measure<F: Future<Output = u64>>(&mut self, name: &str, ask: impl Fn(u64) -> F + Sync) {
        fill(&ask);
        let id = Cell::new(0);
        hits_only(name, || {
            self.0.bench_function(name, |bencher| {
                bencher.to_async(Once).iter(|| {
                    id.set((id.get() + 1) % u64::from(KEYS));
                    ask(black_box(id.get()))
                });
            });
        });
    }
}

fn by_number(criterion: &mut Criterion) {
    number::all(&mut Latency(criterion.benchmark_group("hit by u64")));
}

fn by_number_and_text(criterion: &mut Criterion) {
    number_and_text::all(&mut Latency(criterion.benchmark_group("hit by u64 and &str")));
}

criterion_group! {
    name = hit;
    config = settings::criterion();
    targets = by_number, by_number_and_text
}
criterion_main!(hit);
