use cache_core::cached_lru;

struct Db<'a>(&'a str);

#[cached_lru(skip(db))]
async fn get<'a, 'b: 'a>(db: &'a Db<'b>, id: &'b str) -> String {
    format!("{}{id}", db.0)
}

pub fn main() {
    futures::executor::block_on(async {
        assert_eq!(get(&Db("x"), "y").await, "xy");
        assert_eq!(get::peek("y").as_deref(), Some("xy"));
    });
}
