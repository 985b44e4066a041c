//! One place for each thread to write to, so that threads that only count never meet.
//!
//! A thread takes the lowest number that is free when it first asks, and gives it back when it ends. Threads with a
//! number below [`Striped::exclusive`] have a stripe to themselves and may write it with plain loads and stores, which
//! cost a fraction of an atomic addition; whoever comes later shares the last stripe. A number passes from one thread to
//! the next through a lock, so that the next one sees what the former wrote.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

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
        let shared = self.0.len() - 1;
        let index = number().min(shared);
        (&self.0[index].0, index, index < shared)
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
/// A thread that is ending: it has given its number back.
const NONE: usize = usize::MAX - 1;

thread_local! {
    // Without a destructor, so that it can be read while the thread ends.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
    static TAKEN: Taken = const { Taken(Cell::new(NONE)) };
}

#[inline]
fn number() -> usize {
    let number = NUMBER.get();
    if number == UNKNOWN { take() } else { number }
}

#[cold]
fn take() -> usize {
    // First, so that there is somebody to give the number back.
    let number = TAKEN.try_with(|taken| {
        let mut numbers = numbers();
        let number = numbers.given_back.pop_first().unwrap_or_else(|| {
            numbers.next += 1;
            numbers.next - 1
        });
        taken.0.set(number);
        number
    });
    let number = number.unwrap_or(NONE);
    NUMBER.set(number);
    number
}

/// The number of a thread, given back when the thread ends.
struct Taken(Cell<usize>);

impl Drop for Taken {
    fn drop(&mut self) {
        NUMBER.set(NONE);
        if self.0.get() != NONE {
            numbers().given_back.insert(self.0.get());
        }
    }
}

struct Numbers {
    next: usize,
    given_back: BTreeSet<usize>,
}

fn numbers() -> MutexGuard<'static, Numbers> {
    static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers {
        next: 0,
        given_back: BTreeSet::new(),
    });
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn no_two_living_threads_have_one_number_and_the_dead_give_theirs_back() {
        const THREADS: usize = 40;
        let highest = (0..5)
            .map(|_| {
                let all_have_one = Barrier::new(THREADS);
                let taken: HashSet<usize> = std::thread::scope(|scope| {
                    let threads: Vec<_> = (0..THREADS)
                        .map(|_| {
                            scope.spawn(|| {
                                let mine = number();
                                all_have_one.wait();
                                assert_eq!(mine, number());
                                mine
                            })
                        })
                        .collect();
                    threads
                        .into_iter()
                        .map(|thread| thread.join().expect("no panic"))
                        .collect()
                });
                assert_eq!(taken.len(), THREADS);
                taken.into_iter().max().expect("there were some")
            })
            .max();
        // Five rounds would need two hundred if none came back; other tests have threads as well.
        assert!(highest < Some(5 * THREADS), "{highest:?}");
    }
}
