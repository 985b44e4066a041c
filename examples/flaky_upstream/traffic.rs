//! Who asks: the same requests at the same times for every variant, whether or not the ones before were answered.

use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use cache_core::Stats;
use futures::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::upstream::{ASKED_FOR, Answer, Call, Error, KNOWN, Matter, Script, Upstream, chance};

/// Each item is asked for once in this time, at a moment of its own.
pub(crate) const PERIOD: Duration = Duration::from_millis(125);

/// A way to ask for an item.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    /// As it is written above the function.
    pub(crate) attribute: &'static str,
    pub(crate) call: fn(Arc<Upstream>, u32) -> BoxFuture<'static, Answer>,
    pub(crate) stats: fn() -> Stats,
    /// After which a caller goes away, if it does.
    pub(crate) patience: Option<Duration>,
}

/// A request, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) id: u32,
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    /// Whether there was an answer when the call was polled for the first time.
    pub(crate) waited: bool,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// As old as this.
    Item(Duration),
    /// That there is no such item, or that the service is down.
    Error,
    /// That it took longer than this, the `load_timeout`.
    TooSlow(Duration),
    /// The caller went away.
    GaveUp,
}

impl Sample {
    pub(crate) fn has_failed(&self) -> bool {
        !matches!(self.outcome, Outcome::Item(_))
    }
}

/// What became of a variant.
pub(crate) struct Run {
    pub(crate) variant: &'static Variant,
    /// All that were sent.
    pub(crate) requests: usize,
    /// Those for items that exist.
    pub(crate) samples: Vec<Sample>,
    pub(crate) calls: Vec<Call>,
    pub(crate) stats: Stats,
    /// By how much the latest request was sent too late.
    pub(crate) late: Duration,
}

/// When what is asked for, in order.
pub(crate) fn schedule(script: &Script) -> Vec<(Duration, u32)> {
    let mut requests = Vec::new();
    for id in 0..ASKED_FOR {
        let mut at = PERIOD.mul_f64(chance(script.seed, Matter::Request, id, 0));
        while at < script.end() {
            requests.push((at, id));
            at += PERIOD;
        }
    }
    requests.sort_unstable();
    requests
}

/// Sends all requests, and waits for the answers, and for the calls of the service that nobody waits for.
pub(crate) async fn play(
    variant: &'static Variant,
    upstream: Arc<Upstream>,
    requests: Arc<[(Duration, u32)]>,
    begun: Instant,
) -> Result<Run, String> {
    let mut callers = JoinSet::new();
    let mut late = Duration::ZERO;
    for &(at, id) in &*requests {
        sleep_until((begun + at).into()).await;
        let now = begun.elapsed();
        late = late.max(now.saturating_sub(at));
        callers.spawn(ask(variant, Arc::clone(&upstream), id, now, begun));
    }
    let mut samples = Vec::new();
    while let Some(sample) = callers.join_next().await {
        let sample = sample.map_err(|error| format!("a caller failed: {error}"))??;
        samples.extend((sample.id < KNOWN).then_some(sample));
    }
    while upstream.calls().iter().any(|call| call.end.is_none()) {
        sleep(Duration::from_millis(10)).await;
    }
    samples.sort_by_key(|sample| sample.at);
    Ok(Run {
        variant,
        requests: requests.len(),
        samples,
        calls: upstream.calls(),
        stats: (variant.stats)(),
        late,
    })
}

async fn ask(
    variant: &'static Variant,
    upstream: Arc<Upstream>,
    id: u32,
    at: Duration,
    begun: Instant,
) -> Result<Sample, String> {
    let mut call = (variant.call)(upstream, id);
    let first = futures::poll!(&mut call);
    let waited = first.is_pending();
    let answer = match (first, variant.patience) {
        (Poll::Ready(answer), _) => Some(answer),
        (Poll::Pending, None) => Some(call.await),
        // The call is dropped with whatever it has begun.
        (Poll::Pending, Some(patience)) => timeout(patience, call).await.ok(),
    };
    let now = begun.elapsed();
    let outcome = match answer {
        Some(Ok(item)) => Outcome::Item(now.saturating_sub(item.made_at)),
        Some(Err(Error::NotFound | Error::Unavailable)) => Outcome::Error,
        Some(Err(Error::Slow(timeout))) => Outcome::TooSlow(timeout.after()),
        Some(Err(Error::Broken(error))) => return Err(format!("the service cannot be asked: {error}")),
        None => Outcome::GaveUp,
    };
    Ok(Sample {
        id,
        at,
        took: now.saturating_sub(at),
        waited,
        outcome,
    })
}
