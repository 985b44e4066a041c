//! How many queries are sent, counted where the driver says that it has sent one, and for which request.

use std::fmt::{Debug, Write as _};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

tokio::task_local! {
    static COUNTED: Counted;
}

/// What one request has sent, what goes on behind it included.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<AtomicU64>);

impl Counted {
    pub(crate) fn queries(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whatever this sends counts.
    pub(crate) async fn count<F: Future>(&self, sending: F) -> F::Output {
        COUNTED.scope(self.clone(), sending).await
    }
}

/// Counts from now on.
pub(crate) fn install() {
    let counting = tracing_subscriber::registry().with(Counter);
    tracing::subscriber::set_global_default(counting).expect("nobody else counts");
}

struct Counter;

impl<S: Subscriber> Layer<S> for Counter {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::query" {
            return;
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        // The pool may test a connection that has been idle before it lends it.
        if !text.0.is_empty() {
            let _ = COUNTED.try_with(|counted| counted.0.fetch_add(1, Ordering::Relaxed));
        }
    }
}

/// The text of a query.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name().contains("summary") {
            let _ = write!(self.0, "{value:?}");
        }
    }
}
