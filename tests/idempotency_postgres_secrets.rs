//! What can be read of keys and replies by who sees the table, the statements, the logs or the errors: nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/records.rs"]
mod records;

use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use cache_core::idempotency::{
    Backend, Claim, Claimed, IdempotencyError, IdempotencyStore, NoReply, PgBackend, PgBackendError, RecordId, Reply,
    Request, Token,
};
use postgres::server;
use proptest::prelude::*;
use records::{HOUR, OURS, backend, claim, expire, is, run, settled, token};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// What must not be seen, none of which is in a hash by accident.
const SECRETS: [&str; 5] = [
    "tenant-Zanzibar",
    "principal-Yggdrasil",
    "operation-Xylophone",
    "key-Quetzalcoatl",
    "reply-Wolpertinger, 42 pounds",
];

fn record() -> RecordId {
    RecordId::new(SECRETS[0], SECRETS[1], SECRETS[2], SECRETS[3]).unwrap()
}

fn reply() -> Reply {
    Reply::Success(SECRETS[4].into())
}

/// None of the secrets is in this, as it is, in hexadecimal or in Base64, and no part of them of eight characters.
fn assert_tells_nothing(text: &str) {
    let lower = text.to_lowercase();
    for secret in SECRETS {
        let (_, word) = secret.split_once('-').unwrap();
        for part in word.as_bytes().windows(8) {
            let mut hex = String::new();
            for byte in part {
                write!(hex, "{byte:02x}").unwrap();
            }
            let plain = String::from_utf8_lossy(part).to_lowercase();
            assert!(!lower.contains(&plain), "{plain} is in {text}");
            assert!(!lower.contains(&hex), "{plain} is in hexadecimal in {text}");
        }
    }
}

/// All that is traced and logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Line<'a>(&'a mut String);
        impl Visit for Line<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                writeln!(self.0, "{field}: {value:?}").unwrap();
            }
            fn record_str(&mut self, field: &Field, value: &str) {
                writeln!(self.0, "{field}: {value}").unwrap();
            }
        }
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }
}

/// A call that is claimed, settled and replayed, and what else there is.
async fn everything(pool: &PgPool, backend: &PgBackend) {
    assert_eq!(backend.claim(&record(), claim(1)).await.unwrap(), OURS);
    backend.claim(&record(), claim(2)).await.unwrap();
    assert!(backend.renew(&record(), token(1), HOUR, HOUR).await.unwrap());
    assert!(backend.settle(&record(), token(1), &reply(), HOUR).await.unwrap());
    assert_eq!(backend.claim(&record(), claim(2)).await.unwrap(), settled(SECRETS[4]));
    expire(pool).await;
    assert_eq!(backend.claim(&record(), claim(3)).await.unwrap(), OURS);
    assert!(
        backend
            .settle(&record(), token(3), &Reply::Failure(SECRETS[4].into()), HOUR)
            .await
            .unwrap()
    );
    backend.delete_expired(10).await.unwrap();
}

#[tokio::test]
async fn the_table_tells_nothing() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    everything(&pool, &backend).await;
    let rows: String = sqlx::query_scalar("SELECT string_agg(r::text, E'\\n') FROM idempotency_records AS r")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(rows.contains(record().scope()) && rows.contains(record().key()));
    assert_tells_nothing(&rows);
}

#[tokio::test]
async fn what_is_traced_and_what_the_server_logs_tells_nothing() {
    // Of all tests of this program: on one thread alone, what others have found switched off stays so.
    let log = Log::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(log.clone())).unwrap();
    let options = server().new_database().await.options([
        ("log_statement", "all"),
        ("log_min_error_statement", "debug5"),
        ("log_min_messages", "debug1"),
    ]);
    let pool = PgPool::connect_with(options).await.unwrap();
    let backend = backend(&pool).await;
    everything(&pool, &backend).await;
    // The server quotes a row of the table when a constraint refuses it, and a statement that fails.
    run(
        &pool,
        "ALTER TABLE idempotency_records ADD CHECK (outcome IS NULL) NOT VALID",
    )
    .await;
    run(&pool, "DELETE FROM idempotency_records").await;
    backend.claim(&record(), claim(4)).await.unwrap();
    backend.settle(&record(), token(4), &reply(), HOUR).await.unwrap_err();
    let traced = log.text();
    assert!(
        traced.contains("SELECT \"idempotency_records_claim_")
            && traced.contains("SELECT \"idempotency_records_settle_"),
        "{traced}"
    );
    assert!(traced.contains(record().key()));
    assert_tells_nothing(&traced);
    let file = std::env::temp_dir().join(format!("cache-core-postgres-{}/log/log", std::process::id()));
    let logged = std::fs::read_to_string(file).unwrap();
    assert!(logged.contains("SELECT \"idempotency_records_settle_") && logged.contains("Failing row contains"));
    assert!(logged.contains(record().key()));
    assert_tells_nothing(&logged);
}

/// All that an error can be made to say.
fn said(error: &PgBackendError) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, " {error} {error:?}").unwrap();
        source = error.source();
    }
    text
}

#[tokio::test]
async fn errors_show_neither_keys_nor_replies_nor_their_hashes() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    backend.claim(&record(), claim(1)).await.unwrap();
    let sealed_or_hashed = |text: &str| {
        assert_tells_nothing(text);
        assert!(
            !text.contains(record().key()) && !text.contains(record().scope()),
            "{text}"
        );
        assert!(!text.contains("0101010101") && !text.contains("0707070707"), "{text}");
        assert!(!text.contains("SELECT") && !text.contains("INSERT"), "{text}");
    };
    for drift in [
        // What is refused is quoted by the server, in the detail.
        "ALTER TABLE idempotency_records ADD CONSTRAINT running CHECK (outcome IS NULL) NOT VALID",
        "ALTER TABLE idempotency_records DROP CONSTRAINT running; ALTER TABLE idempotency_records ADD more int NOT NULL DEFAULT 0; \
         ALTER TABLE idempotency_records ADD CONSTRAINT more CHECK (outcome IS NULL OR more > 0)",
        "ALTER TABLE idempotency_records DROP CONSTRAINT more; CREATE UNIQUE INDEX one ON idempotency_records (abs(outcome)); \
         INSERT INTO idempotency_records SELECT 'a', 'a', payload, token, lease_until, expires_at, 1, false, '', created_at \
         FROM idempotency_records",
        "DROP INDEX one; ALTER TABLE idempotency_records ALTER reply TYPE varchar(3) USING 'x'",
        "DROP TABLE idempotency_records",
    ] {
        run(&pool, drift).await;
        let error = backend.settle(&record(), token(1), &reply(), HOUR).await.unwrap_err();
        sealed_or_hashed(&said(&error));
    }
    let closed = PgPoolOptions::new()
        .connect_lazy("postgres://ada:Wolpertinger@127.0.0.1:1/none")
        .unwrap();
    closed.close().await;
    let error = PgBackend::new(closed.clone())
        .claim(&record(), claim(1))
        .await
        .unwrap_err();
    sealed_or_hashed(&said(&error));
    assert_tells_nothing(&format!("{:?}", PgBackend::new(closed)));
}

#[tokio::test]
async fn a_reply_that_was_changed_is_unreadable() {
    let pool = server().database().await;
    let backend = backend(&pool).await;
    let settle = async || {
        run(&pool, "TRUNCATE idempotency_records").await;
        backend.claim(&record(), claim(1)).await.unwrap();
        backend.settle(&record(), token(1), &reply(), HOUR).await.unwrap();
    };
    for change in [
        "reply = set_byte(reply, 0, get_byte(reply, 0) # 1)",
        "reply = set_byte(reply, 20, get_byte(reply, 20) # 128)",
        "reply = set_byte(reply, length(reply) - 1, get_byte(reply, length(reply) - 1) # 1)",
        "reply = substr(reply, 1, length(reply) - 1)",
        "reply = reply || '\\x00'",
        "reply = ''",
        "reply = NULL",
        "outcome = 2",
        "outcome = 3",
        "outcome = 99",
        "outcome = -1",
        "token = set_byte(token, 3, 77)",
        "token = ''",
        "payload = ''",
    ] {
        settle().await;
        run(&pool, &format!("UPDATE idempotency_records SET {change}")).await;
        let claimed = backend.claim(&record(), claim(2)).await.unwrap();
        assert_eq!(claimed, Claimed::Unreadable, "{change}");
    }
    // It has run, and does not run again.
    let store = IdempotencyStore::new(backend.clone());
    let request = || Request::new("orders::create").scope("acme", "ada").key("damaged");
    let once = async || store.run(request(), || async { Ok::<_, IdempotencyError>(1) }).await;
    once().await.unwrap();
    run(&pool, "UPDATE idempotency_records SET reply = ''").await;
    let error = once().await.unwrap_err();
    let why = NoReply::Unreadable;
    assert!(
        matches!(error, IdempotencyError::NoReply { why: found, .. } if found == why),
        "{error}"
    );
    assert_eq!(error.has_run(), Some(true));
    // Nor is that of another record, put into its place.
    settle().await;
    let other = records::record("other");
    backend.claim(&other, claim(1)).await.unwrap();
    backend
        .settle(&other, token(1), &records::reply("theirs"), HOUR)
        .await
        .unwrap();
    let theirs = format!(
        "(SELECT reply FROM idempotency_records WHERE scope = '{}')",
        other.scope()
    );
    run(
        &pool,
        &format!(
            "UPDATE idempotency_records SET reply = {theirs} WHERE scope = '{}'",
            record().scope()
        ),
    )
    .await;
    assert_eq!(backend.claim(&record(), claim(2)).await.unwrap(), Claimed::Unreadable);
    assert_eq!(backend.claim(&other, claim(2)).await.unwrap(), settled("theirs"));
}

#[tokio::test]
async fn replies_of_any_bytes_come_back_the_same() {
    let options = server().new_database().await;
    // However the session wants bytes and strings to be written.
    for (output, conforming) in [("hex", "on"), ("escape", "off")] {
        let options = options
            .clone()
            .options([
                ("bytea_output", output),
                ("standard_conforming_strings", conforming),
                ("IntervalStyle", "sql_standard"),
            ])
            .options([
                ("DateStyle", "German"),
                ("TimeZone", "Asia/Kathmandu"),
                ("extra_float_digits", "-15"),
            ]);
        let pool = PgPool::connect_with(options).await.unwrap();
        let backend = backend(&pool).await;
        let noise = (0..1u64 << 20).map(|place| place.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()[0]);
        for reply in [
            Reply::Success(Vec::new()),
            Reply::Success(vec![0]),
            Reply::Success((0..=255).collect()),
            Reply::Success(b"\\x00 \\\\ ' '' $$ \\' -- ; \xff\xfe\xc3\x28".to_vec()),
            Reply::Failure("\u{0}{\"a\": \"\u{1f600}\"}".into()),
            Reply::Success(noise.collect()),
            Reply::Failure(vec![0; 1 << 20]),
            Reply::TooLarge,
            Reply::Unserializable,
        ] {
            run(&pool, "TRUNCATE idempotency_records").await;
            assert_eq!(backend.claim(&record(), claim(1)).await.unwrap(), OURS);
            assert!(backend.settle(&record(), token(1), &reply, HOUR).await.unwrap());
            let expected = cache_core::idempotency::Claimed::Settled {
                payload: [7; 32],
                reply,
            };
            assert!(backend.claim(&record(), claim(2)).await.unwrap() == expected);
            assert!(is(&pool, "count(*) = 1 FROM idempotency_records").await);
        }
    }
}

#[test]
fn any_scope_key_payload_and_reply_can_be_kept() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (pool, backend) = runtime.block_on(async {
        let pool = server().database().await;
        let backend = backend(&pool).await;
        (pool, backend)
    });
    let parts = any::<([String; 4], [u8; 32], [u8; 16], Vec<u8>, bool)>();
    proptest!(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() }, |((words, payload, token, body, fails) in parts)| {
        let [tenant, principal, operation, key] = &words;
        let Ok(record) = RecordId::new(tenant, principal, operation, key) else {
            return Ok(());
        };
        let (token, reply) = (Token::from_bytes(token), if fails { Reply::Failure(body) } else { Reply::Success(body) });
        runtime.block_on(async {
            run(&pool, "TRUNCATE idempotency_records").await;
            let wanted = Claim { token, payload, ..claim(0) };
            assert_eq!(backend.claim(&record, wanted).await.unwrap(), OURS);
            assert!(backend.settle(&record, token, &reply, HOUR).await.unwrap());
            assert_eq!(backend.claim(&record, claim(2)).await.unwrap(), Claimed::Settled { payload, reply });
        });
    });
}
