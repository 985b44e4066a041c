//! Times every call by itself, for the worst of them: the pause that a service sees.
//!
//! What the thread waited for a processor that others had is not part of a pause: where the system tells how long that
//! was, it is subtracted. Pauses of the machine remain.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::scheduler;
use crate::table::Table;

/// From here on it is asked whether the thread had to wait for a processor.
const PAUSE: Duration = Duration::from_micros(20);
/// So many calls at most lie between two times that it is asked.
const STRETCH: usize = 1024;

/// How long calls took, in nanoseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Times {
    median: u32,
    /// What one in ten thousand exceeds.
    rare: u32,
    worst: u32,
}

/// Times so many calls, but none after `limit`. `call` hears which it is, and `ready` is called before some of them, untimed.
///
/// # Panics
/// If there is nothing to time.
pub fn time(calls: usize, limit: Duration, mut ready: impl FnMut(), mut call: impl FnMut(usize)) -> Times {
    // Ones, so that the memory is there before the first time is written to it.
    let mut times = vec![1; calls];
    let mut timed = 0;
    let end = Instant::now() + limit;
    for (times, first) in times.chunks_mut(STRETCH).zip((0..).step_by(STRETCH)) {
        ready();
        let mut waited = scheduler::waited();
        let mut last = Instant::now();
        if last >= end {
            break;
        }
        timed += times.len();
        for (time, number) in times.iter_mut().zip(first..) {
            call(number);
            let now = Instant::now();
            let mut took = now - last;
            last = now;
            if took > PAUSE {
                let before = std::mem::replace(&mut waited, scheduler::waited());
                took = took.saturating_sub(waited.saturating_sub(before));
                last = Instant::now();
            }
            *time = u32::try_from(took.as_nanos()).unwrap_or(u32::MAX);
        }
    }
    times.truncate(timed);
    times.sort_unstable();
    let at_most = |share: usize| times[times.len() - 1 - times.len() / share];
    Times {
        median: at_most(2),
        rare: at_most(10_000),
        worst: at_most(usize::MAX),
    }
}

/// A table of what several runs of each name took. Names without a run are left out.
pub fn table<'r>(rows: impl IntoIterator<Item = (&'r str, Vec<Times>)>) -> Table {
    let mut table = Table::new(&[
        ("median, ns", 0),
        ("99.99 %, µs", 1),
        ("worst, µs", 0),
        ("least worst, µs", 0),
    ]);
    for (name, runs) in rows {
        if runs.is_empty() {
            continue;
        }
        let all = |figure: fn(&Times) -> u32| runs.iter().map(figure).collect::<Vec<_>>();
        let microseconds = |figure: u32| f64::from(figure) / 1e3;
        let cells = [
            median(all(|times| times.median)).map(f64::from),
            median(all(|times| times.rare)).map(microseconds),
            median(all(|times| times.worst)).map(microseconds),
            all(|times| times.worst).into_iter().min().map(microseconds),
        ];
        table.push(name, cells);
    }
    table
}

fn median(mut figures: Vec<u32>) -> Option<u32> {
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied()
}
