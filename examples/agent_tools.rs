//! Two agents at the tools of one shop: what a cache of tool results saves, and what each change evicts.
//!
//! The tools read and change a catalogue, which all conversations share, and a cart that each conversation has of its own,
//! both in an `SQLite` database. The model is a script, so that nothing leaves the machine; the loop around it is that of any
//! agent: the model names tools with arguments as text, the loop runs them and hands the results back. Every call is printed
//! with what the caches did: `hit`, `miss`, or what it evicted. An answer that differs from the database ends the run.
//!
//! `cargo run --release --example agent_tools`
#![allow(clippy::print_stdout, reason = "an example prints")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cache_core::observer::{self, AnyEvent, Cause};
use cache_core::session::{self, SessionId};
use cache_core::{Resource, agent_cached, agent_invalidates, registry};
use sqlx::SqlitePool;
use sqlx::sqlite::SqlitePoolOptions;

type Error = Box<dyn std::error::Error + Send + Sync>;

// ---- The shop ----------------------------------------------------------------------------------------------------

/// A name in one place, so that the compiler finds a typo in it.
const CATALOGUE: Resource = Resource::new("catalogue");
const CART: Resource = Resource::new("cart");

struct Shop {
    db: SqlitePool,
    queries: AtomicU64,
}

impl Shop {
    /// The database; counts how often it is asked.
    fn db(&self) -> &SqlitePool {
        self.queries.fetch_add(1, Ordering::Relaxed);
        &self.db
    }
}

// ---- The tools that read -----------------------------------------------------------------------------------------

/// The same for every conversation: kept once.
#[agent_cached(resource = CATALOGUE, ttl = "10m", skip(shop))]
async fn search_products(shop: &Shop, words: &str) -> Result<String, sqlx::Error> {
    let found: Vec<(String, i64)> =
        sqlx::query_as("SELECT sku, cents FROM products WHERE name LIKE '%' || ? || '%' ORDER BY cents")
            .bind(words)
            .fetch_all(shop.db())
            .await?;
    Ok(listed(
        found.iter().map(|(sku, cents)| format!("{sku} at {}", euros(*cents))),
    ))
}

#[agent_cached(resource = CATALOGUE, ttl = "10m", skip(shop))]
async fn get_product(shop: &Shop, sku: &str) -> Result<String, sqlx::Error> {
    let (name, cents, stock): (String, i64, i64) =
        sqlx::query_as("SELECT name, cents, stock FROM products WHERE sku = ?")
            .bind(sku)
            .fetch_one(shop.db())
            .await?;
    Ok(format!("{name}, {}, {stock} in stock", euros(cents)))
}

/// Another one for each conversation: kept by session, and seen by no other.
#[agent_cached(resource = CART, scope = "session", skip(shop))]
async fn view_cart(shop: &Shop) -> Result<String, sqlx::Error> {
    let items: Vec<(String, i64)> = sqlx::query_as("SELECT sku, quantity FROM carts WHERE session = ? ORDER BY sku")
        .bind(this_session())
        .fetch_all(shop.db())
        .await?;
    Ok(listed(
        items.iter().map(|(sku, quantity)| format!("{quantity} × {sku}")),
    ))
}

#[agent_cached(resource = CART, scope = "session", skip(shop))]
async fn quote_shipping(shop: &Shop, country: &str) -> Result<String, sqlx::Error> {
    let (items,): (i64,) = sqlx::query_as("SELECT coalesce(sum(quantity), 0) FROM carts WHERE session = ?")
        .bind(this_session())
        .fetch_one(shop.db())
        .await?;
    let base = if country == "IS" { 900 } else { 400 };
    Ok(format!("{} to {country}", euros(base + 100 * items)))
}

// ---- The tools that change ---------------------------------------------------------------------------------------

/// Evicts what this conversation has of the cart, and nothing else.
#[agent_invalidates(resource = CART, scope = "session")]
async fn add_to_cart(shop: &Shop, sku: &str, quantity: i64) -> Result<String, sqlx::Error> {
    sqlx::query(
        "INSERT INTO carts (session, sku, quantity) VALUES (?, ?, ?)
         ON CONFLICT (session, sku) DO UPDATE SET quantity = quantity + excluded.quantity",
    )
    .bind(this_session())
    .bind(sku)
    .bind(quantity)
    .execute(shop.db())
    .await?;
    Ok(format!("added {quantity} × {sku}"))
}

/// Changes the stock, which everybody sees, and empties the cart of this conversation.
#[agent_invalidates(resource = CATALOGUE)]
#[agent_invalidates(resource = CART, scope = "session")]
async fn check_out(shop: &Shop) -> Result<String, sqlx::Error> {
    let session = this_session();
    let mut transaction = shop.db().begin_with("BEGIN IMMEDIATE").await?;
    // A row of `products` may not have less than none: then this fails, and nothing has changed.
    sqlx::query(
        "UPDATE products SET stock = stock - carts.quantity FROM carts
         WHERE carts.sku = products.sku AND carts.session = ?",
    )
    .bind(&session)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("DELETE FROM carts WHERE session = ?")
        .bind(&session)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok("ordered".to_owned())
}

/// Where the database has to know whose cart it is.
fn this_session() -> String {
    session::current().map_or_else(String::new, |id| id.to_string())
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() {
        "nothing".to_owned()
    } else {
        items.join(", ")
    }
}

fn euros(cents: i64) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}

// ---- The agent ---------------------------------------------------------------------------------------------------

/// What a model answers with: what it says, and the tools it wants to have run.
struct Turn {
    session: &'static str,
    says: &'static str,
    calls: &'static [&'static str],
}

/// What the model of each conversation says in turn. It looks twice at what it knows already, as models do.
const SCRIPT: &[Turn] = &[
    Turn {
        session: "ada",
        says: "Let me see which teas there are.",
        calls: &["search_products tea", "get_product sencha", "get_product assam"],
    },
    Turn {
        session: "bob",
        says: "I look for tea.",
        calls: &["search_products tea", "get_product sencha", "view_cart"],
    },
    Turn {
        session: "ada",
        says: "The sencha, then.",
        calls: &["view_cart", "add_to_cart sencha 2", "view_cart", "quote_shipping IS"],
    },
    Turn {
        session: "ada",
        says: "Once more, to be sure.",
        calls: &["view_cart", "quote_shipping IS", "get_product sencha"],
    },
    Turn {
        session: "bob",
        says: "Mine is still empty, and the sencha still there?",
        calls: &["view_cart", "get_product sencha"],
    },
    Turn {
        session: "bob",
        says: "All five of them.",
        calls: &["add_to_cart sencha 5", "view_cart"],
    },
    Turn {
        session: "ada",
        says: "I order.",
        calls: &["check_out", "get_product sencha", "view_cart"],
    },
    Turn {
        session: "bob",
        says: "I order as well. That fails: three are left. What is cached was evicted all the same.",
        calls: &["check_out", "get_product sencha", "search_products tea", "view_cart"],
    },
    Turn {
        session: "bob",
        says: "Then I let it be.",
        calls: &["view_cart", "get_product sencha"],
    },
];

/// What happened in any cache since it was last asked.
#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<(String, Cause)>>>);

impl Journal {
    fn note(&self, event: &AnyEvent) {
        // `agent_tools::view_cart`
        let name = event.cache().rsplit("::").next().unwrap_or_default().to_owned();
        let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.push((name, event.cause()));
    }

    /// As a word: who evicted nothing and loaded nothing has hit.
    fn told(&self, tool: &str) -> String {
        let events = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if ["add_to_cart", "check_out"].contains(&tool) {
            let mut evicted = BTreeMap::<_, u32>::new();
            for (name, _) in events
                .iter()
                .filter(|(_, cause)| matches!(cause, Cause::Invalidated(_)))
            {
                *evicted.entry(name).or_default() += 1;
            }
            let evicted = listed(evicted.iter().map(|(name, count)| match count {
                1 => (*name).clone(),
                count => format!("{count} × {name}"),
            }));
            return format!("evicted {evicted}");
        }
        if events.is_empty() { "hit" } else { "miss" }.to_owned()
    }
}

/// Runs one call of a tool, as the model wrote it.
async fn call_tool(shop: &Shop, call: &str) -> Result<String, Error> {
    let words: Vec<&str> = call.split(' ').collect();
    Ok(match words[..] {
        ["search_products", words] => search_products(shop, words).await?,
        ["get_product", sku] => get_product(shop, sku).await?,
        ["view_cart"] => view_cart(shop).await?,
        ["quote_shipping", country] => quote_shipping(shop, country).await?,
        ["add_to_cart", sku, quantity] => add_to_cart(shop, sku, quantity.parse()?).await?,
        ["check_out"] => check_out(shop).await?,
        _ => return Err(format!("there is no tool for `{call}`").into()),
    })
}

/// The same past the caches, for the check.
async fn read_past_cache(shop: &Shop, call: &str) -> Result<Option<String>, Error> {
    let words: Vec<&str> = call.split(' ').collect();
    Ok(Some(match words[..] {
        ["search_products", words] => search_products::uncached(shop, words).await?,
        ["get_product", sku] => get_product::uncached(shop, sku).await?,
        ["view_cart"] => view_cart::uncached(shop).await?,
        ["quote_shipping", country] => quote_shipping::uncached(shop, country).await?,
        _ => return Ok(None),
    }))
}

/// The loop: the model speaks, its tools run in its session, their results go back to it.
async fn run(shop: &Shop, journal: &Journal) -> Result<u32, Error> {
    let mut calls = 0;
    for turn in SCRIPT {
        println!("\n{}: {}", turn.session, turn.says);
        session::scope(turn.session, async {
            for call in turn.calls {
                calls += 1;
                let result = call_tool(shop, call).await;
                let tool = call.split(' ').next().unwrap_or_default();
                let happened = journal.told(tool);
                let shown = result
                    .as_ref()
                    .map_or_else(|error| format!("failed: {error}"), Clone::clone);
                println!("  {call:<22} {happened:<62} {shown}");

                let before = shop.queries.load(Ordering::Relaxed);
                if let (Ok(Some(fresh)), Ok(result)) = (read_past_cache(shop, call).await, result)
                    && fresh != result
                {
                    return Err(format!("`{call}` was answered with `{result}`, and is `{fresh}`").into());
                }
                shop.queries.store(before, Ordering::Relaxed);
            }
            Ok::<_, Error>(())
        })
        .await?;
    }
    Ok(calls)
}

async fn open() -> Result<Shop, sqlx::Error> {
    // In memory, so that the database is its one connection, which must not be closed.
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None);
    let db = pool.connect("sqlite::memory:").await?;
    sqlx::raw_sql(
        "CREATE TABLE products (sku TEXT PRIMARY KEY, name TEXT NOT NULL, cents INTEGER NOT NULL,
                                stock INTEGER NOT NULL CHECK (stock >= 0));
         CREATE TABLE carts (session TEXT, sku TEXT REFERENCES products, quantity INTEGER NOT NULL,
                             PRIMARY KEY (session, sku));
         INSERT INTO products VALUES ('sencha', 'Sencha, green tea', 1290, 5), ('assam', 'Assam, black tea', 890, 40),
                                     ('mug', 'Mug', 1500, 3);",
    )
    .execute(&db)
    .await?;
    Ok(Shop {
        db,
        queries: AtomicU64::new(0),
    })
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let shop = open().await?;

    // Hears of every change of every cache of the process, until it is dropped.
    let journal = Journal::default();
    let _subscription = observer::observe({
        let journal = journal.clone();
        move |event: &AnyEvent| journal.note(event)
    });

    let calls = run(&shop, &journal).await?;

    println!(
        "\n{:<32} {:>5} {:>5} {:>5} {:>8}",
        "", "calls", "ran", "saved", "evicted"
    );
    let (mut reads, mut saved) = (0, 0);
    for cache in registry::caches() {
        let stats = cache.stats();
        let calls = stats.hits + stats.misses;
        println!(
            "{:<32} {calls:>5} {:>5} {:>5} {:>8}",
            cache.name(),
            stats.loads,
            stats.hits,
            stats.invalidations
        );
        reads += calls;
        saved += stats.hits;
    }
    for name in ["ada", "bob"] {
        let dropped = session::end(SessionId::new(name)).await;
        println!("the session of {name} ends, and with it what was kept for it alone: {dropped}");
    }
    println!(
        "{calls} tool calls, of which {reads} read: {saved} of those were answered from a cache. The database was asked {} \
         times, and every answer was what it would have said.",
        shop.queries.load(Ordering::Relaxed)
    );
    Ok(())
}
