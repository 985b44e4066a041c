//! A proxy that takes a connection for what it is: turns, in each of which the client sends something and the server answers. It can stop
//! at one of them, before the server has heard of it or when it has answered and the client has not heard of that.

use std::io;
use std::sync::{Arc, Mutex};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::PATIENCE;

/// On which side of the server's work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum When {
    /// The server has not heard of it.
    Before,
    /// The server has done it, and its answer is held back.
    After,
}

/// Which turn it stops at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Of those that are listed, from 0.
    Listed(usize),
    /// The first of this name. Heartbeats come when they come, and are not listed.
    Of(&'static str),
}

pub type Stop = (Turn, When);

/// What becomes of a connection that was stopped.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Held,
    Forward,
    Cut,
}

pub const HEARTBEAT: &str = "heartbeat";
pub const SETTLE: &str = "the settle";
pub const IS_ALIVE: &str = "the pool's ping";

pub struct Gate {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    stop: Option<Stop>,
    turns: Mutex<Vec<String>>,
    has_stopped: watch::Sender<bool>,
    /// How many connections are open.
    open: watch::Sender<usize>,
    fate: watch::Sender<Fate>,
}

impl Gate {
    pub async fn open(server: &PgConnectOptions, stop: Option<Stop>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            stop,
            turns: Mutex::default(),
            has_stopped: watch::Sender::new(false),
            open: watch::Sender::new(0),
            fate: watch::Sender::new(Fate::Held),
        });
        let (host, server) = (server.get_host().to_owned(), server.get_port());
        tokio::spawn({
            let shared = Arc::clone(&shared);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    // A server that is away is a connection that is cut.
                    let Ok(server) = TcpStream::connect((host.as_str(), server)).await else {
                        continue;
                    };
                    let shared = Arc::clone(&shared);
                    shared.open.send_modify(|open| *open += 1);
                    tokio::spawn(async move {
                        // However it ends, both ends are closed.
                        let _ = shared.pass(client, server).await;
                        shared.open.send_modify(|open| *open -= 1);
                    });
                }
            }
        });
        Self { port, shared }
    }

    /// How to connect through it.
    pub fn options(&self, server: &PgConnectOptions) -> PgConnectOptions {
        server.clone().host("127.0.0.1").port(self.port)
    }

    /// What was sent so far, in words.
    pub fn turns(&self) -> Vec<String> {
        self.shared.turns.lock().unwrap().clone()
    }

    /// Waits until its last connection is closed, so that nothing is on the way that a client has sent who is gone.
    pub async fn is_left(&self) {
        let mut open = self.shared.open.subscribe();
        let left = timeout(PATIENCE, open.wait_for(|open| *open == 0)).await;
        assert!(left.is_ok(), "somebody stays after {:?}", self.turns());
    }

    /// Waits until it has stopped.
    pub async fn stops(&self) {
        let mut has_stopped = self.shared.has_stopped.subscribe();
        let stops = timeout(PATIENCE, has_stopped.wait_for(|stopped| *stopped)).await;
        assert!(stops.is_ok(), "{:?} never came: {:?}", self.shared.stop, self.turns());
    }

    /// Lets what was stopped go on.
    pub fn go_on(&self) {
        self.shared.fate.send_replace(Fate::Forward);
    }

    /// Cuts the connection that was stopped. Others go on, and so do later ones.
    pub fn cut(&self) {
        self.shared.fate.send_replace(Fate::Cut);
    }
}

impl Shared {
    async fn pass(&self, mut client: TcpStream, mut server: TcpStream) -> io::Result<()> {
        let (mut questions, mut answers) = (Messages::new(true), Messages::new(false));
        let mut last = String::new();
        loop {
            let question = tokio::select! {
                question = questions.read_until(&mut client, |letter| b"\0QSX".contains(&letter)) => question?,
                // Nobody has asked: the server says good bye.
                news = answers.read_until(&mut server, |_| true) => {
                    client.write_all(&news?).await?;
                    continue;
                }
            };
            let what = summary(&question);
            // What follows a heartbeat comes with it.
            let is_unlisted = what == HEARTBEAT || last == HEARTBEAT && what == IS_ALIVE;
            let number = (!is_unlisted).then(|| {
                let mut turns = self.turns.lock().unwrap();
                turns.push(what.clone());
                turns.len() - 1
            });
            let is_end = question[0] == b'X';
            let is_here = self.stop.is_some_and(|(turn, _)| match turn {
                Turn::Listed(listed) => number == Some(listed),
                Turn::Of(name) => name == what,
            });
            last = what;
            self.stop_at(is_here, When::Before).await?;
            server.write_all(&question).await?;
            let answer = answers.read_until(&mut server, |letter| letter == b'Z').await;
            if is_end || answer.is_ok() {
                self.stop_at(is_here, When::After).await?;
            }
            client.write_all(&answer?).await?;
        }
    }

    /// Goes on if this is not where to stop. Stops once.
    async fn stop_at(&self, is_here: bool, when: When) -> io::Result<()> {
        let is_now = self.stop.is_some_and(|stop| stop.1 == when);
        if !is_here || !is_now || self.has_stopped.send_replace(true) {
            return Ok(());
        }
        let mut fate = self.fate.subscribe();
        let fate = fate.wait_for(|fate| *fate != Fate::Held).await;
        if fate.is_ok_and(|fate| *fate == Fate::Forward) {
            return Ok(());
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

/// Finds the messages in what one end sends.
struct Messages {
    /// The first message of a client has no letter.
    has_letter: bool,
    pending: Vec<u8>,
    /// Where the next message begins.
    next: usize,
}

impl Messages {
    fn new(is_client: bool) -> Self {
        Self {
            has_letter: !is_client,
            pending: Vec::new(),
            next: 0,
        }
    }

    /// The messages up to one with such a letter. May be dropped at any time.
    async fn read_until(&mut self, from: &mut TcpStream, is_last: impl Fn(u8) -> bool) -> io::Result<Vec<u8>> {
        loop {
            let letters = usize::from(self.has_letter);
            let head = self.pending.get(self.next + letters..self.next + letters + 4);
            let len = head.map(|len| letters + u32::from_be_bytes(len.try_into().unwrap()) as usize);
            if let Some(end) = len.map(|len| self.next + len).filter(|end| *end <= self.pending.len()) {
                let letter = if self.has_letter { self.pending[self.next] } else { 0 };
                (self.has_letter, self.next) = (true, end);
                if is_last(letter) {
                    self.next = 0;
                    return Ok(self.pending.drain(..end).collect());
                }
            } else if from.read_buf(&mut self.pending).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// What a client says, in a word. What is not known here is shown as it is.
fn summary(question: &[u8]) -> String {
    let text = |from: usize| {
        let text = question.get(from..).unwrap_or_default();
        String::from_utf8_lossy(text.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
    };
    let sql = match question[0] {
        b'Q' => text(5),
        // After the statement's name.
        b'P' => text(5 + text(5).len() + 1),
        b'B' => return "the effect".into(),
        b'S' => return IS_ALIVE.into(),
        b'X' => return "the farewell".into(),
        _ if String::from_utf8_lossy(question).contains("application_name\0effects\0") => {
            return "connecting for the effect".into();
        }
        _ => return "connecting".into(),
    };
    let is_in = |part: &str| sql.contains(part);
    if is_in("idempotency_records_claim_") {
        "the claim".into()
    } else if is_in("idempotency_records_settle_") {
        SETTLE.into()
    } else if is_in("SET lease_until = ") {
        HEARTBEAT.into()
    } else if is_in("INSERT INTO effects") {
        "preparing the effect".into()
    } else {
        sql.chars().take(60).collect()
    }
}
