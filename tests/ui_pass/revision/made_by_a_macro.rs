use cache_core::cached_revision;

macro_rules! section {
    ($name:ident, $revision:expr, $on_change:literal, $argument:ident: $type:ty => $returns:ty) => {
        #[cached_revision(revision = $revision, on_change = $on_change, max_stale = "5m")]
        async fn $name($argument: $type) -> $returns {
            Ok($argument.to_string())
        }
    };
}

section!(of_number, 1, "stale", id: u64 => Result<String, String>);
section!(of_text, async { Ok::<_, std::fmt::Error>("v1") }, "reload", name: &str => Result<String, std::fmt::Error>);

macro_rules! of_source {
    ($name:ident, $db:ident) => {
        #[cached_revision(revision = $db.0, on_change = "stale")]
        async fn $name($db: &Db, id: u64) -> u64 {
            $db.0 + id
        }
    };
}

#[derive(Clone)]
struct Db(u64);

of_source!(get, db);

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!((of_number(1).await.unwrap(), of_text("a").await.unwrap()), ("1".to_owned(), "a".to_owned()));
        assert_eq!((get(&Db(1), 1).await, get::lookup(&Db(1), 1).await.value), (2, 2));
    });
}
