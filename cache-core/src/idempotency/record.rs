//! What a record is known by: a hash of its scope, and one of its key.
//!
//! The parts are hashed with their lengths before them, so that no bytes in one can pass for another, and each hash begins with a
//! word for what it is of. Backends see hashes only: what a client chose as a key stands neither in tables nor in logs.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::error::{IdempotencyError, ScopePart};
use super::hex;

/// The separator that others join scopes by. A part that has it was made to imitate one.
const SEPARATOR: char = '\u{1e}';

/// What a record is known by.
///
/// Shown, it is the beginning of a hash of both of its parts, as it is in errors and logs.
///
/// # Example: the record of a request
/// ```
/// use cache_core::idempotency::RecordId;
///
/// let ada = RecordId::new("acme", "ada", "orders::create", "8e03978e")?;
/// let bob = RecordId::new("acme", "bob", "orders::create", "8e03978e")?;
/// assert_eq!(ada.key(), bob.key());
/// assert_ne!(ada.scope(), bob.scope());
/// assert_eq!(ada.to_string().len(), 12);
/// # Ok::<(), cache_core::idempotency::IdempotencyError>(())
/// ```
#[derive(Clone)]
pub struct RecordId(Arc<Parts>);

struct Parts {
    /// The scope's hash and the key's, in hexadecimal, one behind the other.
    names: String,
    /// A hash that is stored nowhere: only who has the words can know it.
    #[cfg_attr(
        not(any(feature = "postgres", test)),
        expect(dead_code, reason = "what seals replies")
    )]
    secret: [u8; 32],
}

/// Of a hash in hexadecimal.
const LEN: usize = 64;
/// As it is shown.
const SHORT: usize = 12;

impl RecordId {
    /// The record of a key, for one operation of one principal of one tenant.
    ///
    /// # Errors
    /// If a part of the scope is empty, or has a record separator (U+001E) in it; if the key is empty or has a NUL in it.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::RecordId;
    /// assert!(RecordId::new("acme", "", "orders::create", "8e03978e").is_err());
    /// ```
    pub fn new(tenant: &str, principal: &str, operation: &str, key: &str) -> Result<Self, IdempotencyError> {
        use ScopePart::{Operation, Principal, Tenant};
        // The key first: it is what the client has control of.
        if key.is_empty() {
            return Err(IdempotencyError::EmptyKey);
        }
        if key.contains('\0') {
            return Err(IdempotencyError::InvalidKey);
        }
        for (part, text) in [(Tenant, tenant), (Principal, principal), (Operation, operation)] {
            if text.is_empty() {
                return Err(IdempotencyError::NoScope { part });
            }
            if text.contains(SEPARATOR) {
                return Err(IdempotencyError::InvalidScope { part });
            }
        }
        let scope = hash("scope", &[tenant, principal, operation]);
        let mut names = String::with_capacity(2 * LEN);
        hex::push(&mut names, &scope);
        hex::push(&mut names, &hash("key", &[key]));
        Ok(Self(Arc::new(Parts {
            names,
            secret: hash("secret", &[tenant, principal, operation, key]),
        })))
    }

    /// The hash of tenant, principal and operation, in hexadecimal.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::RecordId;
    /// let record = RecordId::new("acme", "ada", "orders::create", "8e03978e")?;
    /// assert_eq!(record.scope().len(), 64);
    /// # Ok::<(), cache_core::idempotency::IdempotencyError>(())
    /// ```
    pub fn scope(&self) -> &str {
        &self.0.names[..LEN]
    }

    /// The hash of the key, in hexadecimal.
    ///
    /// # Example
    /// ```
    /// # use cache_core::idempotency::RecordId;
    /// let record = RecordId::new("acme", "ada", "orders::create", "8e03978e")?;
    /// assert_eq!(record.key().len(), 64);
    /// # Ok::<(), cache_core::idempotency::IdempotencyError>(())
    /// ```
    pub fn key(&self) -> &str {
        &self.0.names[LEN..]
    }

    /// What replies are sealed with.
    #[cfg(feature = "postgres")]
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.0.secret
    }
}

fn hash(what: &str, parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in ["cache-core idempotency 1", what].iter().chain(parts) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().into()
}

impl PartialEq for RecordId {
    fn eq(&self, other: &Self) -> bool {
        self.0.names == other.0.names
    }
}

impl Eq for RecordId {}

impl Hash for RecordId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.names.hash(state);
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut short = String::with_capacity(SHORT);
        hex::push(&mut short, &Sha256::digest(&self.0.names)[..SHORT / 2]);
        f.write_str(&short)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is stored is found by these, by other releases too. They were computed elsewhere.
    #[test]
    fn the_names_of_a_record_do_not_change() {
        let record =
            RecordId::new("acme", "ada", "orders::create", "8e03978e").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            record.scope(),
            "6b69f4e61ed9c6f69e4779c82217cbf6cdd890734f4611627ef49a5238ce752a"
        );
        assert_eq!(
            record.key(),
            "b4d6eca4e2a5914e8c430a44df3d34bb69ec91f7dc816537d71be37932ed7a35"
        );
        assert_eq!(record.to_string(), "c2791b610e58");
        let mut secret = String::new();
        hex::push(&mut secret, &record.0.secret);
        assert_eq!(
            secret,
            "466535129180893c275789d0de64ae38bea5c327ce135fd14fca9a0a70f33be1"
        );
    }
}
