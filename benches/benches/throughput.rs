//! How many hits one thread and two threads get in a second.
//!
//! Each thread has its own sequence of keys, drawn beforehand from a Zipf distribution with a fixed seed, so that some
//! keys are popular with both. Threads start together behind a barrier; what counts is the time from the first start
//! to the last end, in which each makes the same number of calls. They only ever hit; see `contestants`. A hit of this
//! library waits for nothing; where one waits for an asynchronous lock, its thread is parked until it is woken.

#![expect(
    clippy::unused_async,
    reason = "the bodies of the cached functions; `cached` leaves them as they are"
)]

mod contestants;

use std::future::Future;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use cache_benches::settings;
use cache_benches::zipf::zipf;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use futures::executor::block_on;

use contestants::{KEYS, Measure, fill, hits_only, number, number_and_text};

/// Accesses drawn for a thread, which then begins anew: so few that they stay in the nearest cache of the processor.
const ACCESSES: usize = 1 << 14;

struct Together<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    sequences: [Vec<u16>; 2],
}

impl<'a> Together<'a> {
    fn new(mut group: BenchmarkGroup<'a, WallTime>) -> Self {
        // Every sample takes about as long, long enough for the start of threads not to matter.
        group.sampling_mode(SamplingMode::Flat).sample_size(20);
        Self {
            group,
            sequences: [7, 42].map(|seed| zipf(KEYS, ACCESSES, seed)),
        }
    }
}

impl Measure for Together<'_> {
    fn measure<F: Future<Output = u64>>(&mut self, name: &str, ask: impl Fn(u64) -> F + Sync) {
        fill(&ask);
        for threads in 1..=self.sequences.len() {
            let sequences = &self.sequences[..threads];
            self.group.throughput(Throughput::Elements(threads as u64));
            hits_only(name, || {
                self.group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                    bencher.iter_custom(|calls| run(sequences, calls, &ask));
                });
            });
        }
    }
}

/// The time in which a thread for each sequence makes so many calls.
fn run<F: Future<Output = u64>>(sequences: &[Vec<u16>], calls: u64, ask: &(impl Fn(u64) -> F + Sync)) -> Duration {
    let calls = usize::try_from(calls).expect("no more than fit into memory");
    let barrier = &Barrier::new(sequences.len());
    thread::scope(|scope| {
        let threads: Vec<_> = sequences
            .iter()
            .map(|sequence| {
                scope.spawn(move || {
                    barrier.wait();
                    let began = Instant::now();
                    block_on(async {
                        for &id in sequence.iter().cycle().take(calls) {
                            black_box(ask(black_box(id.into())).await);
                        }
                    });
                    (began, Instant::now())
                })
            })
            .collect();
        let spans: Vec<_> = threads
            .into_iter()
            .map(|thread| thread.join().expect("no call panics"))
            .collect();
        let began = spans.iter().map(|span| span.0).min().expect("there is a thread");
        let ended = spans.iter().map(|span| span.1).max().expect("there is a thread");
        ended - began
    })
}

fn by_number(criterion: &mut Criterion) {
    number::all(&mut Together::new(criterion.benchmark_group("throughput by u64")));
}

fn by_number_and_text(criterion: &mut Criterion) {
    let group = criterion.benchmark_group("throughput by u64 and &str");
    number_and_text::all(&mut Together::new(group));
}

criterion_group! {
    name = throughput;
    config = settings::criterion();
    targets = by_number, by_number_and_text
}
criterion_main!(throughput);
