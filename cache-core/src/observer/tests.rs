//! What cannot be seen from outside: that nothing is left behind.

use std::sync::Arc;

use super::*;

const TIMES: usize = 1_000_000;

#[test]
fn a_million_observers_that_came_and_went_leave_nothing_behind() {
    let cache = Cache::<u64, u64>::builder().build();
    let captured = Arc::new(());
    for turn in 0..TIMES {
        let captured = Arc::clone(&captured);
        let id = cache.add_observer(move |_| drop(Arc::clone(&captured)));
        if turn % 16 == 0 {
            futures::executor::block_on(cache.insert(1, 1));
        }
        assert!(cache.remove_observer(id));
    }
    assert_eq!(Arc::strong_count(&captured), 1);
    for _ in 0..TIMES / 10 {
        let captured = Arc::clone(&captured);
        drop(cache.observe(move |_| drop(Arc::clone(&captured))));
    }
    assert_eq!(Arc::strong_count(&captured), 1);
    // All caches together counted as one, for the other tests here do nothing of the kind.
    assert!(cache.shared().observers().is_untouched());
}
