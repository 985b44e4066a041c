//! A worker as its parent has it.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::worker::SAYS;
use super::{Mode, PATIENCE, WORKER_TEST};

/// What a worker is to do.
#[derive(Clone)]
pub struct Plan {
    pub name: String,
    pub mode: Mode,
    /// Of its requests, one after the other.
    pub keys: Vec<String>,
    /// Where it waits until it is told to go on.
    pub holds: Vec<&'static str>,
    pub lease: Duration,
    pub options: PgConnectOptions,
    /// What runs it, if anything: a program and its arguments, which ends when it does.
    pub run_by: Vec<String>,
}

/// What a worker was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// It ran, with this reply.
    Fresh(String),
    /// It had run before, with this reply.
    Replayed(String),
    /// The name of an error.
    Refused(String),
}

impl Told {
    /// In a word of the library's.
    pub fn word(&self) -> &str {
        match self {
            Self::Fresh(_) => "Fresh",
            Self::Replayed(_) => "Replayed",
            Self::Refused(error) => error,
        }
    }

    pub fn reply(&self) -> Option<&str> {
        match self {
            Self::Fresh(reply) | Self::Replayed(reply) => Some(reply),
            Self::Refused(_) => None,
        }
    }
}

/// A process. It does not outlive this.
pub struct Worker {
    name: String,
    child: Child,
    /// Whether there is somebody in between, who would not hand on that he was killed.
    is_run_by_another: bool,
    input: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<String>,
    /// When its test has failed, whatever it says until then.
    deadline: Instant,
    /// What it has said so far.
    said: Vec<String>,
}

impl Worker {
    pub fn start(plan: &Plan) -> Self {
        let this = env::current_exe().unwrap().to_str().unwrap().to_owned();
        let command: Vec<String> = plan.run_by.iter().cloned().chain([this]).collect();
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .args([WORKER_TEST, "--exact", "--nocapture", "--test-threads=1"])
            .env("CRASH_WORKER", &plan.name)
            .env("CRASH_MODE", plan.mode.to_string())
            .env("CRASH_PORT", plan.options.get_port().to_string())
            .env("CRASH_DATABASE", plan.options.get_database().unwrap())
            .env("CRASH_KEYS", plan.keys.join(" "))
            .env("CRASH_HOLDS", plan.holds.join(" "))
            .env("CRASH_LEASE", plan.lease.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be run ({error}): scripts/test installs it", command[0]));
        let (sender, lines) = mpsc::unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, said)) = line.split_once(SAYS) {
                    let _ = sender.send(said.to_owned());
                }
            }
        });
        Self {
            name: plan.name.clone(),
            is_run_by_another: !plan.run_by.is_empty(),
            input: child.stdin.take(),
            child,
            lines,
            deadline: Instant::now() + PATIENCE,
            said: Vec::new(),
        }
    }

    /// What it says next. `None` if it has ended.
    pub async fn says(&mut self) -> Option<String> {
        let Ok(line) = timeout_at(self.deadline, self.lines.recv()).await else {
            let last = &self.said[self.said.len().saturating_sub(10)..];
            panic!("worker {} is not done after {PATIENCE:?}: {last:?}", self.name);
        };
        self.said.extend(line.clone());
        line
    }

    /// What it says next, and what that is said of: its key, unless it is the clock.
    async fn says_of(&mut self) -> (String, String) {
        let Some(line) = self.says().await else {
            panic!("worker {} ended after {:?}", self.name, self.said);
        };
        let (of, what) = line.split_once(' ').unwrap();
        (of.to_owned(), what.to_owned())
    }

    /// Waits until it is at this place.
    pub async fn reaches(&mut self, place: &str) {
        loop {
            let (_, what) = self.says_of().await;
            if what == place {
                return;
            }
            assert!(
                told(&what).is_none(),
                "worker {} did not get to {place}: {:?}",
                self.name,
                self.said
            );
        }
    }

    /// Waits for what it is told of its request.
    pub async fn outcome(&mut self) -> Told {
        loop {
            if let Some(told) = told(&self.says_of().await.1) {
                return told;
            }
        }
    }

    /// Waits until it says what time it is, in seconds.
    pub async fn clock(&mut self) -> u64 {
        let (of, seconds) = self.says_of().await;
        assert_eq!(of, "clock");
        seconds.parse().unwrap()
    }

    /// Lets it go on from where it waits.
    pub fn go_on(&mut self) {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
    }

    /// Kills it, by SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        assert!(!self.is_run_by_another, "the other would be killed");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Has it end at once, wherever it is, and waits until it is gone.
    pub fn end(&mut self) {
        self.input = None;
        self.child.wait().unwrap();
    }

    /// Freezes it. It holds all that it has.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.input = None;
        if !self.is_run_by_another {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// What of a line is the end of a request.
pub fn told(what: &str) -> Option<Told> {
    let (word, rest) = what.split_once(' ')?;
    Some(match word {
        "fresh" => Told::Fresh(rest.to_owned()),
        "replayed" => Told::Replayed(rest.to_owned()),
        "error" => Told::Refused(rest.to_owned()),
        _ => return None,
    })
}
