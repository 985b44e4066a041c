//! Which numbers are free, for caches that are given the same name.
//!
//! The first keeps its name, `users`; the others are called `users#2`, `users#3` and so on, by the smallest number that
//! is free. Somebody may give a cache the name `users#2` by hand, so names and numbers are two ways to write one thing:
//! `users#2` is number 2 of `users`, whoever made it up.

use std::collections::{BTreeSet, HashMap};

/// The numbers of every name that has some.
#[derive(Default)]
pub(super) struct Numbers(HashMap<Box<str>, Taken>);

struct Taken {
    /// No number from here on was given.
    next: u64,
    /// What has been given back below that.
    free: BTreeSet<u64>,
}

/// The number of the first that has a name, which is not written.
const FIRST: u64 = 1;

impl Numbers {
    /// A name that is not taken: this one, or this one with the smallest number that is free.
    pub(super) fn take(&mut self, name: &str, is_taken: impl Fn(&str) -> bool) -> String {
        if !is_taken(name) {
            return name.to_owned();
        }
        if !self.0.contains_key(name) {
            let taken = Taken {
                next: FIRST + 1,
                free: BTreeSet::new(),
            };
            self.0.insert(name.into(), taken);
        }
        loop {
            let number = self.0.get_mut(name).map_or(FIRST + 1, Taken::lowest);
            let numbered = format!("{name}#{number}");
            // Somebody may have written this one by hand.
            if !is_taken(&numbered) {
                return numbered;
            }
        }
    }

    /// A name is no longer taken.
    pub(super) fn give_back(&mut self, name: &str) {
        let Some((name, number)) = name.rsplit_once('#') else {
            return;
        };
        let Some(number) = parsed(number) else { return };
        let Some(taken) = self.0.get_mut(name) else { return };
        taken.give_back(number);
        if taken.next == FIRST + 1 {
            self.0.remove(name);
            if self.0.len() * 4 < self.0.capacity() {
                self.0.shrink_to_fit();
            }
        }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Taken {
    fn lowest(&mut self) -> u64 {
        self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    fn give_back(&mut self, number: u64) {
        if number < self.next {
            self.free.insert(number);
        }
        // So that nothing is kept of a crowd that has gone.
        while self.free.last().is_some_and(|last| *last == self.next - 1) {
            self.free.pop_last();
            self.next -= 1;
        }
    }
}

/// A number as [`Numbers::take`] writes it, and no other.
fn parsed(number: &str) -> Option<u64> {
    let parsed = number.parse().ok()?;
    (parsed > FIRST && number == format!("{parsed}")).then_some(parsed)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[derive(Default)]
    struct Names {
        numbers: Numbers,
        taken: HashSet<String>,
    }

    impl Names {
        fn take(&mut self, name: &str) -> String {
            let name = self.numbers.take(name, |name| self.taken.contains(name));
            assert!(self.taken.insert(name.clone()), "{name} twice");
            name
        }

        fn give_back(&mut self, name: &str) {
            assert!(self.taken.remove(name));
            self.numbers.give_back(name);
        }
    }

    #[test]
    fn the_smallest_free_number_is_given() {
        let mut names = Names::default();
        assert_eq!(["a", "a", "a"].map(|name| names.take(name)), ["a", "a#2", "a#3"]);
        names.give_back("a#2");
        assert_eq!(names.take("a"), "a#2");
        names.give_back("a");
        names.give_back("a#2");
        assert_eq!(["a", "a", "a"].map(|name| names.take(name)), ["a", "a#2", "a#4"]);
        for name in ["a", "a#2", "a#3", "a#4"] {
            names.give_back(name);
        }
        assert!(names.numbers.is_empty());
    }

    #[test]
    fn numbers_that_were_written_by_hand_are_passed_over() {
        let mut names = Names::default();
        assert_eq!(
            ["a#2", "a#02", "a", "a", "a#2"].map(|name| names.take(name)),
            ["a#2", "a#02", "a", "a#3", "a#2#2"]
        );
        names.give_back("a#2");
        assert_eq!(names.take("a"), "a#2");
        // Taken by hand while it is free, again and again, it is still listed once.
        for _ in 0..10 {
            names.give_back("a#2");
            assert_eq!(names.take("a#2"), "a#2");
        }
        assert_eq!(names.numbers.0["a"].free.len(), 1);
        assert_eq!(names.take("a"), "a#4");
        for name in ["a", "a#2", "a#3", "a#4", "a#02", "a#2#2"] {
            names.give_back(name);
        }
        assert!(names.numbers.is_empty());
    }

    #[test]
    fn a_hundred_thousand_of_one_name_are_numbered_in_no_time() {
        let mut names = Names::default();
        let mut taken: Vec<_> = (0..100_000).map(|_| names.take("unnamed")).collect();
        assert_eq!(taken.last().map(String::as_str), Some("unnamed#100000"));
        for name in taken.drain(..).step_by(2) {
            names.give_back(&name);
        }
        assert_eq!(names.take("unnamed"), "unnamed");
        assert_eq!(names.take("unnamed"), "unnamed#3");
    }
}
