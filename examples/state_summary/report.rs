//! What a load came to, in a line.

use std::time::Duration;

use cache_core::revision::Status;

use crate::count::Queries;

pub(crate) struct Request {
    pub(crate) core: Status,
    pub(crate) tail: Status,
    /// What it waited for.
    pub(crate) queries: u64,
    pub(crate) took: Duration,
}

pub(crate) struct Report {
    requests: Vec<Request>,
    background: Queries,
}

impl Report {
    pub(crate) const HEADING: &'static str = "\
                              requests  core: hit  stale  waited   tail: hit  waited   queries each    ms p50    p99   rebuilds";

    pub(crate) fn of(mut requests: Vec<Request>, background: Queries) -> Self {
        requests.sort_by_key(|request| request.took);
        Self { requests, background }
    }

    pub(crate) fn line(&self, name: &str) -> String {
        let all = self.requests.len();
        let count = |is: fn(&Request) -> bool| self.requests.iter().filter(|request| is(request)).count();
        let queries: u64 = self.requests.iter().map(|request| request.queries).sum();
        #[expect(clippy::cast_precision_loss, reason = "there are not that many")]
        let each = queries as f64 / all.max(1) as f64;
        let millis = |part: usize| {
            let at = (all * part / 100).min(all.saturating_sub(1));
            self.requests
                .get(at)
                .map_or(0.0, |request| request.took.as_secs_f64() * 1e3)
        };
        format!(
            "{name:30}{all:>8}{:>11}{:>7}{:>8}{:>12}{:>8}{each:>15.2}{:>10.2}{:>7.2}{:>11}",
            count(|it| it.core == Status::HitRevision),
            count(|it| it.core == Status::Stale),
            count(|it| matches!(it.core, Status::Miss | Status::Reloaded)),
            count(|it| it.tail == Status::HitRevision),
            count(|it| matches!(it.tail, Status::Miss | Status::Reloaded)),
            millis(50),
            millis(99),
            self.background.of_requests / 20,
        )
    }
}
