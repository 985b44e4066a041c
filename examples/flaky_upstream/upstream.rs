//! The service that is slow and fails, by a script, and the client that asks it: HTTP/1 over the loopback interface.

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cache_core::LoadTimeout;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::CACHE_CONTROL;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Items that there are: 0 and up. Of those above, the service says that it has no such thing.
pub(crate) const KNOWN: u32 = 14;
/// What is asked for.
pub(crate) const ASKED_FOR: u32 = KNOWN + 2;

const MILLISECOND: Duration = Duration::from_millis(1);
/// As long as an item is flaky, it fails, or does not, for so long at a time.
const TURN: Duration = Duration::from_millis(250);

// ---- The script ------------------------------------------------------------------------------------------------

/// How the service is for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mood {
    Fast,
    Slow,
    Down,
    Flaky,
}

/// In this order, and for so many twelfths of the whole time.
const ACTS: [(Mood, u32); 6] = [
    (Mood::Fast, 2),
    (Mood::Slow, 2),
    (Mood::Fast, 1),
    (Mood::Down, 3),
    (Mood::Flaky, 2),
    (Mood::Fast, 2),
];
const TWELFTHS: u32 = 12;

impl Mood {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Slow => "slow",
            Self::Down => "down",
            Self::Flaky => "flaky",
        }
    }

    /// The milliseconds that an answer takes at least and at most.
    fn takes(self) -> (u32, u32) {
        match self {
            Self::Fast | Self::Down => (4, 12),
            Self::Slow => (200, 300),
            Self::Flaky => (10, 60),
        }
    }

    /// The share of answers that are 503.
    fn fails(self) -> f64 {
        match self {
            Self::Fast | Self::Slow => 0.0,
            Self::Down => 1.0,
            Self::Flaky => 0.35,
        }
    }
}

impl fmt::Display for Mood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.takes();
        write!(f, "{:<6} answers in {least} to {most} ms", self.name())?;
        if self.fails() > 0.0 {
            write!(f, ", {:.0} % of them 503", self.fails() * 100.0)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    pub(crate) mood: Mood,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// What the service does, and when. It depends on nothing else: every variant meets the same.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) seed: u64,
    pub(crate) phases: Vec<Phase>,
}

impl Script {
    pub(crate) fn new(seed: u64, whole: Duration) -> Self {
        let mut from = 0;
        let phases = ACTS.map(|(mood, twelfths)| {
            let until = from + twelfths;
            let phase = Phase {
                mood,
                from: whole * from / TWELFTHS,
                until: whole * until / TWELFTHS,
            };
            from = until;
            phase
        });
        Self {
            seed,
            phases: phases.to_vec(),
        }
    }

    pub(crate) fn end(&self) -> Duration {
        self.phases.last().map_or(Duration::ZERO, |phase| phase.until)
    }

    fn mood(&self, at: Duration) -> Mood {
        let phase = self.phases.iter().find(|phase| at < phase.until);
        phase.or(self.phases.last()).map_or(Mood::Fast, |phase| phase.mood)
    }

    /// After which time, and with what, a request is answered that comes in at this time.
    fn answer(&self, id: u32, at: Duration) -> (Duration, StatusCode) {
        let mood = self.mood(at);
        let (least, most) = mood.takes();
        let more = chance(self.seed, Matter::Delay, id, at.as_millis());
        let after = MILLISECOND * least + (MILLISECOND * (most - least)).mul_f64(more);
        let turn = at.as_nanos() / TURN.as_nanos();
        let status = if chance(self.seed, Matter::Failure, id, turn) < mood.fails() {
            StatusCode::SERVICE_UNAVAILABLE
        } else if id < KNOWN {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        };
        (after, status)
    }
}

/// What is left to chance: between 0 and 1, and always the same for the same. As the generator `SplitMix64` mixes.
pub(crate) fn chance(seed: u64, what: Matter, id: u32, turn: u128) -> f64 {
    let mut bits = 0;
    for part in [seed, what as u64, u64::from(id), turn as u64] {
        bits = (bits ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        for (shift, factor) in [(30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)] {
            bits = (bits ^ (bits >> shift)).wrapping_mul(factor);
        }
        bits ^= bits >> 31;
    }
    f64::from((bits >> 32) as u32) / f64::from(u32::MAX)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Matter {
    /// How long an answer takes.
    Delay,
    /// Whether it is one.
    Failure,
    /// When an item is asked for.
    Request,
}

/// For how long the service says that an item is good: every other one changes seldom.
pub(crate) fn good_for(id: u32) -> Duration {
    Duration::from_secs(if id.is_multiple_of(2) { 3 } else { 1 })
}

// ---- The service -----------------------------------------------------------------------------------------------

/// Listens, and answers until the program ends.
async fn serve(script: Arc<Script>, begun: Instant) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        // A connection that cannot be accepted is one that its client cannot use: it will say so.
        while let Ok((stream, _)) = listener.accept().await {
            let script = Arc::clone(&script);
            let service = service_fn(move |request| respond(Arc::clone(&script), begun, request));
            // A client that goes away is no news.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

/// The body is the time it was made at, in microseconds.
async fn respond(
    script: Arc<Script>,
    begun: Instant,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let id = request.uri().path().rsplit('/').next();
    let id = id.and_then(|id| id.parse().ok()).unwrap_or(u32::MAX);
    let (after, status) = script.answer(id, begun.elapsed());
    tokio::time::sleep(after).await;
    let mut response = Response::new(Full::from(begun.elapsed().as_micros().to_string()));
    *response.status_mut() = status;
    let max_age = format!("max-age={}", good_for(id).as_secs());
    response
        .headers_mut()
        .insert(CACHE_CONTROL, max_age.parse().expect("it is text"));
    Ok(response)
}

// ---- The client ------------------------------------------------------------------------------------------------

/// What the service has of an item: here only when it said so, and for how long it is good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) made_at: Duration,
    pub(crate) good_for: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum Error {
    NotFound,
    Unavailable,
    Slow(LoadTimeout),
    /// The service could not be asked, which is no part of the script.
    Broken(Arc<str>),
}

/// So that a load that takes too long has an error to return.
impl From<LoadTimeout> for Error {
    fn from(timeout: LoadTimeout) -> Self {
        Self::Slow(timeout)
    }
}

pub(crate) type Answer = Result<Item, Error>;

/// A call of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) id: u32,
    pub(crate) at: Duration,
    /// None while it is under way.
    pub(crate) end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    /// With an item.
    Well,
    /// Without one.
    Badly,
    /// Dropped half way, together with who waited for it.
    Abandoned,
}

/// A service of one's own, the connections to it, and a record of all calls.
pub(crate) struct Upstream {
    address: SocketAddr,
    begun: Instant,
    idle: Mutex<Vec<SendRequest<Empty<Bytes>>>>,
    calls: Mutex<Vec<Call>>,
}

impl Upstream {
    pub(crate) async fn start(script: &Arc<Script>, begun: Instant) -> Result<Arc<Self>, String> {
        let address = serve(Arc::clone(script), begun).await;
        Ok(Arc::new(Self {
            address: address.map_err(|error| format!("cannot listen on a port of {}: {error}", Ipv4Addr::LOCALHOST))?,
            begun,
            idle: Mutex::default(),
            calls: Mutex::default(),
        }))
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Asks for an item.
    pub(crate) async fn get(&self, id: u32) -> Answer {
        let mut call = self.begin(id);
        let answer = self.ask(id).await;
        let answer = answer.unwrap_or_else(|error| Err(Error::Broken(error.to_string().into())));
        call.end = if answer.is_ok() { End::Well } else { End::Badly };
        answer
    }

    fn begin(&self, id: u32) -> Underway<'_> {
        let mut calls = lock(&self.calls);
        calls.push(Call {
            id,
            at: self.begun.elapsed(),
            end: None,
        });
        Underway {
            upstream: self,
            number: calls.len() - 1,
            end: End::Abandoned,
        }
    }

    async fn ask(&self, id: u32) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let mut sender = self.connection().await?;
        let request = Request::get(format!("/items/{id}")).body(Empty::new())?;
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        // Who is dropped before this closes its connection.
        lock(&self.idle).push(sender);
        match head.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Err(Error::NotFound)),
            _ => return Ok(Err(Error::Unavailable)),
        }
        let max_age = head.headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok());
        let max_age = max_age
            .and_then(|value| value.strip_prefix("max-age="))
            .ok_or("no max-age")?;
        Ok(Ok(Item {
            made_at: Duration::from_micros(std::str::from_utf8(&body)?.parse()?),
            good_for: Duration::from_secs(max_age.parse()?),
        }))
    }

    async fn connection(&self) -> Result<SendRequest<Empty<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
        loop {
            let idle = lock(&self.idle).pop();
            let Some(mut idle) = idle else { break };
            if idle.ready().await.is_ok() {
                return Ok(idle);
            }
        }
        let stream = TcpStream::connect(self.address).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A call whose end is recorded when this is dropped.
struct Underway<'a> {
    upstream: &'a Upstream,
    number: usize,
    end: End,
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        lock(&self.upstream.calls)[self.number].end = Some(self.end);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
