//! What a claim comes to, and when it has to be sent again.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::error::PgBackendError;
use super::{hex, seal};
use crate::idempotency::backend::{Claim, Claimed, Token};
use crate::idempotency::record::RecordId;

/// How often a claim is sent before the record is taken for one that others are busy with. Each time but the last somebody else has changed
/// it within the moment that the statement took.
pub(super) const ATTEMPTS: u32 = 10;

/// What the rows say that a claim was answered with. `None` if somebody came in between, and it has to be sent again.
pub(super) fn read(
    rows: &[PgRow],
    record: &RecordId,
    claim: &Claim,
    table: &str,
) -> Result<Option<Claimed>, PgBackendError> {
    let row = rows.first().ok_or(sqlx::Error::RowNotFound);
    row.and_then(Answer::read)
        .map_err(|error| PgBackendError::new(&error, table))?
        .claimed(record, claim)
}

/// Somebody is just claiming it, and what he has written cannot be seen yet.
pub(super) const BUSY: Claimed = Claimed::Running {
    payload: None,
    remaining: None,
};

/// The row that a claim is answered with.
struct Answer {
    level: String,
    /// Whether it was our turn, if it came to that.
    turn: Option<bool>,
    /// There if the record is ours.
    took_over: Option<bool>,
    found: Option<Found>,
}

/// A row that cannot be taken.
struct Found {
    outcome: Option<i64>,
    reply: Option<String>,
    payload: String,
    token: String,
    /// In microseconds.
    remaining: i64,
}

impl Answer {
    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let payload: Option<String> = row.try_get("payload")?;
        let found = match payload {
            None => None,
            Some(payload) => Some(Found {
                outcome: row.try_get("outcome")?,
                reply: row.try_get("reply")?,
                payload,
                token: row.try_get("token")?,
                remaining: row.try_get("remaining")?,
            }),
        };
        Ok(Self {
            level: row.try_get("level")?,
            turn: row.try_get("turn")?,
            took_over: row.try_get("took_over")?,
            found,
        })
    }

    /// `None` if somebody came in between.
    fn claimed(self, record: &RecordId, claim: &Claim) -> Result<Option<Claimed>, PgBackendError> {
        if let Some(took_over) = self.took_over {
            return Ok(Some(Claimed::Ours { took_over }));
        }
        if let Some(found) = self.found {
            if claim.takes_over && found.outcome.is_none() && found.remaining <= 0 {
                // The lease has ended since it was looked at.
                return Ok(None);
            }
            let unreadable = || PgBackendError::Unreadable { record: record.clone() };
            return found.claimed(record).ok_or_else(unreadable).map(Some);
        }
        match self.turn {
            Some(false) => Ok(Some(BUSY)),
            Some(true) => Ok(None),
            None => Err(PgBackendError::Isolation { found: self.level }),
        }
    }
}

impl Found {
    fn claimed(self, record: &RecordId) -> Option<Claimed> {
        let payload = hex::decode_array(&self.payload)?;
        let Some(outcome) = self.outcome else {
            return Some(match u64::try_from(self.remaining) {
                Ok(micros @ 1..) => Claimed::Running {
                    payload: Some(payload),
                    remaining: Some(Duration::from_micros(micros)),
                },
                _ => Claimed::Abandoned { payload },
            });
        };
        let token = Token::from_bytes(hex::decode_array(&self.token)?);
        let kind = u8::try_from(outcome).ok()?;
        let reply = seal::open(record, token, kind, hex::decode(&self.reply?)?)?;
        Some(Claimed::Settled { payload, reply })
    }
}
