//! How many queries are sent, counted where the driver says that it has sent one: for each request, and in the background.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

tokio::task_local! {
    static OF_REQUEST: Arc<AtomicU64>;
}

static OF_LISTENER: AtomicU64 = AtomicU64::new(0);
static OF_OTHERS: AtomicU64 = AtomicU64::new(0);

/// Queries that no request waited for.
#[derive(Clone, Copy)]
pub(crate) struct Queries {
    /// Of rebuilds that requests have started.
    pub(crate) of_requests: u64,
    /// Of the listener.
    pub(crate) of_listener: u64,
}

/// Counts from now on.
pub(crate) fn install() {
    let counting = tracing_subscriber::registry().with(Counter);
    tracing::subscriber::set_global_default(counting).expect("nobody else counts");
}

/// Runs a request, and says how many queries it sent.
pub(crate) async fn of_request<F: Future>(request: F) -> (F::Output, u64) {
    let count = Arc::new(AtomicU64::new(0));
    let output = OF_REQUEST.scope(Arc::clone(&count), request).await;
    (output, count.load(Ordering::Relaxed))
}

/// What was sent in the background so far.
pub(crate) fn in_background() -> Queries {
    Queries {
        of_requests: OF_OTHERS.load(Ordering::Relaxed),
        of_listener: OF_LISTENER.load(Ordering::Relaxed),
    }
}

struct Counter;

impl<S: Subscriber> Layer<S> for Counter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        // A writer is no part of this.
        if text.0.contains("/* writer */") {
            return;
        }
        let of_request = OF_REQUEST.try_with(|count| count.fetch_add(1, Ordering::Relaxed));
        if of_request.is_err() {
            let is_revision = text.0.contains("cache_core.");
            let count = if is_revision { &OF_LISTENER } else { &OF_OTHERS };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The text of a query.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name().contains("summary") || field.name().contains("statement") {
            self.0 += &format!("{value:?} ");
        }
    }
}
