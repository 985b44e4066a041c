//! What a load came to, in a line.

use std::time::Duration;

use cache_core::revision::Status;

use crate::count::Counted;

pub(crate) struct Request {
    pub(crate) core: Status,
    pub(crate) tail: Status,
    /// What it had sent when it was answered.
    pub(crate) queries: u64,
    /// What goes on behind it included.
    pub(crate) counted: Counted,
    pub(crate) took: Duration,
}

impl Request {
    /// What went on behind it.
    pub(crate) fn behind(&self) -> u64 {
        self.counted.queries() - self.queries
    }
}

pub(crate) struct Report {
    requests: Vec<Request>,
}

impl Report {
    pub(crate) fn heading() -> String {
        format!(
            "{:30}{:>9}{:>11}{:>7}{:>8}{:>11}{:>8}{:>14}{:>8}{:>9}{:>8}",
            "",
            "requests",
            "core: hit",
            "stale",
            "waited",
            "tail: hit",
            "waited",
            "queries each",
            "behind",
            "ms p50",
            "p99"
        )
    }

    pub(crate) fn of(mut requests: Vec<Request>) -> Self {
        requests.sort_by_key(|request| request.took);
        Self { requests }
    }

    pub(crate) fn line(&self, name: &str) -> String {
        let all = self.requests.len();
        let count = |is: fn(&Request) -> bool| self.requests.iter().filter(|request| is(request)).count();
        #[expect(clippy::cast_precision_loss, reason = "there are not that many")]
        let each =
            |queries: fn(&Request) -> u64| self.requests.iter().map(queries).sum::<u64>() as f64 / all.max(1) as f64;
        let millis = |part: usize| {
            let at = (all * part / 100).min(all.saturating_sub(1));
            self.requests
                .get(at)
                .map_or(0.0, |request| request.took.as_secs_f64() * 1e3)
        };
        format!(
            "{name:30}{all:>9}{:>11}{:>7}{:>8}{:>11}{:>8}{:>14.2}{:>8.2}{:>9.2}{:>8.2}",
            count(|it| it.core == Status::HitRevision),
            count(|it| it.core == Status::Stale),
            count(|it| matches!(it.core, Status::Miss | Status::Reloaded)),
            count(|it| it.tail == Status::HitRevision),
            count(|it| matches!(it.tail, Status::Miss | Status::Reloaded)),
            each(|it| it.queries),
            each(Request::behind),
            millis(50),
            millis(99),
        )
    }
}
