//! Stub.
use serde::Serialize;
use sha2::Digest as _;
/// Stub.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Stub.
    #[error("the payload cannot be serialised")]
    Unserializable,
}
pub(crate) fn fingerprint<T: Serialize + ?Sized>(payload: &T, _: &[&str]) -> Result<[u8; 32], PayloadError> {
    let text = serde_json::to_vec(payload).map_err(|_| PayloadError::Unserializable)?;
    Ok(sha2::Sha256::digest(text).into())
}
