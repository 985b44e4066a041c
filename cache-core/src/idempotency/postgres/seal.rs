//! Replies are sealed before they leave the process: encrypted and authenticated, by ChaCha20-Poly1305.
//!
//! A reply is what one client was told. It stands in the table for as long as it can be replayed, and in every log of statements, dump and
//! backup made meanwhile. So it is sealed with a secret that stands in none of these: [`RecordId::secret`], a hash of tenant, principal,
//! operation and key, which each replay knows, because the client sends the key again. A key that can be guessed can be found by trying;
//! one that is a UUID cannot.
//!
//! # Why no pair of key and nonce is ever used for two replies
//! The nonce is a hash of all that is sealed, under a secret of its own: of token, kind and body. A settle that is sent again seals the
//! same with the same nonce, and comes to the same bytes, which tells nobody anything. Two replies that differ have different nonces, but
//! for one chance in 2⁹⁶ a pair, and few replies are ever sealed with one key: those of one record. So it rests on no promise of the caller's
//! to settle once, and on no source of randomness.
//!
//! # What a change of a row comes to
//! The record's names, the token and the kind are authenticated along. A reply that is moved to another row, relabelled, cut short or
//! changed does not open.

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};
use sha2::{Digest, Sha256};

use crate::idempotency::backend::{Reply, Token};
use crate::idempotency::record::RecordId;

const NONCE: usize = 12;
const TAG: usize = 16;

/// The reply's body as it is stored: nonce, tag, and what was encrypted. `None` if it is longer than the cipher takes, 256 GiB.
pub(super) fn seal(record: &RecordId, token: Token, reply: &Reply) -> Option<Vec<u8>> {
    let nonce = nonce(record, token, reply);
    let mut sealed = Vec::with_capacity(NONCE + TAG + reply.body().len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(&[0; TAG]);
    sealed.extend_from_slice(reply.body());
    let (head, body) = sealed.split_at_mut(NONCE + TAG);
    let tag = cipher(record)
        .encrypt_inout_detached(
            &Nonce::from(nonce),
            &associated(record, token, reply.kind()),
            body.into(),
        )
        .ok()?;
    head[NONCE..].copy_from_slice(&tag);
    Some(sealed)
}

/// The reply that was sealed to these bytes. `None` if none was, for this record, under this token, of this kind.
pub(super) fn open(record: &RecordId, token: Token, kind: u8, mut sealed: Vec<u8>) -> Option<Reply> {
    let nonce = *sealed.first_chunk::<NONCE>()?;
    let tag = *sealed.get(NONCE..)?.first_chunk::<TAG>()?;
    let body = sealed.get_mut(NONCE + TAG..)?;
    cipher(record)
        .decrypt_inout_detached(
            &Nonce::from(nonce),
            &associated(record, token, kind),
            body.into(),
            &Tag::from(tag),
        )
        .ok()?;
    sealed.drain(..NONCE + TAG);
    Reply::from_parts(kind, sealed)
}

fn cipher(record: &RecordId) -> ChaCha20Poly1305 {
    let key: [u8; 32] = begin("cipher", record).finalize().into();
    ChaCha20Poly1305::new(&Key::from(key))
}

fn nonce(record: &RecordId, token: Token, reply: &Reply) -> [u8; NONCE] {
    let hash: [u8; 32] = begin("nonce", record)
        .chain_update(token.to_bytes())
        .chain_update([reply.kind()])
        .chain_update(reply.body())
        .finalize()
        .into();
    let mut nonce = [0; NONCE];
    nonce.copy_from_slice(&hash[..NONCE]);
    nonce
}

/// A hash that only who has the record's words can come to. Of the parts only the last is of any length, so none can pass for another.
fn begin(what: &str, record: &RecordId) -> Sha256 {
    Sha256::new()
        .chain_update("cache-core idempotency seal 1\0")
        .chain_update(what)
        .chain_update("\0")
        .chain_update(record.secret())
}

fn associated(record: &RecordId, token: Token, kind: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(record.scope().len() + record.key().len() + 17);
    bytes.extend_from_slice(record.scope().as_bytes());
    bytes.extend_from_slice(record.key().as_bytes());
    bytes.extend_from_slice(&token.to_bytes());
    bytes.push(kind);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    fn record(key: &str) -> RecordId {
        RecordId::new("acme", "ada", "orders::create", key).unwrap()
    }

    fn token(byte: u8) -> Token {
        Token::from_bytes([byte; 16])
    }

    #[test]
    fn a_reply_comes_back() {
        let record = record("a");
        for reply in [
            Reply::Success(b"paid".to_vec()),
            Reply::Success(Vec::new()),
            Reply::Failure((0..=255).collect()),
            Reply::TooLarge,
            Reply::Unserializable,
        ] {
            let sealed = seal(&record, token(1), &reply).unwrap();
            assert_eq!(open(&record, token(1), reply.kind(), sealed), Some(reply));
        }
    }

    #[test]
    fn nothing_of_it_can_be_read_without_the_key() {
        let (body, record) = (b"forty two pounds of apples".to_vec(), record("a"));
        let sealed = seal(&record, token(1), &Reply::Success(body.clone())).unwrap();
        assert!(!sealed.windows(4).any(|part| body.windows(4).any(|other| part == other)));
    }

    #[test]
    fn nothing_of_it_can_be_changed() {
        let (one, other) = (record("a"), record("b"));
        let sealed = seal(&one, token(1), &Reply::Success(b"paid".to_vec())).unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(open(&one, token(1), 1, changed), None, "byte {place}");
            assert_eq!(
                open(&one, token(1), 1, sealed[..place].to_vec()),
                None,
                "cut at {place}"
            );
        }
        assert_eq!(open(&other, token(1), 1, sealed.clone()), None, "in another row");
        assert_eq!(open(&one, token(2), 1, sealed.clone()), None, "of another claim");
        assert_eq!(open(&one, token(1), 2, sealed), None, "as a failure");
    }

    #[test]
    fn replies_that_differ_have_nonces_that_differ() {
        let record = record("a");
        let sealed = |token, reply: &Reply| seal(&record, token, reply).unwrap();
        let nonce = |token, reply: &Reply| sealed(token, reply)[..NONCE].to_vec();
        let (yes, no) = (Reply::Success(b"yes".to_vec()), Reply::Success(b"no!".to_vec()));
        assert_eq!(sealed(token(1), &yes), sealed(token(1), &yes));
        assert_ne!(nonce(token(1), &yes), nonce(token(1), &no));
        assert_ne!(nonce(token(1), &yes), nonce(token(2), &yes));
        assert_ne!(nonce(token(1), &yes), nonce(token(1), &Reply::Failure(b"yes".to_vec())));
    }
}
