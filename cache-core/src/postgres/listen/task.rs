//! The task of a listener: connect, ask, wait for notifications, begin again when the connection is lost.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgNotification, PgPoolOptions};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Listen;
use super::memory::{Memory, Question};
use crate::postgres::ask::{answers, fetch_from, question};
use crate::postgres::error::{RevisionsError, is_lost};
use crate::postgres::schema::FOLD;

/// What notifications are sent to.
const CHANNEL: &str = "cache_core";
/// How long to connect may take. As long as it is refused, sqlx tries again.
const CONNECT: Duration = Duration::from_secs(5);
/// Between two attempts to connect: from this, doubled each time, to that.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// Between two questions. When tables change all the time, calls ask for themselves in between.
const APART: Duration = Duration::from_millis(2);

/// What the connection is made of.
pub(super) struct Connector {
    options: PgConnectOptions,
    /// Those of the user's pool, for what it runs when it connects.
    pool: PgPoolOptions,
    heartbeat: Duration,
    lease: Duration,
}

impl Connector {
    pub(super) fn new(pool: &PgPool, listen: Listen) -> Self {
        Self {
            options: listen.connection.unwrap_or_else(|| (*pool.connect_options()).clone()),
            pool: pool.options().clone(),
            heartbeat: listen.heartbeat,
            lease: listen.lease,
        }
    }

    /// A connection that listens: of a pool of its own each, because one that is lost without a word would stay in its place.
    async fn connect(&self) -> Result<PgListener, sqlx::Error> {
        let pool = self.pool.clone();
        let pool = pool
            .min_connections(0)
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(CONNECT)
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // What was missed in between would be unknown.
        listener.eager_reconnect(false);
        listener.ignore_pool_close_event(true);
        timeout(CONNECT, listener.listen(CHANNEL))
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)??;
        Ok(listener)
    }
}

/// However the task ends (its runtime may be shut down while handles live on), nothing it knew holds any longer.
struct End(Arc<Memory>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lost(RevisionsError::NoRuntime);
    }
}

/// Until it is aborted.
pub(super) async fn run(memory: Arc<Memory>, connector: Connector) {
    let _end = End(Arc::clone(&memory));
    let mut backoff = BACKOFF.0;
    loop {
        let error = match connector.connect().await {
            Ok(listener) => {
                memory.connected();
                let mut connected = Connected {
                    memory: &memory,
                    connector: &connector,
                    listener,
                };
                let started = Instant::now();
                let error = connected.run().await;
                // One that has held for a while was no attempt.
                if started.elapsed() > BACKOFF.1 {
                    backoff = BACKOFF.0;
                }
                error
            }
            Err(error) => error,
        };
        log::info!("the listener for revisions is not connected, so calls ask the database: {error}");
        memory.lost(error.into());
        sleep(backoff).await;
        backoff = (backoff * 2).min(BACKOFF.1);
    }
}

struct Connected<'a> {
    memory: &'a Memory,
    connector: &'a Connector,
    listener: PgListener,
}

impl Connected<'_> {
    /// Until the connection is lost: why.
    async fn run(&mut self) -> sqlx::Error {
        let mut heartbeat = Instant::now();
        let mut apart = heartbeat;
        loop {
            let now = Instant::now();
            let is_due = now >= heartbeat;
            let question = if is_due || now >= apart {
                self.memory.question(is_due)
            } else {
                None
            };
            if let Some(question) = question {
                apart = now + APART;
                if is_due {
                    heartbeat = now + self.connector.heartbeat;
                }
                if let Err(error) = self.ask(&question).await {
                    return error;
                }
                continue;
            }
            // Something is out of date, but it is too early to ask.
            let waiting = now < apart && self.memory.is_behind();
            let next = if waiting { apart } else { heartbeat };
            tokio::select! {
                notification = self.listener.try_recv() => match notification {
                    Ok(Some(notification)) => self.notified(&notification),
                    Ok(None) => return sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()),
                    Err(error) => return error,
                },
                () = self.memory.news.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    async fn ask(&mut self, asked: &Question) -> Result<(), sqlx::Error> {
        let sql = question(&asked.tables);
        let rows = timeout(self.connector.lease, fetch_from(&mut self.listener, &sql));
        let rows = rows
            .await
            .map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))??;
        // Before the answer, see the top of `listen`.
        while let Some(notification) = self.listener.next_buffered() {
            self.notified(&notification);
        }
        let answers = answers(&asked.tables, &rows)?;
        let fold = answers.iter().any(|answer| answer.fold);
        self.memory.answer(asked, answers);
        if fold {
            let folding = timeout(self.connector.lease, fetch_from(&mut self.listener, FOLD));
            match folding
                .await
                .map_err(|_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))?
            {
                Err(error) if is_lost(&error) => return Err(error),
                // A standby cannot; the primary's readers will.
                Err(error) => log::debug!("rows of cache_core.changes were not folded: {error}"),
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn notified(&self, notification: &PgNotification) {
        // Anybody may notify; what is no number is not ours.
        if let Ok(id) = notification.payload().parse() {
            self.memory.notified(id);
        }
    }
}
