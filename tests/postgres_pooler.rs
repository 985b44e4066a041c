//! Behind `PgBouncer` in transaction mode, where nothing that belongs to a session can be relied on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use cache_core::postgres::{Listen, Revisions};
use futures::future::join_all;
use postgres::server;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

struct Pooler(Child);

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `PgBouncer` in front of a database, with fewer connections than there are clients.
fn pooler(database: &PgConnectOptions) -> (Pooler, PgConnectOptions) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let name = database.get_database().unwrap();
    let users = std::env::temp_dir().join(format!("cache-core-pooler-{}", std::process::id()));
    let file = users.with_extension("ini");
    fs::write(&users, "\"postgres\" \"\"\n").unwrap();
    fs::write(
        &file,
        format!(
            "[databases]\n{name} = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             auth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\nunix_socket_dir =\n\
             ignore_startup_parameters = extra_float_digits\n",
            database.get_port(),
            users.display(),
        ),
    )
    .unwrap();
    let mut command = Command::new("pgbouncer");
    // It refuses to run as root.
    let root = Command::new("id")
        .arg("-u")
        .output()
        .unwrap()
        .stdout
        .starts_with(b"0\n");
    if root {
        command.args(["-u", "postgres"]);
    }
    let mut child = command
        .arg(&file)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("no PgBouncer was found on the PATH: install it, as scripts/test does, by `apt-get install pgbouncer`");
    let log = BufReader::new(child.stderr.take().unwrap());
    let pooler = Pooler(child);
    let mut lines = log.lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("process up")), "pgbouncer did not start");
    // It would wait if nobody read on.
    std::thread::spawn(move || lines.for_each(drop));
    for file in [file, users] {
        fs::remove_file(file).unwrap();
    }
    (pooler, database.clone().port(port))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_in_transaction_mode_makes_no_difference() {
    let direct = server().new_database().await;
    let (_pooler, pooled) = pooler(&direct);
    let pool = PgPoolOptions::new()
        .max_connections(12)
        .connect_with(pooled)
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE a (id int PRIMARY KEY, n int); CREATE TABLE b (id int); INSERT INTO a SELECT n, 0 FROM generate_series(1, 12) n")
        .execute(&pool)
        .await
        .unwrap();
    for installed in join_all((0..8).map(|_| Revisions::builder().notify(true).install(&pool, &["a", "b"]))).await {
        installed.unwrap();
    }
    let asking = Revisions::new(pool.clone());
    let pushed = asking.listen(Listen::new().connection(direct)).unwrap();
    let tasks = (1..=12).map(|id| {
        let (pool, asking, pushed) = (pool.clone(), asking.clone(), pushed.clone());
        tokio::spawn(async move {
            for n in 0..100 {
                let before = asking.revision(&["a", "b"]).await.unwrap();
                let update = sqlx::query("UPDATE a SET n = $1 WHERE id = $2")
                    .bind(n)
                    .bind(id)
                    .persistent(false);
                let mut transaction = pool.begin().await.unwrap();
                update.execute(&mut *transaction).await.unwrap();
                transaction.commit().await.unwrap();
                assert_ne!(asking.revision(&["a", "b"]).await.unwrap(), before);
                pushed.revision(&["a", "b"]).await.unwrap();
            }
        })
    });
    for task in join_all(tasks.collect::<Vec<_>>()).await {
        task.unwrap();
    }
    let asked = asking.revision(&["a", "b"]).await.unwrap();
    assert_eq!(asked.to_string(), "a@1200 b@0");
    // The last notification may still be on its way.
    while pushed.listening().unwrap().in_memory < 2 || pushed.revision(&["a", "b"]).await.unwrap() != asked {
        tokio::task::yield_now().await;
    }
    Revisions::uninstall(&pool).await.unwrap();
}
