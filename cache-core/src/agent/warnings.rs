//! What a mutation of a resource finds strange, and says once: a resource that no function has, a session's part outside of
//! any session, a key that none of the resource's functions could be keyed by.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{AgentFunction, Resource};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that no function belongs to a resource, once.
pub(super) fn if_unknown(resource: Resource) {
    // The first function of each resource, by the name of the resource.
    let mut known = BTreeMap::new();
    for function in inventory::iter::<AgentFunction> {
        if function.resource == resource {
            return;
        }
        known.entry(function.resource.name()).or_insert(function.name);
    }
    UNKNOWN.once(resource.name(), || {
        let near = near(resource.name(), &known);
        log::warn!("no function is cached for the resource `{resource}`, so that its mutations evict nothing{near}");
    });
}

/// Says that a mutation of a session's part ran outside of any, once for a resource.
pub(super) fn outside(resource: Resource) {
    OUTSIDE.once(resource.name(), || {
        log::warn!(
            "a mutation of a session's part of the resource `{resource}` ran outside of any session, and evicts the \
             resource for everybody: wrap it in `cache_core::session::scope(id, ..)`"
        );
    });
}

/// The resources that may have been meant, or some that there are, with a function of each, as the end of a sentence.
fn near(name: &str, known: &BTreeMap<&str, &str>) -> String {
    let mut by_distance: Vec<_> = known
        .iter()
        .map(|(other, function)| (strsim::damerau_levenshtein(name, other), other, function))
        .collect();
    by_distance.sort_unstable();
    let is_near = |(distance, other, _): &&(usize, &&str, &&str)| *distance <= other.chars().count().div_ceil(3);
    let quoted = |(_, other, function): &(usize, &&str, &&str)| format!("`{other}` (of `{function}`)");
    let meant: Vec<_> = by_distance.iter().filter(is_near).take(3).map(quoted).collect();
    match (meant.is_empty(), by_distance.is_empty()) {
        (false, _) => format!(": did you mean {}?", meant.join(" or ")),
        (true, false) => {
            let some: Vec<_> = by_distance.iter().take(10).map(quoted).collect();
            format!("; there are {}", some.join(", "))
        }
        (true, true) => "; no resource has any".to_owned(),
    }
}

/// What was said once is not said again.
struct Said(Mutex<Option<HashSet<String>>>);

static UNKNOWN: Said = Said(Mutex::new(None));
static OUTSIDE: Said = Said(Mutex::new(None));
static MISMATCHES: Said = Said(Mutex::new(None));

impl Said {
    fn once(&self, what: &str, say: impl FnOnce()) {
        let is_new = {
            let mut said = lock(&self.0);
            let said = said.get_or_insert_default();
            !said.contains(what) && said.insert(what.to_owned())
        };
        if is_new {
            say();
        }
    }
}

/// By which types of keys the functions of a resource are known, as far as they have been called.
static KEYS: Mutex<BTreeMap<&'static str, Vec<KeyType>>> = Mutex::new(BTreeMap::new());

struct KeyType {
    /// As the compiler writes it.
    written: String,
    function: String,
}

/// Notes by which type of key a function of a resource is known.
pub(crate) fn note_key(resource: Resource, key_type: &str, function: &str) {
    let mut keys = lock(&KEYS);
    let of_resource = keys.entry(resource.name()).or_default();
    let written = lent(key_type);
    if of_resource.iter().all(|key| key.written != written) {
        of_resource.push(KeyType {
            written,
            function: function.to_owned(),
        });
    }
}

/// Whether a key of this type is known to be one of the resource's. Says it, once, if it is known to be none.
pub(super) fn is_key_of(resource: Resource, key_type: &str) -> bool {
    let written = lent(key_type);
    let functions = inventory::iter::<AgentFunction>.into_iter();
    let functions = functions.filter(|function| function.resource == resource);
    let mut known = BTreeMap::new();
    // Whether nothing is known of some function before it is called.
    let mut is_all_known = true;
    for function in functions {
        match function.key {
            Some(key) => drop(known.insert(lent(key()), function.name.to_owned())),
            None => is_all_known = false,
        }
    }
    for key in lock(&KEYS).get(resource.name()).into_iter().flatten() {
        known.entry(key.written.clone()).or_insert_with(|| key.function.clone());
    }
    if known.contains_key(&written) {
        return true;
    }
    // If there are no functions at all, that has been said.
    if is_all_known && !known.is_empty() {
        MISMATCHES.once(&format!("{resource}\0{written}"), || {
            let known = known.iter().map(|(key, function)| format!("`{key}` (`{function}`)"));
            let known = known.collect::<Vec<_>>().join(", ");
            log::warn!(
                "`key_fn` makes a key of type `{written}` for the resource `{resource}`, whose functions are keyed by {known}: \
                 all of the resource is evicted instead"
            );
        });
    }
    false
}

const SCOPED: &str = "cache_core::session::Scoped<";

/// A type's name without what borrowing changes: `(&str, Vec<u8>)` and `(String, &[u8])` are one.
fn lent(name: &str) -> String {
    // What is kept by session is keyed by that too.
    let inner = name.strip_prefix(SCOPED).and_then(|rest| rest.strip_suffix('>'));
    let bare = inner.unwrap_or(name).replace("mut ", "");
    let bare: String = bare.chars().filter(|c| *c != '&').collect();
    let bare = bare
        .replace("alloc::string::String", "str")
        .replace("alloc::boxed::Box<str>", "str")
        .replace("alloc::borrow::Cow<str>", "str");
    slices(&bare)
}

/// `Vec<T>` as `[T]`.
fn slices(name: &str) -> String {
    const VEC: &str = "alloc::vec::Vec<";
    let Some(start) = name.find(VEC) else {
        return name.to_owned();
    };
    let inner = &name[start + VEC.len()..];
    let mut depth = 1_usize;
    let end = inner.char_indices().find(|(_, c)| {
        depth = match c {
            '<' => depth + 1,
            '>' => depth - 1,
            _ => depth,
        };
        depth == 0
    });
    let Some((end, _)) = end else {
        return name.to_owned();
    };
    format!(
        "{}[{}]{}",
        &name[..start],
        slices(&inner[..end]),
        slices(&inner[end + 1..])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_borrowing_changes_is_no_other_key() {
        for (owned, borrowed) in [
            (std::any::type_name::<String>(), std::any::type_name::<&str>()),
            (
                std::any::type_name::<(u64, String)>(),
                std::any::type_name::<(&u64, &&str)>(),
            ),
            (
                std::any::type_name::<crate::session::Scoped<String>>(),
                std::any::type_name::<&str>(),
            ),
            (
                std::any::type_name::<Vec<Vec<u8>>>(),
                std::any::type_name::<&[Vec<u8>]>(),
            ),
            (
                std::any::type_name::<Option<String>>(),
                std::any::type_name::<Option<&str>>(),
            ),
        ] {
            assert_eq!(lent(owned), lent(borrowed));
        }
        assert_ne!(lent("u32"), lent("u64"));
    }

    #[test]
    fn near_misses_are_named() {
        let known = BTreeMap::from([("cart", "shop::view_cart"), ("catalogue", "shop::find")]);
        assert_eq!(near("crat", &known), ": did you mean `cart` (of `shop::view_cart`)?");
        assert_eq!(
            near("weather", &known),
            "; there are `cart` (of `shop::view_cart`), `catalogue` (of `shop::find`)"
        );
        assert_eq!(near("cart", &BTreeMap::new()), "; no resource has any");
    }
}
