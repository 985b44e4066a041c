//! A proxy in front of a Postgres server: counts what clients send, cuts connections, or lets them go silent.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "for tests, each of which uses a part of it"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What is done with the bytes of a connection.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Forward,
    /// Both ends think that it is alive.
    Swallow,
    Cut,
}

pub struct Proxy {
    port: u16,
    queries: Arc<AtomicU64>,
    syncs: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    fate: watch::Sender<(u64, Fate)>,
}

impl Proxy {
    /// In front of the server that these options name.
    pub async fn start(server: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            queries: Arc::default(),
            syncs: Arc::default(),
            connections: Arc::default(),
            fate: watch::Sender::new((0, Fate::Forward)),
        };
        let (host, port) = (server.get_host().to_owned(), server.get_port());
        let counters = (Arc::clone(&proxy.queries), Arc::clone(&proxy.syncs));
        let (connections, fate) = (Arc::clone(&proxy.connections), proxy.fate.subscribe());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::SeqCst);
                // A server that is away is a connection that is cut.
                let Ok(server) = TcpStream::connect((host.as_str(), port)).await else {
                    continue;
                };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                let counters = Some(counters.clone());
                tokio::spawn(copy(from_client, to_server, number, fate.clone(), counters));
                tokio::spawn(copy(from_server, to_client, number, fate.clone(), None));
            }
        });
        proxy
    }

    /// How to connect through it.
    pub fn options(&self, server: &PgConnectOptions) -> PgConnectOptions {
        // Messages could not be told apart in what is encrypted.
        server
            .clone()
            .host("127.0.0.1")
            .port(self.port)
            .ssl_mode(PgSslMode::Disable)
    }

    /// How many messages of the simple protocol clients have sent, each of which is a round trip.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::SeqCst)
    }

    /// How many round trips clients have asked for in the extended protocol, or to see whether a connection is alive.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }

    /// How many connections there were.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }

    /// Cuts the connections there are.
    pub fn cut(&self) {
        self.fate.send_replace((self.connections(), Fate::Cut));
    }

    /// From now on nothing of what is sent over the connections there are arrives.
    pub fn swallow(&self) {
        self.fate.send_replace((self.connections(), Fate::Swallow));
    }
}

type Counters = (Arc<AtomicU64>, Arc<AtomicU64>);

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    number: u64,
    mut fate: watch::Receiver<(u64, Fate)>,
    counters: Option<Counters>,
) {
    let mut messages = Messages::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let (before, what) = *fate.borrow_and_update();
        let what = if number < before { what } else { Fate::Forward };
        if what == Fate::Cut {
            return;
        }
        tokio::select! {
            _ = fate.changed() => {}
            read = from.read(&mut buffer) => {
                let Ok(len @ 1..) = read else { return };
                if what == Fate::Swallow {
                    continue;
                }
                if let Some((queries, syncs)) = &counters {
                    messages.count(&buffer[..len], queries, syncs);
                }
                if to.write_all(&buffer[..len]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Finds the messages in what a client sends.
#[derive(Default)]
struct Messages {
    pending: Vec<u8>,
    started: bool,
}

impl Messages {
    fn count(&mut self, bytes: &[u8], queries: &AtomicU64, syncs: &AtomicU64) {
        self.pending.extend_from_slice(bytes);
        loop {
            // The first message has no letter.
            let letters = usize::from(self.started);
            let Some(len) = self.pending.get(letters..letters + 4) else {
                return;
            };
            let len = letters + u32::from_be_bytes(len.try_into().unwrap()) as usize;
            if self.pending.len() < len {
                return;
            }
            match (self.started, self.pending[0]) {
                (true, b'Q') => queries.fetch_add(1, Ordering::SeqCst),
                (true, b'S') => syncs.fetch_add(1, Ordering::SeqCst),
                _ => 0,
            };
            self.started = true;
            self.pending.drain(..len);
        }
    }
}
