//! Records in the memory of one process.
//!
//! One lock guards all of it, and is held for a few steps at a time, never across an await.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::backend::{Backend, Claim, Claimed, Reply, Token};
use super::record::RecordId;
use crate::clock::{Clock, Nanos, nanos};
use crate::sync::{Mutex, lock};

/// So many expired records go with each claim, so that they go by themselves, and none is held up.
const SWEPT: usize = 2;

/// Keeps records in the memory of one process: for one worker, and for tests. With the process they are gone.
///
/// It is bounded. When it is full of records that have not expired, a request that is not among them is refused, before its handler runs: to
/// forget another one instead could double an effect. It is a cheap clone; clones share their records.
///
/// # Example: a small one
/// ```
/// use cache_core::idempotency::{IdempotencyStore, MemoryBackend};
///
/// let backend = MemoryBackend::new().max_records(10_000).max_bytes(16 << 20);
/// let store = IdempotencyStore::new(backend);
/// # drop(store);
/// ```
#[derive(Clone)]
pub struct MemoryBackend {
    max_records: usize,
    max_bytes: usize,
    clock: Clock,
    records: Arc<Mutex<Records>>,
}

/// There is no room for another record.
///
/// # Example: what a person reads
/// ```
/// use cache_core::idempotency::{Backend, MemoryBackend};
/// # use cache_core::idempotency::{Claim, RecordId, Token};
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # let record = RecordId::new("acme", "ada", "orders::create", "8e03978e").unwrap();
/// # let minute = Duration::from_secs(60);
/// # let claim = Claim { token: Token::from_bytes([7; 16]), payload: [0; 32], lease: minute, ttl: minute, takes_over: false };
/// let full = MemoryBackend::new().max_records(0);
/// let error = full.claim(&record, claim).await.unwrap_err();
/// assert!(error.to_string().starts_with("there are 0 records"));
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are {records} records, with replies of {bytes} bytes, and none has expired: allow more with `max_records` and `max_bytes`, \
     or let them expire sooner with `ttl`"
)]
pub struct Full {
    /// How many there are.
    pub records: usize,
    /// How many bytes their replies have.
    pub bytes: usize,
}

#[derive(Default)]
struct Records {
    by_id: HashMap<RecordId, Record>,
    /// When the next expires. The number tells those of one moment apart.
    by_expiry: BTreeMap<(Nanos, u64), RecordId>,
    next: u64,
    bytes: usize,
}

struct Record {
    token: Token,
    payload: [u8; 32],
    lease_until: Nanos,
    expiry: (Nanos, u64),
    reply: Option<Reply>,
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryBackend {
    /// One for up to 100,000 records, with replies of up to 64 MiB.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::MemoryBackend;
    /// assert!(MemoryBackend::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self {
            max_records: 100_000,
            max_bytes: 64 << 20,
            clock: Clock::system(),
            records: Arc::default(),
        }
    }

    /// How many records there may be, expired ones apart.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::MemoryBackend;
    /// let backend = MemoryBackend::new().max_records(1_000_000);
    /// # drop(backend);
    /// ```
    #[must_use]
    pub fn max_records(mut self, max_records: usize) -> Self {
        self.max_records = max_records;
        self
    }

    /// How many bytes their replies may have. From there on nothing is claimed; what runs already is still stored.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::MemoryBackend;
    /// let backend = MemoryBackend::new().max_bytes(1 << 30);
    /// # drop(backend);
    /// ```
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// What leases and expiry are measured by, such as a clock that a test sets.
    ///
    /// # Example
    /// ```
    /// # use cache_core::Clock;
    /// # use cache_core::idempotency::MemoryBackend;
    /// let backend = MemoryBackend::new().clock(Clock::manual());
    /// # drop(backend);
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// How many records there are, expired ones included.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::MemoryBackend;
    /// assert_eq!(MemoryBackend::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        lock(&self.records).by_id.len()
    }

    /// Whether there are none.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::MemoryBackend;
    /// assert!(MemoryBackend::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn claim_now(&self, record: &RecordId, claim: Claim) -> Result<Claimed, Full> {
        let mut records = lock(&self.records);
        let now = self.clock.now();
        records.sweep(now, SWEPT);
        let mut took_over = false;
        if let Some(found) = records.by_id.get(record).filter(|found| now < found.expiry.0) {
            match &found.reply {
                Some(reply) => {
                    return Ok(Claimed::Settled {
                        payload: found.payload,
                        reply: reply.clone(),
                    });
                }
                None if found.token == claim.token => return Ok(Claimed::Ours { took_over: false }),
                None if now < found.lease_until => {
                    return Ok(Claimed::Running {
                        payload: Some(found.payload),
                        remaining: Some(Duration::from_nanos(found.lease_until - now)),
                    });
                }
                None if !claim.takes_over || found.payload != claim.payload => {
                    return Ok(Claimed::Abandoned { payload: found.payload });
                }
                None => took_over = true,
            }
        }
        records.remove(record);
        // One that is taken over has its room already. To refuse it would forget that it was abandoned.
        if !took_over && records.is_full(self) {
            records.sweep(now, usize::MAX);
            if records.is_full(self) {
                return Err(Full {
                    records: records.by_id.len(),
                    bytes: records.bytes,
                });
            }
        }
        let lease_until = now.saturating_add(nanos(claim.lease));
        let expiry = records.expires(record, lease_until.saturating_add(nanos(claim.ttl)));
        records.by_id.insert(
            record.clone(),
            Record {
                token: claim.token,
                payload: claim.payload,
                lease_until,
                expiry,
                reply: None,
            },
        );
        Ok(Claimed::Ours { took_over })
    }

    fn renew_now(&self, record: &RecordId, token: Token, lease: Duration, ttl: Duration) -> bool {
        let mut records = lock(&self.records);
        let until = self.clock.now().saturating_add(nanos(lease));
        let Some(found) = records.running(record, token) else {
            return false;
        };
        found.lease_until = until;
        records.moves(record, until.saturating_add(nanos(ttl)));
        true
    }

    fn settle_now(&self, record: &RecordId, token: Token, reply: &Reply, ttl: Duration) -> bool {
        let mut records = lock(&self.records);
        let expires_at = self.clock.now().saturating_add(nanos(ttl));
        match records.by_id.get_mut(record) {
            Some(found) if found.token == token => {
                if found.reply.is_none() {
                    found.reply = Some(reply.clone());
                    records.bytes += reply.body().len();
                    records.moves(record, expires_at);
                }
                true
            }
            _ => false,
        }
    }

    fn release_now(&self, record: &RecordId, token: Token) -> bool {
        let mut records = lock(&self.records);
        let is_running = records.running(record, token).is_some();
        if is_running {
            records.remove(record);
        }
        is_running
    }
}

impl Records {
    /// One that is running under this token.
    fn running(&mut self, record: &RecordId, token: Token) -> Option<&mut Record> {
        let found = self.by_id.get_mut(record)?;
        (found.token == token && found.reply.is_none()).then_some(found)
    }

    fn is_full(&self, bounds: &MemoryBackend) -> bool {
        self.by_id.len() >= bounds.max_records || self.bytes >= bounds.max_bytes
    }

    /// Lists when a record expires.
    fn expires(&mut self, record: &RecordId, at: Nanos) -> (Nanos, u64) {
        self.next += 1;
        let expiry = (at, self.next);
        self.by_expiry.insert(expiry, record.clone());
        expiry
    }

    /// Lists anew when a record expires that is there.
    fn moves(&mut self, record: &RecordId, at: Nanos) {
        let expiry = self.expires(record, at);
        if let Some(found) = self.by_id.get_mut(record) {
            let before = std::mem::replace(&mut found.expiry, expiry);
            self.by_expiry.remove(&before);
        }
    }

    fn remove(&mut self, record: &RecordId) {
        if let Some(found) = self.by_id.remove(record) {
            self.by_expiry.remove(&found.expiry);
            self.bytes -= found.reply.map_or(0, |reply| reply.body().len());
        }
    }

    /// Removes what has expired, the oldest first, and says how much.
    fn sweep(&mut self, now: Nanos, at_most: usize) -> usize {
        let mut removed = 0;
        while removed < at_most
            && let Some((&(at, _), record)) = self.by_expiry.first_key_value()
            && at <= now
        {
            let record = record.clone();
            self.remove(&record);
            removed += 1;
        }
        removed
    }
}

impl Backend for MemoryBackend {
    type Error = Full;

    async fn claim(&self, record: &RecordId, claim: Claim) -> Result<Claimed, Full> {
        self.claim_now(record, claim)
    }

    async fn renew(&self, record: &RecordId, token: Token, lease: Duration, ttl: Duration) -> Result<bool, Full> {
        Ok(self.renew_now(record, token, lease, ttl))
    }

    async fn settle(&self, record: &RecordId, token: Token, reply: &Reply, ttl: Duration) -> Result<bool, Full> {
        Ok(self.settle_now(record, token, reply, ttl))
    }

    async fn release(&self, record: &RecordId, token: Token) -> Result<bool, Full> {
        Ok(self.release_now(record, token))
    }

    async fn delete_expired(&self, batch: u32) -> Result<u64, Full> {
        let at_most = usize::try_from(batch).unwrap_or(usize::MAX);
        Ok(lock(&self.records).sweep(self.clock.now(), at_most) as u64)
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend")
            .field("records", &self.len())
            .field("max_records", &self.max_records)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}
