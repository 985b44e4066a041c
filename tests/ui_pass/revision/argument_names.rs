use cache_core::cached_revision;

#[cached_revision(revision = key + given + looked + question + asked + read + kind + u64::from(is_forced) + _x, unbounded)]
async fn numbers(
    key: u64,
    given: u64,
    looked: u64,
    question: u64,
    asked: u64,
    read: u64,
    kind: u64,
    is_forced: bool,
    _x: u64,
) -> u64 {
    key + given + looked + question + asked + read + kind + u64::from(is_forced) + _x
}

#[cached_revision(revision = (key.len(), given.len(), looked.len(), question.len(), asked, read.len(), kind.len()), on_change = "stale")]
async fn texts(
    key: &str,
    given: String,
    looked: Option<&str>,
    question: &[u8],
    asked: bool,
    read: Vec<u8>,
    kind: &String,
) -> usize {
    key.len() + given.len() + looked.map_or(0, str::len) + question.len() + usize::from(asked) + read.len() + kind.len()
}

trait Len {
    fn len(&self) -> usize;
}

impl Len for Option<&str> {
    fn len(&self) -> usize {
        self.map_or(0, str::len)
    }
}

#[cached_revision(revision = told, on_change = "stale", skip(told))]
async fn words(told: u64, cache: u64, load: u64, this: u64, task: u64, lookup: u64, force: u64) -> u64 {
    told + cache + load + this + task + lookup + force
}

// What looks like an argument is a method of another.
#[cached_revision(revision = db.revision())]
async fn method(db: &Db, revision: String) -> usize {
    let _ = db;
    revision.len()
}

struct Db;

impl Db {
    fn revision(&self) -> u64 {
        1
    }
}

#[cached_revision(revision = vec![*a, b.len() as u64], skip(mutable))]
async fn patterns(Pair(a, b): Pair, [c, d]: [u64; 2], mut mutable: u64) -> u64 {
    mutable += a + b.len() as u64 + c + d;
    mutable
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Pair(u64, String);

#[cached_revision(revision = r#type, on_change = "stale", skip(r#type))]
async fn r#match(r#type: String, r#in: u64, mut count: u64) -> u64 {
    count += r#in + r#type.len() as u64;
    count
}

#[cached_revision(revision = cache_core, skip(cache_core, std))]
async fn crates(cache_core: u64, std: u64, core: u64) -> u64 {
    cache_core + std + core
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(numbers(1, 2, 3, 4, 5, 6, 7, true, 8).await, 37);
        assert_eq!(texts("a", "b".to_owned(), Some("c"), &[1], true, vec![1], &"d".to_owned()).await, 7);
        assert_eq!(words(1, 2, 3, 4, 5, 6, 7).await, 28);
        assert_eq!((method(&Db, "a".to_owned()).await, method::lookup(&Db, "a".to_owned()).await.value), (1, 1));
        assert_eq!(patterns(Pair(1, "a".to_owned()), [2, 3], 4).await, 11);
        assert_eq!((r#match("a".to_owned(), 1, 2).await, r#match::force("a".to_owned(), 1, 2).await), (4, 4));
        assert_eq!(crates(1, 2, 3).await, 6);
    });
}
