//! Loads that would wait for themselves: found when they are about to, so that they say so and do not hang.
//!
//! A load that asks for its own key, directly or through other cached functions, would wait for its own end. Two
//! things are recorded:
//!
//! - per thread, the stack of loads that are being polled right now ([`Running`]), innermost last;
//! - per process, which load waits for which ([`wait`]): an edge from the innermost running load to the flight it
//!   joins, from a load to one that was started inside of it, and from each load of a batch to the batch ([`gather`]).
//!
//! Before a load joins a flight, the edges are followed from that flight. If they lead back to a load that is
//! being polled here, joining would close the circle, and the call panics instead. Edges are added under one
//! lock, so of the loads that together close a circle the last one sees it. Calls from outside of any load, by far
//! the most, touch none of this.
//!
//! A load that spawns a task and waits for that task is not seen: the task's stack is its own.

use std::cell::RefCell;
use std::collections::HashMap;
// Not the model checker's: nothing is scheduled while this lock is held.
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::flight::FlightId;
use crate::sync::thread_local;

thread_local! {
    static RUNNING: RefCell<Vec<FlightId>> = const { RefCell::new(Vec::new()) };
}

/// From a load to those it waits for.
static WAITS: Mutex<Option<HashMap<FlightId, Vec<FlightId>>>> = Mutex::new(None);

fn waits() -> MutexGuard<'static, Option<HashMap<FlightId, Vec<FlightId>>>> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many loads are being polled here, one inside the other.
pub(crate) fn depth() -> usize {
    RUNNING.with(|running| running.borrow().len())
}

fn innermost() -> Option<FlightId> {
    RUNNING.with(|running| running.borrow().last().copied())
}

/// Notes that a load starts inside another one, which therefore waits for it, until the result is dropped.
pub(crate) fn start(id: FlightId) -> Option<Edge> {
    innermost().map(|outer| Edge::add(outer, id))
}

/// Notes that several loads run as one, which has a name of its own: each of them waits for that, until the result is
/// dropped. So what that one waits for they all do, and it is running when any of them is.
pub(crate) fn gather(loads: Vec<FlightId>, into: FlightId) -> Gathered {
    let mut guard = waits();
    let edges = guard.get_or_insert_default();
    for from in &loads {
        edges.entry(*from).or_default().push(into);
    }
    Gathered { loads, into }
}

/// Several loads run as one.
pub(crate) struct Gathered {
    loads: Vec<FlightId>,
    into: FlightId,
}

impl Drop for Gathered {
    fn drop(&mut self) {
        let mut guard = waits();
        for from in &self.loads {
            remove(&mut guard, *from, self.into);
        }
    }
}

/// A load is being polled, until this is dropped.
pub(crate) struct Running;

impl Running {
    pub(crate) fn enter(id: FlightId) -> Self {
        RUNNING.with(|running| running.borrow_mut().push(id));
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with(|running| running.borrow_mut().pop());
    }
}

/// Notes that the load which is running here, if any, waits for a flight, until the result is dropped.
///
/// `Err` if that flight already waits, directly or not, for a load that is running here.
pub(crate) fn wait(target: FlightId) -> Result<Option<Edge>, WaitsForItself> {
    let Some(from) = innermost() else {
        return Ok(None);
    };
    let mut guard = waits();
    let edges = guard.get_or_insert_default();
    let circle = RUNNING.with(|running| leads_to(edges, target, &running.borrow()));
    if circle {
        return Err(WaitsForItself);
    }
    edges.entry(from).or_default().push(target);
    Ok(Some(Edge { from, to: target }))
}

/// The call would have waited for its own end.
#[derive(Debug)]
pub(crate) struct WaitsForItself;

fn leads_to(edges: &HashMap<FlightId, Vec<FlightId>>, start: FlightId, goals: &[FlightId]) -> bool {
    let mut seen = vec![start];
    let mut next = 0;
    while let Some(&at) = seen.get(next) {
        if goals.contains(&at) {
            return true;
        }
        next += 1;
        for &to in edges.get(&at).into_iter().flatten() {
            if !seen.contains(&to) {
                seen.push(to);
            }
        }
    }
    false
}

/// One load waits for another; dropped when it no longer does.
pub(crate) struct Edge {
    from: FlightId,
    to: FlightId,
}

impl Edge {
    fn add(from: FlightId, to: FlightId) -> Self {
        waits().get_or_insert_default().entry(from).or_default().push(to);
        Self { from, to }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        remove(&mut waits(), self.from, self.to);
    }
}

fn remove(waits: &mut Option<HashMap<FlightId, Vec<FlightId>>>, from: FlightId, to: FlightId) {
    let Some(edges) = waits.as_mut() else { return };
    if let Some(targets) = edges.get_mut(&from) {
        if let Some(place) = targets.iter().position(|it| *it == to) {
            targets.swap_remove(place);
        }
        if targets.is_empty() {
            edges.remove(&from);
        }
    }
    if edges.is_empty() {
        *waits = None;
    }
}
