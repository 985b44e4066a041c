//! How long a call waits for another one, and how often it looks.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::background::{self, Timer};

/// How soon a record that runs elsewhere is looked at again: at first, and at most.
const SOON: Duration = Duration::from_millis(10);
const LATER: Duration = Duration::from_millis(500);

/// How long a call waits, all in all.
pub(super) struct Patience {
    wait: Duration,
    /// Set when it first has to.
    timer: Option<Timer>,
    pub(super) has_waited: bool,
}

impl Patience {
    pub(super) fn new(wait: Duration) -> Self {
        Self {
            wait,
            timer: None,
            has_waited: false,
        }
    }

    /// Whether there is none, for anybody.
    pub(super) fn is_none(&self) -> bool {
        self.wait.is_zero()
    }

    /// Waits for something. `None` if there is no patience left.
    pub(super) async fn wait<O>(&mut self, future: impl Future<Output = O>) -> Option<O> {
        if self.is_none() {
            return None;
        }
        if self.timer.is_none() {
            self.timer = background::timer(self.wait);
        }
        let future = pin!(future);
        match &mut self.timer {
            Some(timer) => match select(future, Pin::as_mut(timer)).await {
                Either::Left((output, _)) => Some(output),
                Either::Right(((), _)) => None,
            },
            None => Some(future.await),
        }
    }
}

/// The pauses between two looks, each longer than the one before.
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(SOON)
    }

    pub(super) fn next(&mut self) -> Duration {
        let next = (self.0 * 2).min(LATER);
        std::mem::replace(&mut self.0, next)
    }
}
