//! The contract of backends, on the embedded one, and that it finds what does not keep it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod memory {
    use cache_core::idempotency::MemoryBackend;

    cache_core::idempotency_contract!(MemoryBackend::new());
}

/// What a backend may have wrong.
mod broken {
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use cache_core::idempotency::{Backend, Claim, Claimed, MemoryBackend, RecordId, Reply, Token, contract};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fault {
        /// A check and then a write.
        NotAtomic,
        /// It takes over whatever it is told.
        TakesOver,
        NeverTakesOver,
        TakesOverForOthers,
        KeepsExpired,
        ForgetsThatItTookOver,
        ClaimsOnceOnly,
        SettlesForAnybody,
        SettlesOnceOnly,
        RenewsForAnybody,
        ReleasesForAnybody,
        ReleasesSettled,
        RenewsNothing,
        SweepsAll,
        SweepsNothing,
        SweepsMore,
        SharesScopes,
        SharesKeys,
        EndsText,
        ForgetsKinds,
        ForgetsPayloads,
        RepliesLast,
    }

    const FAULTS: [Fault; 22] = [
        Fault::NotAtomic,
        Fault::TakesOver,
        Fault::NeverTakesOver,
        Fault::TakesOverForOthers,
        Fault::KeepsExpired,
        Fault::ForgetsThatItTookOver,
        Fault::ClaimsOnceOnly,
        Fault::SettlesForAnybody,
        Fault::SettlesOnceOnly,
        Fault::RenewsForAnybody,
        Fault::ReleasesForAnybody,
        Fault::ReleasesSettled,
        Fault::RenewsNothing,
        Fault::SweepsAll,
        Fault::SweepsNothing,
        Fault::SweepsMore,
        Fault::SharesScopes,
        Fault::SharesKeys,
        Fault::EndsText,
        Fault::ForgetsKinds,
        Fault::ForgetsPayloads,
        Fault::RepliesLast,
    ];

    /// A simple one, written anew, which is right but for one fault. Time does not pass, so what ends later does not end.
    struct Simple {
        fault: Option<Fault>,
        records: Mutex<Vec<Record>>,
    }

    #[derive(Clone)]
    struct Record {
        name: (String, String),
        token: Token,
        payload: [u8; 32],
        lease_is_over: bool,
        is_expired: bool,
        reply: Option<Reply>,
    }

    impl Simple {
        fn has(&self, fault: Fault) -> bool {
            self.fault == Some(fault)
        }

        fn name(&self, record: &RecordId) -> (String, String) {
            let scope = if self.has(Fault::SharesScopes) {
                ""
            } else {
                record.scope()
            };
            let key = if self.has(Fault::SharesKeys) {
                &record.key()[..1]
            } else {
                record.key()
            };
            (scope.to_owned(), key.to_owned())
        }

        /// One that is there, under this token unless anybody's will do.
        fn change<T>(
            &self,
            record: &RecordId,
            token: Token,
            anybody: Fault,
            change: impl FnOnce(&mut Record) -> Option<T>,
        ) -> Option<T> {
            let name = self.name(record);
            let mut records = self.records.lock().unwrap();
            let found = records
                .iter_mut()
                .find(|found| found.name == name && (found.token == token || self.has(anybody)))?;
            change(found)
        }
    }

    impl Backend for Simple {
        type Error = Infallible;

        async fn claim(&self, record: &RecordId, claim: Claim) -> Result<Claimed, Infallible> {
            let name = self.name(record);
            let found = self
                .records
                .lock()
                .unwrap()
                .iter()
                .find(|found| found.name == name)
                .cloned();
            let mut took_over = false;
            if self.has(Fault::NotAtomic) {
                tokio::task::yield_now().await;
            }
            let is_alive = |found: &Record| !found.is_expired || self.has(Fault::KeepsExpired);
            if let Some(found) = found.filter(is_alive) {
                let takes_over = (claim.takes_over || self.has(Fault::TakesOver)) && !self.has(Fault::NeverTakesOver);
                let payload = if self.has(Fault::ForgetsPayloads) {
                    claim.payload
                } else {
                    found.payload
                };
                match found.reply {
                    Some(reply) => {
                        let body = reply.body().to_vec();
                        let reply = if self.has(Fault::EndsText) {
                            let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
                            Reply::from_parts(reply.kind(), body[..end].to_vec()).unwrap()
                        } else if self.has(Fault::ForgetsKinds) {
                            Reply::Success(body)
                        } else {
                            reply
                        };
                        return Ok(Claimed::Settled { payload, reply });
                    }
                    None if found.token == claim.token && !self.has(Fault::ClaimsOnceOnly) => {
                        return Ok(Claimed::Ours { took_over: false });
                    }
                    None if !found.lease_is_over => {
                        return Ok(Claimed::Running {
                            payload: Some(payload),
                            remaining: None,
                        });
                    }
                    None if !takes_over || payload != claim.payload && !self.has(Fault::TakesOverForOthers) => {
                        return Ok(Claimed::Abandoned { payload });
                    }
                    None => took_over = !self.has(Fault::ForgetsThatItTookOver),
                }
            }
            let mut records = self.records.lock().unwrap();
            records.retain(|found| found.name != name);
            records.push(Record {
                name,
                token: claim.token,
                payload: claim.payload,
                lease_is_over: claim.lease.is_zero(),
                is_expired: claim.lease.is_zero() && claim.ttl.is_zero(),
                reply: None,
            });
            Ok(Claimed::Ours { took_over })
        }

        async fn renew(
            &self,
            record: &RecordId,
            token: Token,
            lease: Duration,
            ttl: Duration,
        ) -> Result<bool, Infallible> {
            let renewed = self.change(record, token, Fault::RenewsForAnybody, |found| {
                if found.reply.is_some() {
                    return None;
                }
                if !self.has(Fault::RenewsNothing) || lease.is_zero() {
                    found.lease_is_over = lease.is_zero();
                    found.is_expired = lease.is_zero() && ttl.is_zero();
                }
                Some(())
            });
            Ok(renewed.is_some())
        }

        async fn settle(
            &self,
            record: &RecordId,
            token: Token,
            reply: &Reply,
            ttl: Duration,
        ) -> Result<bool, Infallible> {
            let settled = self.change(record, token, Fault::SettlesForAnybody, |found| {
                if found.reply.is_some() {
                    if self.has(Fault::RepliesLast) {
                        found.reply = Some(reply.clone());
                    }
                    return (!self.has(Fault::SettlesOnceOnly)).then_some(());
                }
                found.reply = Some(reply.clone());
                found.is_expired = ttl.is_zero();
                Some(())
            });
            Ok(settled.is_some())
        }

        async fn release(&self, record: &RecordId, token: Token) -> Result<bool, Infallible> {
            let name = self.name(record);
            let mut records = self.records.lock().unwrap();
            let before = records.len();
            records.retain(|found| {
                let is_whose = found.token == token || self.has(Fault::ReleasesForAnybody);
                let is_running = found.reply.is_none() || self.has(Fault::ReleasesSettled);
                !(found.name == name && is_whose && is_running)
            });
            Ok(records.len() < before)
        }

        async fn delete_expired(&self, batch: u32) -> Result<u64, Infallible> {
            if self.has(Fault::SweepsNothing) {
                return Ok(0);
            }
            let mut records = self.records.lock().unwrap();
            let (before, mut removed) = (records.len(), 0);
            records.retain(|found| {
                let goes = (found.is_expired || self.has(Fault::SweepsAll))
                    && (removed < batch || self.has(Fault::SweepsMore));
                removed += u32::from(goes);
                !goes
            });
            Ok((before - records.len()) as u64)
        }
    }

    async fn check(fault: Option<Fault>) -> Result<(), String> {
        let backend = Arc::new(Simple {
            fault,
            records: Mutex::default(),
        });
        let suite = tokio::spawn(async move { contract::all(&backend).await });
        suite.await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn one_that_keeps_it_passes() {
        check(None).await.unwrap();
        contract::all(&Arc::new(MemoryBackend::new())).await;
    }

    #[tokio::test]
    async fn each_fault_is_found() {
        let mut unfound = Vec::new();
        for fault in FAULTS {
            if check(Some(fault)).await.is_ok() {
                unfound.push(fault);
            }
        }
        assert_eq!(unfound, []);
    }
}
