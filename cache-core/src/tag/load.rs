//! Loads of tagged caches that are under way, and the clock of invalidations that tells when they began.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use super::index::Index;
use super::name::Tag;

/// The time of an insertion by hand: it is of now, whenever that is.
pub(crate) const NOW: u64 = u64::MAX;

/// The time of what has not happened.
pub(crate) const NEVER: u64 = u64::MAX;

/// The clock, and who still has to know what it was.
#[derive(Default)]
pub(super) struct Loads {
    /// How many invalidations there have been.
    pub(super) now: u64,
    /// When loads began that are under way, and how many of them.
    under_way: VecDeque<(u64, usize)>,
    /// How many they are.
    pub(super) count: usize,
    /// What was invalidated since the first of them began, each tag once, and when at least.
    pub(super) notes: VecDeque<(u64, Tag)>,
    /// Of what was invalidated until then nothing is known any more but that it may have been anything.
    pub(super) forgotten: u64,
}

impl Loads {
    pub(super) fn begin(&mut self) -> u64 {
        self.count += 1;
        match self.under_way.back_mut() {
            Some((at, count)) if *at == self.now => *count += 1,
            _ => self.under_way.push_back((self.now, 1)),
        }
        self.now
    }

    pub(super) fn end(&mut self, began: u64) {
        self.count -= 1;
        let place = self.under_way.partition_point(|(at, _)| *at < began);
        if let Some((_, count)) = self.under_way.get_mut(place) {
            *count -= 1;
        }
        while self.under_way.front().is_some_and(|(_, count)| *count == 0) {
            self.under_way.pop_front();
        }
        // One that takes for ever must not keep a place for each that came and went since.
        if self.under_way.len() > 2 * self.count + 64 {
            self.under_way.retain(|(_, count)| *count > 0);
        }
    }

    /// When the first load under way began that may be kept: what was invalidated until then, nobody need know.
    fn first(&self) -> u64 {
        self.under_way.front().map_or(NOW, |(at, _)| *at).max(self.forgotten)
    }

    /// The next note that no load under way needs, and from when on they need one.
    pub(super) fn next_idle_note(&mut self) -> Option<(Tag, u64)> {
        let first = self.first();
        let next = if self.notes.front().is_some_and(|(at, _)| *at <= first) {
            self.notes.pop_front()
        } else {
            None
        };
        if self.notes.is_empty() && self.notes.capacity() > 1024 {
            self.notes = VecDeque::new();
        }
        next.map(|(_, tag)| (tag, first))
    }

    /// For tests of what is left behind.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.notes.len() + self.under_way.len()
    }
}

/// Where a load with tags comes from.
pub(crate) struct Origin {
    /// The tags that are known before it ends, in order.
    tags: Vec<Tag>,
    ticket: Ticket,
}

impl Origin {
    pub(super) fn new(index: &'static Index, tags: Vec<Tag>, began: u64) -> Self {
        Self {
            tags,
            ticket: Ticket {
                index,
                began,
                has_ended: AtomicBool::new(false),
            },
        }
    }

    pub(crate) fn began(&self) -> u64 {
        self.ticket.began
    }

    pub(crate) fn now(&self) -> u64 {
        self.ticket.index.now()
    }

    /// Whether what it loads is known to be outdated already.
    pub(crate) fn is_outdated(&self) -> bool {
        self.ticket.index.outdated_from(self.tags.iter(), self.ticket.began) != NEVER
    }

    /// Whether its failure may be kept, as far as tags have a say. After that it is asked whether it [is
    /// outdated](Self::is_outdated) whenever somebody would have it.
    pub(crate) fn may_be_kept(&self) -> bool {
        !self.ticket.index.has_fence(self.tags.iter()) && !self.is_outdated()
    }

    /// Who joined when may not have what it loads because of those of its tags of which nobody knew before. (Once it was
    /// outdated by another one it was not joined any more.)
    pub(crate) fn outdated_from(&self, tags: &[Tag]) -> u64 {
        let late = tags.iter().filter(|tag| self.tags.binary_search(tag).is_err());
        self.ticket.index.outdated_from(late, self.ticket.began)
    }

    /// The load is over; nothing need be noted for it any more.
    pub(crate) fn end(&self) {
        self.ticket.end();
    }
}

/// Says that a load is under way, which has to know what was invalidated since it began.
struct Ticket {
    index: &'static Index,
    began: u64,
    has_ended: AtomicBool,
}

impl Ticket {
    fn end(&self) {
        if !self.has_ended.swap(true, Ordering::Relaxed) {
            self.index.end(self.began);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end();
    }
}
