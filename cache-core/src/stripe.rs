//! One place for each thread to write to, so that threads that only count never meet.
//!
//! A thread takes the lowest number that is free when it first asks, and gives it back when it ends. It is the index of
//! its stripe, which it has to itself and may write with plain loads and stores; they cost a fraction of an atomic
//! addition. Whoever comes when all are taken shares the last stripe. A number passes from one thread to the next
//! through a lock, so that the next one sees what the former wrote.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

/// Most stripes that anything has, the shared one included; owners of stamps are numbered in six bits.
pub(crate) const MOST: usize = 62;

/// Two cache lines, so that neighbouring stripes are not fetched together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// A `T` for each thread.
#[derive(Debug)]
pub(crate) struct Striped<T>(Box<[Line<T>]>);

impl<T: Default> Striped<T> {
    pub(crate) fn new() -> Self {
        Self((0..stripes()).map(|_| Line::default()).collect())
    }
}

impl<T> Striped<T> {
    /// The stripe of this thread, its index, and whether no other thread writes it.
    #[inline]
    pub(crate) fn mine(&self) -> (&T, usize, bool) {
        let index = NUMBER.get();
        // A thread that has not asked yet is out of bounds.
        let (line, index) = match self.0.get(index) {
            Some(line) => (line, index),
            None => self.first_time(),
        };
        (&line.0, index, index + 1 < self.0.len())
    }

    #[cold]
    fn first_time(&self) -> (&Line<T>, usize) {
        let shared = self.0.len() - 1;
        let index = if is_ending() { shared } else { NUMBER.get().min(shared) };
        (&self.0[index], index)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|line| &line.0)
    }
}

/// Enough for every thread of an async runtime and some of those it blocks on, and one that is shared.
fn stripes() -> usize {
    static STRIPES: OnceLock<usize> = OnceLock::new();
    *STRIPES.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(4, usize::from);
        (2 * cores + 1).clamp(9, MOST)
    })
}

/// A thread that has not asked yet.
const UNKNOWN: usize = usize::MAX;

/// A thread that has given its number back.
const ENDING: usize = usize::MAX - 1;

/// Whether this thread is ending, so that other thread-local things that the cache needs may be gone. To be asked before
/// the index is pinned: a thread that asks for the first time takes its number here.
#[inline]
pub(crate) fn is_ending() -> bool {
    let number = NUMBER.get();
    number >= ENDING && (number == ENDING || take() == ENDING)
}

/// How many threads there are that use a cache.
pub(crate) fn threads() -> usize {
    THREADS.load(Ordering::Relaxed)
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // Without a destructor, so that it can be read while the thread ends.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
    static TAKEN: Taken = const { Taken(Cell::new(None)) };
}

/// Takes a number for this thread.
#[cold]
fn take() -> usize {
    // What is thread-local is destroyed in the reverse order. So that ours goes before the collector's of the index, the
    // collector's has to be there first. It panics if it has been destroyed already.
    static COLLECTOR: LazyLock<seize::Collector> = LazyLock::new(seize::Collector::new);
    let collector = LazyLock::force(&COLLECTOR);
    let has_collector = catch_unwind(|| drop(collector.enter())).is_ok();
    let shared = stripes() - 1;
    let number = TAKEN.try_with(|taken| {
        let number = free().get_or_insert_with(|| (0..shared).collect()).pop_first();
        // Or all are taken.
        let number = number.unwrap_or(shared);
        taken.0.set(Some(number));
        THREADS.fetch_add(1, Ordering::Relaxed);
        number
    });
    let number = number.ok().filter(|_| has_collector).unwrap_or(ENDING);
    NUMBER.set(number);
    number
}

/// The number of a thread, given back when the thread ends.
struct Taken(Cell<Option<usize>>);

impl Drop for Taken {
    fn drop(&mut self) {
        NUMBER.set(ENDING);
        if let (Some(number), Some(free)) = (self.0.take(), &mut *free()) {
            THREADS.fetch_sub(1, Ordering::Relaxed);
            if number + 1 < stripes() {
                free.insert(number);
            }
        }
    }
}

/// The numbers that nobody has; all of them before the first is taken.
fn free() -> MutexGuard<'static, Option<BTreeSet<usize>>> {
    static FREE: Mutex<Option<BTreeSet<usize>>> = Mutex::new(None);
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn no_two_living_threads_have_one_stripe_and_the_dead_give_theirs_back() {
        const THREADS: usize = 200;
        let stripes = Striped::<Cell<()>>::new().0.len();
        let round = || {
            let all_have_one = Barrier::new(THREADS);
            let taken: Vec<(usize, bool)> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..THREADS)
                    .map(|_| {
                        scope.spawn(|| {
                            let striped = Striped::<Cell<()>>::new();
                            let (_, index, is_exclusive) = striped.mine();
                            all_have_one.wait();
                            assert_eq!((index, is_exclusive), (striped.mine().1, striped.mine().2));
                            (index, is_exclusive)
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().expect("no panic"))
                    .collect()
            });
            let exclusive: Vec<usize> = taken.iter().filter(|it| it.1).map(|it| it.0).collect();
            assert_eq!(exclusive.iter().collect::<HashSet<_>>().len(), exclusive.len());
            assert!(
                taken
                    .iter()
                    .all(|(index, is_exclusive)| *is_exclusive || *index == stripes - 1)
            );
            !exclusive.is_empty()
        };
        // Several rounds find some, so they come back. In some rounds other tests may have them all.
        assert_eq!((0..1_000).filter(|_| round()).take(5).count(), 5);
    }
}
