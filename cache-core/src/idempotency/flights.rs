//! Requests of this process that are under way, so that those who repeat one wait here and not at the backend.
//!
//! Who comes first *leads*: it alone asks the backend, and says here what it learns. The others follow, and take the reply from here when
//! there is one. A flight ends when its lead is dropped, whatever the reason; followers of one that ended without a reply begin anew, and
//! one of them leads. Nothing here decides what runs: that is the backend's, so a flight that is missing costs a round trip and no more.
//!
//! The one lock is held for an access to the table, and never across an await.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::backend::Reply;
use super::record::RecordId;
use crate::sync::{Mutex, lock};

/// The flights of a store.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<RecordId, watch::Receiver<Flight>>>);

/// How a flight stands.
#[derive(Clone, Default)]
pub(super) enum Flight {
    /// The backend has not answered.
    #[default]
    Asking,
    /// Somebody runs it, for this payload if that can be seen.
    Running(Option<[u8; 32]>),
    /// It has a reply to this payload.
    Settled([u8; 32], Arc<Reply>),
}

/// Which part a call has in a flight.
pub(super) enum Part {
    Leads(Lead),
    Follows(watch::Receiver<Flight>),
}

impl Flights {
    pub(super) fn join(self: &Arc<Self>, record: &RecordId) -> Part {
        let mut flights = lock(&self.0);
        if let Some(flight) = flights.get(record) {
            return Part::Follows(flight.clone());
        }
        let (sender, receiver) = watch::channel(Flight::Asking);
        flights.insert(record.clone(), receiver);
        Part::Leads(Lead {
            flights: Arc::clone(self),
            record: record.clone(),
            sender,
        })
    }
}

/// Asks the backend for all who want the same.
pub(super) struct Lead {
    flights: Arc<Flights>,
    record: RecordId,
    sender: watch::Sender<Flight>,
}

impl Lead {
    pub(super) fn is_running(&self, payload: Option<[u8; 32]>) {
        self.sender.send_replace(Flight::Running(payload));
    }

    pub(super) fn is_settled(&self, payload: [u8; 32], reply: Arc<Reply>) {
        self.sender.send_replace(Flight::Settled(payload, reply));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // First, so that whoever is woken does not find it again. Nobody else puts one in its place before that.
        let flight = lock(&self.flights.0).remove(&self.record);
        drop(flight);
    }
}
