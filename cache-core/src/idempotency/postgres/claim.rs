//! What a claim comes to, as the server says it: words, of which the first says what it is about (see `functions`).

use std::time::Duration;

use super::error::PgBackendError;
use super::{hex, seal};
use crate::idempotency::backend::{Claimed, Token};
use crate::idempotency::record::RecordId;

/// Somebody is just claiming it, and what he has written cannot be seen yet.
pub(super) const BUSY: Claimed = Claimed::Running {
    payload: None,
    remaining: None,
};

/// Reads the answer to a claim.
pub(super) fn read(answer: &str, record: &RecordId) -> Result<Claimed, PgBackendError> {
    let (what, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    let claimed = match what {
        "busy" => Some(BUSY),
        "ours" => match rest {
            "new" => Some(Claimed::Ours { took_over: false }),
            "over" => Some(Claimed::Ours { took_over: true }),
            _ => None,
        },
        "running" => running(rest),
        "abandoned" => hex::decode_array(rest).map(|payload| Claimed::Abandoned { payload }),
        // It has run in any case, and does not run again.
        "settled" => Some(settled(rest, record).unwrap_or(Claimed::Unreadable)),
        "level" => return Err(PgBackendError::Isolation { found: rest.to_owned() }),
        _ => None,
    };
    claimed.ok_or_else(|| PgBackendError::Unreadable { record: record.clone() })
}

fn running(words: &str) -> Option<Claimed> {
    let (micros, payload) = words.split_once(' ')?;
    Some(Claimed::Running {
        payload: Some(hex::decode_array(payload)?),
        remaining: Some(Duration::from_micros(micros.parse().ok()?)),
    })
}

fn settled(words: &str, record: &RecordId) -> Option<Claimed> {
    let mut words = words.split(' ');
    let kind = words.next()?.parse().ok()?;
    let payload = hex::decode_array(words.next()?)?;
    let token = Token::from_bytes(hex::decode_array(words.next()?)?);
    let reply = seal::open(record, token, kind, hex::decode(words.next()?)?)?;
    Some(Claimed::Settled { payload, reply })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn each_answer_is_read() {
        let record = RecordId::new("acme", "ada", "orders::create", "a").unwrap();
        let payload = "07".repeat(32);
        for (answer, claimed) in [
            ("busy".to_owned(), BUSY),
            ("ours new".to_owned(), Claimed::Ours { took_over: false }),
            ("ours over".to_owned(), Claimed::Ours { took_over: true }),
            (
                format!("running 1500 {payload}"),
                Claimed::Running {
                    payload: Some([7; 32]),
                    remaining: Some(Duration::from_micros(1500)),
                },
            ),
            (format!("abandoned {payload}"), Claimed::Abandoned { payload: [7; 32] }),
        ] {
            assert_eq!(read(&answer, &record).unwrap(), claimed, "{answer}");
        }
        match read("level repeatable read", &record) {
            Err(PgBackendError::Isolation { found }) => assert_eq!(found, "repeatable read"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_reply_that_is_none_is_unreadable() {
        let record = RecordId::new("acme", "ada", "orders::create", "a").unwrap();
        let payload = "07".repeat(32);
        for answer in [
            "settled".to_owned(),
            "settled 300".to_owned(),
            format!("settled 1 {payload} 00 00"),
            format!("settled 1 {payload} {}", "00".repeat(16)),
            format!("settled 1 {payload} {} 00", "00".repeat(16)),
        ] {
            assert_eq!(read(&answer, &record).unwrap(), Claimed::Unreadable, "{answer}");
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let record = RecordId::new("acme", "ada", "orders::create", "a").unwrap();
        let payload = "07".repeat(32);
        for answer in [
            String::new(),
            "ours".into(),
            "yours new".into(),
            "running 5".into(),
            format!("running -5 {payload}"),
        ] {
            let read = read(&answer, &record);
            assert!(
                matches!(read, Err(PgBackendError::Unreadable { .. })),
                "{answer}: {read:?}"
            );
        }
    }
}
