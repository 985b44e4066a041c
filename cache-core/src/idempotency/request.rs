//! What makes two calls the same request: operation, scope, key and payload.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{IdempotencyError, ScopePart};
use super::outcome::{ErrorRule, Rule};
use super::payload::{self, PayloadError};
use super::record::RecordId;
use super::stats::Counters;

/// A request that is to run once: what it asks for, for whom, under which key, with which payload.
///
/// What is wrong with it is an error of the call that it is given to, before anything runs.
///
/// # Example: an order
/// ```
/// use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, Outcome, Request};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), IdempotencyError> {
/// let store = IdempotencyStore::new(MemoryBackend::new());
/// for attempt in 1..=2 {
///     let request = Request::new("orders::create").scope("acme", "ada").key("8e03978e").payload(&("shoes", 2));
///     let outcome = store.run(request, || async { Ok::<_, IdempotencyError>("order 1".to_owned()) }).await?;
///     match attempt {
///         1 => assert_eq!(outcome, Outcome::Fresh("order 1".to_owned())),
///         _ => assert_eq!(outcome, Outcome::Replayed("order 1".to_owned())),
///     }
/// }
/// # Ok(()) }
/// ```
#[must_use = "a request is for `IdempotencyStore::run`"]
pub struct Request {
    operation: Cow<'static, str>,
    /// Tenant and principal. What could not be made text is missing.
    scope: Option<[Option<String>; 2]>,
    key: Option<String>,
    payload: Option<Result<[u8; 32], PayloadError>>,
    rule: Rule,
    /// Of the function that it is a call of.
    counters: Option<&'static Counters>,
}

impl Request {
    /// Of an operation, such as `orders::create`. It stays the same for as long as records live: the one that the attribute makes is the
    /// path of the function.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Request;
    /// let request = Request::new("orders::create");
    /// # drop(request);
    /// ```
    pub fn new(operation: impl Into<Cow<'static, str>>) -> Self {
        Self {
            operation: operation.into(),
            scope: None,
            key: None,
            payload: None,
            rule: None,
            counters: None,
        }
    }

    /// Whose data it is about and who asks, by names or numbers that tell them apart. A key without them is an error: it would be
    /// everybody's.
    ///
    /// # Example: by numbers
    /// ```
    /// # use cache_core::idempotency::Request;
    /// let request = Request::new("orders::create").scope(17, 4711);
    /// # drop(request);
    /// ```
    pub fn scope(mut self, tenant: impl fmt::Display, principal: impl fmt::Display) -> Self {
        self.scope = Some([text(&tenant), text(&principal)]);
        self
    }

    /// What the client says makes it this request and no other, or `None`: then it runs each time, and is counted as such.
    ///
    /// # Example: from a header that may be missing
    /// ```
    /// # use cache_core::idempotency::Request;
    /// let header: Option<&str> = None;
    /// let request = Request::new("orders::create").scope("acme", "ada").key(header);
    /// # drop(request);
    /// ```
    pub fn key(mut self, key: impl IdempotencyKey) -> Self {
        self.key = key.text().map(Cow::into_owned);
        self
    }

    /// What is asked for. A request with this key and another payload is a [`Conflict`](IdempotencyError::Conflict). Two payloads are the
    /// same if they serialise to the same JSON, but for the order of members; integers are exact, however large.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::Request;
    /// let request = Request::new("orders::create").payload(&("shoes", 2));
    /// # drop(request);
    /// ```
    pub fn payload<T: Serialize + ?Sized>(self, payload: &T) -> Self {
        self.payload_without(payload, &[])
    }

    /// The same, but for some members of it, which retries may change: `"sent_at"`, or `"meta.trace_id"` for one in another. In a list, the
    /// member of each element is meant. A dot in a name is written `\.`, a backslash `\\`.
    ///
    /// # Example: the time at which it was sent
    /// ```
    /// # use cache_core::idempotency::Request;
    /// # use std::collections::HashMap;
    /// let payload = HashMap::from([("item", "shoes"), ("sent_at", "12:03:04")]);
    /// let request = Request::new("orders::create").payload_without(&payload, &["sent_at"]);
    /// # drop(request);
    /// ```
    pub fn payload_without<T: Serialize + ?Sized>(mut self, payload: &T, ignored: &[&str]) -> Self {
        self.payload = Some(payload::fingerprint(payload, ignored));
        self
    }

    /// Which errors of this call are stored, and replayed like a value. It stands in the place of what the store has been told of errors of
    /// this type. Without either no error is stored, and a retry runs again.
    ///
    /// # Example: what will not change
    /// ```
    /// # use cache_core::idempotency::Request;
    /// let request = Request::new("orders::create").store_error(|error: &String| error == "no such item");
    /// # drop(request);
    /// ```
    pub fn store_error<E>(mut self, is_stored: impl Fn(&E) -> bool + Send + Sync + 'static) -> Self
    where
        E: Serialize + DeserializeOwned + 'static,
    {
        self.rule = Some(Arc::new(ErrorRule::new(is_stored)));
        self
    }

    /// Counts what comes of it here as well.
    #[doc(hidden)]
    pub fn counted_by(mut self, counters: &'static Counters) -> Self {
        self.counters = Some(counters);
        self
    }

    pub(crate) fn counters(&self) -> Option<&'static Counters> {
        self.counters
    }

    /// What it comes to, if it has a key.
    pub(crate) fn check(self, max_key_len: usize) -> Result<Option<Checked>, IdempotencyError> {
        let Some(key) = self.key else {
            return Ok(None);
        };
        // The key first: it is what the client has control of.
        if key.len() > max_key_len {
            return Err(IdempotencyError::KeyTooLong {
                len: key.len(),
                max: max_key_len,
            });
        }
        let [tenant, principal] = self.scope.unwrap_or_else(|| [Some(String::new()), Some(String::new())]);
        let tenant = tenant.ok_or(IdempotencyError::InvalidScope {
            part: ScopePart::Tenant,
        })?;
        let principal = principal.ok_or(IdempotencyError::InvalidScope {
            part: ScopePart::Principal,
        })?;
        Ok(Some(Checked {
            record: RecordId::new(&tenant, &principal, &self.operation, &key)?,
            payload: self.payload.unwrap_or_else(|| payload::fingerprint(&(), &[]))?,
            rule: self.rule,
        }))
    }
}

/// A request that has a key, and nothing wrong with it.
pub(crate) struct Checked {
    pub(crate) record: RecordId,
    pub(crate) payload: [u8; 32],
    pub(crate) rule: Rule,
}

/// As text, unless it fails at that, where `to_string` would panic.
fn text(value: &impl fmt::Display) -> Option<String> {
    use fmt::Write as _;
    let mut text = String::new();
    write!(text, "{value}").ok().map(|()| text)
}

/// The operation, and nothing of the rest.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .finish_non_exhaustive()
    }
}

/// What can be given as a key: text, or an `Option` of it.
///
/// # Example: a header that may be missing
/// ```
/// use cache_core::idempotency::IdempotencyKey;
///
/// assert_eq!(Some("8e03978e").text().as_deref(), Some("8e03978e"));
/// assert_eq!(None::<String>.text(), None);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no idempotency key",
    label = "a key is text, or an `Option` of it",
    note = "write `.to_string()` behind it"
)]
pub trait IdempotencyKey {
    /// The key, if there is one.
    fn text(&self) -> Option<Cow<'_, str>>;
}

macro_rules! text_keys {
    ($($key:ty),*) => {
        $(impl IdempotencyKey for $key {
            fn text(&self) -> Option<Cow<'_, str>> {
                Some(Cow::Borrowed(self))
            }
        })*
    };
}

text_keys!(str, String, Box<str>, Arc<str>, std::rc::Rc<str>, Cow<'_, str>);

impl<K: IdempotencyKey + ?Sized> IdempotencyKey for &K {
    fn text(&self) -> Option<Cow<'_, str>> {
        (**self).text()
    }
}

impl<K: IdempotencyKey> IdempotencyKey for Option<K> {
    fn text(&self) -> Option<Cow<'_, str>> {
        self.as_ref()?.text()
    }
}
