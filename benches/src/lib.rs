//! What the benchmarks share: how a future is polled, what is asked for, and how figures get into `README.md`.

pub mod instructions;
pub mod isolated;
pub mod latency;
pub mod once;
pub mod scheduler;
pub mod settings;
pub mod table;
pub mod zipf;
