//! Workers in one process, which share records and ledger.

use std::error::Error;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cache_core::idempotency::{IdempotencyError, IdempotencyStore, MemoryBackend, OnAbandoned, Outcome};
use cache_core::idempotent;
use tokio::runtime::{Builder, Runtime};

use crate::ledger::{self, Entry};
use crate::{Death, Order, PayError, Receipt, doomed, orders, told};

/// How long a worker may be silent. Short, because some here are for good.
const LEASE: Duration = Duration::from_millis(200);

/// What all workers share.
#[derive(Clone, Default)]
struct Shop {
    records: MemoryBackend,
    entries: Arc<Mutex<Vec<Entry>>>,
    receipts: Arc<AtomicI64>,
}

impl Shop {
    fn book(&self, order: &Order) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.extend(ledger::payment(order));
    }

    fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What one worker has.
#[derive(Clone)]
struct Worker {
    replay: IdempotencyStore<MemoryBackend>,
    shop: Shop,
    /// Told when the worker is about to die.
    dying: Option<(Death, Sender<()>)>,
}

impl Worker {
    fn new(shop: &Shop, on_abandoned: OnAbandoned) -> Result<Self, IdempotencyError> {
        let store = IdempotencyStore::builder(shop.records.clone())
            .lease(LEASE)
            .on_abandoned(on_abandoned);
        Ok(Self {
            replay: store.build()?,
            shop: shop.clone(),
            dying: None,
        })
    }

    async fn dies(&self, when: Death) {
        if let Some((death, dying)) = &self.dying
            && *death == when
        {
            let _ = dying.send(());
            // Nothing comes after this: the runtime is shut down.
            std::future::pending::<()>().await;
        }
    }
}

/// Runs once for each key.
#[idempotent(store = worker.replay, key = order.key, scope = ("shop", order.customer), payload = order, name = "orders::pay")]
async fn pay(worker: &Worker, order: Order) -> Result<Receipt, PayError> {
    worker.dies(Death::BeforeItPays).await;
    let number = worker.shop.receipts.fetch_add(1, Ordering::SeqCst) + 1;
    worker.shop.book(&order);
    worker.dies(Death::AfterItPaid).await;
    Ok(Receipt {
        number,
        cents: order.cents,
    })
}

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let shop = Shop::default();
    let workers: Vec<(char, Worker, Runtime)> = ['A', 'B', 'C']
        .into_iter()
        .map(|name| Ok((name, Worker::new(&shop, OnAbandoned::Refuse)?, runtime()?)))
        .collect::<Result<_, Box<dyn Error>>>()?;

    println!("Three workers in memory. Each order is sent four times, all at once:");
    let sent: Vec<_> = orders()
        .into_iter()
        .map(|order| {
            let attempts: Vec<_> = (0..4)
                .map(|attempt| {
                    let (name, worker, runtime) = &workers[attempt % workers.len()];
                    let (worker, order) = (worker.clone(), order.clone());
                    (*name, runtime.spawn(async move { pay::outcome(&worker, order).await }))
                })
                .collect();
            (order.key, attempts)
        })
        .collect();
    let main = runtime()?;
    for (key, attempts) in sent {
        let mut told_by = Vec::new();
        for (name, attempt) in attempts {
            told_by.push(format!("{name} {}", told(&main.block_on(attempt)?)));
        }
        println!("  {key:<9} {}", told_by.join("; "));
    }

    let (_, worker, _) = &workers[0];
    let other = Order {
        cents: 1,
        ..orders().remove(0)
    };
    let refused = main.block_on(pay::outcome(worker, other));
    println!("\nThe first key with another amount: {}.", told(&refused));

    for death in [Death::BeforeItPays, Death::AfterItPaid] {
        let order = doomed(death);
        die(&shop, death, &order)?;
        println!("\nA worker died, {} for {}:", when(death), order.key);
        let told_again = main.block_on(repeat(worker, &order));
        println!("  a repeat is {}", told(&told_again));
        let is_paid = shop
            .entries
            .lock()
            .is_ok_and(|entries| entries.iter().any(|entry| entry.order == order.key));
        if is_paid {
            println!("  it stands in the ledger, so it stays as it is");
        } else {
            let again = Worker::new(&shop, OnAbandoned::Rerun)?;
            let outcome = main.block_on(repeat(&again, &order));
            println!(
                "  it does not stand in the ledger, so it runs again: {}",
                told(&outcome)
            );
        }
    }

    let stats = pay::stats();
    println!(
        "\n{} ran, {} replayed, {} waited for another, {} met a dead worker's claim, {} with another amount.",
        stats.fresh, stats.replayed, stats.waits, stats.abandoned, stats.conflicts
    );
    let mut all = orders();
    all.extend([doomed(Death::BeforeItPays), doomed(Death::AfterItPaid)]);
    Ok(ledger::check(&shop.entries(), &all)?)
}

/// A worker takes this order and dies.
fn die(shop: &Shop, death: Death, order: &Order) -> Result<(), Box<dyn Error>> {
    let (dying, is_dying): (_, Receiver<()>) = channel();
    let worker = Worker {
        dying: Some((death, dying)),
        ..Worker::new(shop, OnAbandoned::Refuse)?
    };
    let runtime = runtime()?;
    let order = order.clone();
    runtime.spawn(async move { pay(&worker, order).await });
    is_dying.recv()?;
    // Everything that it ran is dropped where it stands.
    runtime.shutdown_background();
    Ok(())
}

/// Sends an order until it is not in progress any more: its worker's lease has to end first.
async fn repeat(worker: &Worker, order: &Order) -> Result<Outcome<Receipt>, PayError> {
    loop {
        match pay::outcome(worker, order.clone()).await {
            Err(PayError::Idempotency(IdempotencyError::InProgress { retry_after, .. })) => {
                tokio::time::sleep(retry_after).await;
            }
            told => return told,
        }
    }
}

fn when(death: Death) -> &'static str {
    match death {
        Death::BeforeItPays => "before it had paid",
        Death::AfterItPaid => "after it had paid",
    }
}

fn runtime() -> Result<Runtime, std::io::Error> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}
