//! How long criterion measures.

use std::time::Duration;

use criterion::Criterion;

/// Short enough that all topics together take some minutes. `--measurement-time` and its like come on top.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(400))
        .measurement_time(Duration::from_secs(2))
        .sample_size(50)
        .nresamples(10_000)
}
