//! What the operating system knows about a thread that wanted to run and was not let.

use std::fs;
use std::time::Duration;

/// How long this thread has waited for a processor so far, while others had it. Linux counts that; elsewhere it is 0.
pub fn waited() -> Duration {
    let nanoseconds = || {
        // Time on a processor, time waiting for one, turns.
        let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().nth(1)?.parse().ok()
    };
    Duration::from_nanos(nanoseconds().unwrap_or(0))
}
