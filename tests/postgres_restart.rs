//! The server crashes in the middle: what was committed is counted, and whoever asks goes on asking.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "support/postgres.rs"]
mod postgres;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use cache_core::postgres::{Listen, Revisions, RevisionsError, TableRevisions};
use futures::future::join_all;
use postgres::server;
use sqlx::postgres::PgPoolOptions;

fn commits(revision: &TableRevisions) -> i64 {
    revision.to_string().split_once('@').unwrap().1.parse().unwrap()
}

/// The one test of this program, since it takes the server away from all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loses_no_commit_and_no_reader() {
    let options = server().new_database().await;
    let pool = PgPoolOptions::new()
        .max_connections(16)
        .connect_with(options)
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE topics (id bigint GENERATED ALWAYS AS IDENTITY)")
        .execute(&pool)
        .await
        .unwrap();
    let asking = Revisions::builder()
        .notify(true)
        .install(&pool, &["topics"])
        .await
        .unwrap();
    let pushed = asking.listen(Listen::new()).unwrap();
    let (acknowledged, failed) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let done = Arc::new(AtomicBool::new(false));

    let writers = (0..4).map(|_| {
        let (pool, done) = (pool.clone(), Arc::clone(&done));
        let (acknowledged, failed) = (Arc::clone(&acknowledged), Arc::clone(&failed));
        tokio::spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let counter = match sqlx::query("INSERT INTO topics DEFAULT VALUES").execute(&pool).await {
                    Ok(_) => &acknowledged,
                    Err(_) => &failed,
                };
                counter.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let readers = [asking.clone(), pushed.clone()].map(|revisions| {
        let (done, acknowledged) = (Arc::clone(&done), Arc::clone(&acknowledged));
        tokio::spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let before = acknowledged.load(Ordering::SeqCst);
                match revisions.revision(&["topics"]).await {
                    // Only who asks is as new as that.
                    Ok(revision) if revisions.listening().is_none() => {
                        assert!(commits(&revision) >= before, "{revision} after {before} commits");
                    }
                    Ok(_) | Err(RevisionsError::Database(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });

    for crash in 1..=3 {
        let before = acknowledged.load(Ordering::SeqCst);
        while acknowledged.load(Ordering::SeqCst) < before + 50 {
            tokio::task::yield_now().await;
        }
        tokio::task::spawn_blocking(|| server().crash()).await.unwrap();
        while failed.load(Ordering::SeqCst) < crash {
            tokio::task::yield_now().await;
        }
    }
    let before = acknowledged.load(Ordering::SeqCst);
    while acknowledged.load(Ordering::SeqCst) < before + 50 {
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::SeqCst);
    for task in join_all(writers.into_iter().chain(readers)).await {
        task.unwrap();
    }

    let asked = asking.revision(&["topics"]).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM topics")
        .fetch_one(&pool)
        .await
        .unwrap();
    // Each transaction inserted one row; some of those that failed were committed all the same.
    assert_eq!(commits(&asked), rows);
    assert!(rows >= acknowledged.load(Ordering::SeqCst));
    while !pushed.listening().unwrap().is_current || pushed.listening().unwrap().in_memory == 0 {
        assert_eq!(pushed.revision(&["topics"]).await.unwrap(), asked);
    }
    assert_eq!(pushed.revision(&["topics"]).await.unwrap(), asked);
    assert!(pushed.listening().unwrap().connections >= 2);
}
