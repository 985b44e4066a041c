//! What a listener knows of tables, and whether it may still say so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Listening;
use crate::postgres::ask::Answer;
use crate::postgres::error::RevisionsError;
use crate::postgres::name::TableName;
use crate::postgres::token::{TableRevision, TableRevisions};

pub(super) struct Memory {
    lease: Duration,
    poll: bool,
    state: Mutex<State>,
    /// There are tables that have not been asked for yet.
    pub(super) news: Notify,
}

#[derive(Default)]
struct State {
    tables: HashMap<Arc<str>, Known>,
    /// Until when the connection counts as alive.
    alive: Option<Instant>,
    notifications: u64,
    connections: u64,
    round_trip: Option<Duration>,
    last_error: Option<RevisionsError>,
}

/// A table that was asked for.
struct Known {
    name: TableName,
    /// Moves on with each notification, and when the connection is lost.
    version: u64,
    /// By which number notifications name it.
    notifies: Option<i32>,
    /// It sends none, so that memory cannot answer for it.
    silent: bool,
    /// What the last answer said, unless it is out of date.
    held: Option<Held>,
}

struct Held {
    revision: Arc<TableRevision>,
    until: Instant,
}

/// A question for some tables, each with the version that it had when the question was sent.
pub(super) struct Question {
    pub(super) tables: Vec<TableName>,
    versions: Vec<u64>,
    sent: Instant,
}

impl Memory {
    pub(super) fn new(lease: Duration, poll: bool) -> Self {
        Self {
            lease,
            poll,
            state: Mutex::default(),
            news: Notify::new(),
        }
    }

    /// Nothing foreign runs under this lock, and it is never held across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn recall(&self, tables: &[impl AsRef<str>]) -> Option<TableRevisions> {
        if tables.is_empty() {
            return None;
        }
        let now = Instant::now();
        let mut revisions = Vec::with_capacity(tables.len());
        {
            let state = self.state();
            for table in tables {
                let known = state.tables.get(table.as_ref())?;
                let held = known.held.as_ref().filter(|held| now < held.until)?;
                revisions.push(Arc::clone(&held.revision));
            }
        }
        // As they are when they are asked for.
        revisions.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        revisions.dedup_by(|a, b| a.name == b.name);
        Some(TableRevisions::new(revisions))
    }

    pub(super) fn learn(&self, tables: Vec<TableName>) {
        let mut state = self.state();
        let mut new = false;
        for name in tables {
            state.tables.entry(Arc::clone(&name.given)).or_insert_with(|| {
                new = true;
                Known {
                    name,
                    version: 0,
                    notifies: None,
                    silent: false,
                    held: None,
                }
            });
        }
        drop(state);
        if new {
            self.news.notify_one();
        }
    }

    pub(super) fn connected(&self) {
        let mut state = self.state();
        state.connections += 1;
    }

    /// Nothing that is known holds any longer.
    pub(super) fn lost(&self, error: RevisionsError) {
        let mut state = self.state();
        state.alive = None;
        state.last_error = Some(error);
        for known in state.tables.values_mut() {
            known.version += 1;
            known.held = None;
        }
    }

    pub(super) fn notified(&self, id: i32) {
        let mut state = self.state();
        state.notifications += 1;
        for known in state.tables.values_mut() {
            // Of one that nothing was heard of yet, it may be the number.
            if known.notifies.is_none_or(|notifies| notifies == id) {
                known.version += 1;
                if known.notifies.is_some() {
                    known.held = None;
                }
            }
        }
    }

    /// A question for all tables, or for those that are out of date: none if there are none.
    pub(super) fn question(&self, all: bool) -> Option<Question> {
        let state = self.state();
        let due = state
            .tables
            .values()
            .filter(|known| all || (known.held.is_none() && !known.silent));
        let (tables, versions): (Vec<_>, Vec<_>) = due.map(|known| (known.name.clone(), known.version)).unzip();
        let sent = Instant::now();
        (all || !tables.is_empty()).then_some(Question { tables, versions, sent })
    }

    /// Whether a table is out of date.
    pub(super) fn is_behind(&self) -> bool {
        let state = self.state();
        state.tables.values().any(|known| known.held.is_none() && !known.silent)
    }

    /// Takes the answers in, but for tables that a notification has come for since.
    pub(super) fn answer(&self, question: &Question, answers: Vec<Answer>) {
        let until = question.sent + self.lease;
        let mut state = self.state();
        state.alive = state.alive.max(Some(until));
        state.round_trip = Some(question.sent.elapsed());
        state.last_error = None;
        let asked = question.tables.iter().zip(&question.versions).zip(answers);
        for ((table, version), answer) in asked {
            let Ok(revision) = answer.revision else {
                // Whoever asks for it next hears why.
                state.tables.remove(&table.given);
                continue;
            };
            let Some(known) = state.tables.get_mut(&table.given) else {
                continue;
            };
            known.notifies = answer.notifies;
            let silent = answer.notifies.is_none() && !self.poll;
            if silent && !known.silent {
                let name = &table.given;
                log::warn!(
                    "`{name}` is installed without notifications, so each call asks the database for its revision: install it with \
                     `Revisions::builder().notify(true)`, or listen with `Listen::poll(true)`"
                );
            }
            known.silent = silent;
            if !silent && known.version == *version {
                known.held = Some(Held { revision, until });
            }
        }
    }

    pub(super) fn listening(&self) -> Listening {
        let now = Instant::now();
        let state = self.state();
        let held = state.tables.values().filter_map(|known| known.held.as_ref());
        Listening {
            is_current: state.alive.is_some_and(|alive| now < alive),
            tables: state.tables.len(),
            in_memory: held.filter(|held| now < held.until).count(),
            notifications: state.notifications,
            connections: state.connections,
            round_trip: state.round_trip,
            last_error: state.last_error.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;
    use crate::postgres::error::Why;

    const LONG: Duration = Duration::from_secs(3600);

    fn memory(poll: bool) -> Memory {
        let memory = Memory::new(LONG, poll);
        memory.learn(TableName::parse_all(&["tasks", "topics"]).unwrap());
        memory
    }

    /// The answer for a table that has this number.
    fn answer(name: &str, id: i32, commits: i64, notify: bool) -> Answer {
        Answer {
            revision: Ok(Arc::new(TableRevision {
                name: name.into(),
                id,
                commits,
                mark: 0,
                state: "".into(),
            })),
            notifies: notify.then_some(id),
            fold: false,
        }
    }

    /// The answers for the tables of this question.
    fn answers(question: &Question, commits: i64, notify: bool) -> Vec<Answer> {
        let ids = question
            .tables
            .iter()
            .map(|table| (&table.given, if &*table.given == "tasks" { 1 } else { 2 }));
        ids.map(|(name, id)| answer(name, id, commits, notify)).collect()
    }

    fn ask(memory: &Memory, all: bool, commits: i64) {
        let question = memory.question(all).unwrap();
        memory.answer(&question, answers(&question, commits, true));
    }

    fn names(question: &Question) -> Vec<&str> {
        let mut names: Vec<&str> = question.tables.iter().map(|table| &*table.given).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn answers_are_kept_until_a_notification() {
        let memory = memory(false);
        assert_eq!(memory.recall(&["tasks"]), None);
        ask(&memory, false, 1);
        let both = memory.recall(&["topics", "tasks", "topics"]).unwrap();
        assert_eq!(both.to_string(), "tasks@1 topics@1");
        memory.notified(1);
        assert_eq!(memory.recall(&["tasks"]), None);
        assert_eq!(memory.recall(&["tasks", "topics"]), None);
        assert!(memory.recall(&["topics"]).is_some());
        assert_eq!(names(&memory.question(false).unwrap()), ["tasks"]);
        ask(&memory, false, 2);
        assert_eq!(memory.recall(&["tasks"]).unwrap().to_string(), "tasks@2");
        assert!(memory.question(false).is_none());
    }

    #[test]
    fn a_notification_that_comes_before_the_answer_makes_it_worthless() {
        let memory = memory(false);
        ask(&memory, false, 1);
        memory.notified(1);
        let question = memory.question(false).unwrap();
        memory.notified(1);
        memory.answer(&question, answers(&question, 2, true));
        assert_eq!(memory.recall(&["tasks"]), None);
    }

    #[test]
    fn a_notification_counts_for_a_table_whose_number_is_not_known_yet() {
        let memory = memory(false);
        let question = memory.question(false).unwrap();
        memory.notified(1);
        memory.answer(&question, answers(&question, 1, true));
        assert_eq!(memory.recall(&["tasks"]), None);
    }

    #[test]
    fn nothing_outlives_its_lease() {
        let memory = Memory::new(Duration::ZERO, false);
        memory.learn(TableName::parse_all(&["tasks"]).unwrap());
        ask(&memory, true, 1);
        assert_eq!(memory.recall(&["tasks"]), None);
        assert!(!memory.listening().is_current);
    }

    #[test]
    fn nothing_outlives_the_connection() {
        let memory = memory(false);
        ask(&memory, true, 1);
        let question = memory.question(true).unwrap();
        memory.lost(RevisionsError::NoRuntime);
        assert_eq!(memory.recall(&["tasks"]), None);
        assert!(!memory.listening().is_current);
        memory.answer(&question, answers(&question, 1, true));
        assert_eq!(memory.recall(&["tasks"]), None, "asked before that");
    }

    #[test]
    fn tables_without_notifications_are_served_to_who_allows_it() {
        for poll in [false, true] {
            let memory = memory(poll);
            let question = memory.question(false).unwrap();
            memory.answer(&question, answers(&question, 1, false));
            assert_eq!(memory.recall(&["tasks"]).is_some(), poll);
            assert!(memory.question(false).is_none(), "asked at the heartbeat");
            assert!(memory.question(true).is_some());
        }
    }

    #[test]
    fn a_table_that_is_unwatched_is_forgotten() {
        let memory = memory(false);
        let question = memory.question(false).unwrap();
        let unwatched = |_| Answer {
            revision: Err(Why::NotInstalled),
            notifies: None,
            fold: false,
        };
        memory.answer(&question, question.tables.iter().map(unwatched).collect());
        assert_eq!(memory.listening().tables, 0);
    }
}
