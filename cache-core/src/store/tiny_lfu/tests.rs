//! That what moka evicts is told of in order.

use super::super::Life;
use super::*;

const FOR_EVER: Life = Life {
    begins_at: 0,
    ttl: None,
    tti: None,
    staleness: None,
};

fn entry(key: u64, value: u64) -> Arc<Entry<u64, u64>> {
    Arc::new(Entry::new(key, key, value, 1, &FOR_EVER))
}

/// Values as they come in, and as they are evicted.
#[derive(Default)]
struct Notes(std::sync::Mutex<Vec<(&'static str, u64)>>);

impl Notes {
    fn note(&self, what: &'static str, entry: &Arc<dyn Kept>) {
        let value = entry.value().downcast_ref().copied().expect("values are numbers");
        self.0.lock().expect("no panic").push((what, value));
    }
}

impl Journal for Notes {
    fn is_open(&self) -> bool {
        true
    }

    fn came_in(&self, entry: &Arc<dyn Kept>, _: Option<(&Arc<dyn Kept>, bool)>) {
        self.note("came in", entry);
    }

    fn evicted(&self, entry: &Arc<dyn Kept>) {
        self.note("evicted", entry);
    }
}

/// moka takes an entry out of its map before it tells. Whoever puts the key again just then is told of after that.
#[test]
fn what_is_being_evicted_is_told_of_before_what_comes_after_it() {
    for _ in 0..100 {
        let notes = Arc::new(Notes::default());
        let store = &TinyLfuStore::new(Bound::Entries(1), Arc::clone(&notes) as Arc<dyn Journal>);
        Store::insert(store, entry(1, 10));
        let room = store.room.load_full();
        let is_there = |key: u64| {
            room.map
                .contains_key(&lookup(key, &|stored| is::<u64, _>(stored, &key)))
        };
        // In such demand that it gets in.
        for _ in 0..20 {
            assert!(
                room.map
                    .get(&lookup(2, &|stored| is::<u64, _>(stored, &2_u64)))
                    .is_none()
            );
        }
        let newcomer = entry(2, 20);
        newcomer.facts.come_in(room.generation);
        let key = StoredKey {
            hash: 2,
            key: Box::new(2_u64),
        };
        // The listener goes there first.
        let closed = store.morgue.closed();
        room.map.insert(key, newcomer);
        std::thread::scope(|scope| {
            scope.spawn(|| room.map.run_pending_tasks());
            let is_out = (0..10_000_000).any(|_| {
                std::thread::yield_now();
                !is_there(1)
            });
            assert!(is_out, "it should have been evicted");
            scope.spawn(|| Store::insert(store, entry(1, 11)));
            for _ in 0..100 {
                std::thread::yield_now();
            }
            drop(closed);
        });
        let notes = notes.0.lock().expect("no panic");
        assert_eq!(notes[..3], [("came in", 10), ("evicted", 10), ("came in", 11)]);
    }
}
