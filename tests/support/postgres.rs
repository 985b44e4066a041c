//! A Postgres server of one's own: made from the installed binaries, thrown away at the end.
//!
//! The server stops and its folder goes whatever becomes of the process, even if it is killed: a shell reads from a pipe whose
//! other end this process holds, and ends the server when that is closed. What is committed survives a crash of the server: it
//! writes through, so that tests may rely on it.

#![allow(dead_code, unreachable_pub, reason = "each program uses a part of it")]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, PgPool};

const HOW_TO_INSTALL: &str = "no PostgreSQL server was found: `initdb` and `postgres` are neither on the PATH, nor where `pg_config \
    --bindir` says, nor in /usr/lib/postgresql/*/bin. Install it: `apt-get install postgresql`, `dnf install postgresql-server` or \
    `brew install postgresql`; scripts/test does";

/// Waits for its input to end, then stops the server of this folder and removes the folder. `$1` is the folder.
const REAPER: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
rm -rf "$1"
"#;

/// How long a server may take to start or stop on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The server of this process.
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// The server of this process, started when it is first asked for.
pub fn server() -> &'static Server {
    &SERVER
}

pub struct Server {
    binaries: PathBuf,
    folder: PathBuf,
    port: u16,
    owner: Option<(u32, u32)>,
    databases: AtomicU64,
    /// The postmaster while it runs; whoever restarts it holds this.
    running: Mutex<Child>,
    /// Ends the server when it is dropped, which happens with the process.
    _reaper: Child,
}

impl Server {
    /// Starts one, on a port that is free.
    #[expect(clippy::zombie_processes, reason = "the reaper outlives this process")]
    fn start() -> Self {
        let binaries = binaries();
        let owner = owner();
        let folder = std::env::temp_dir().join(format!("cache-core-postgres-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).expect("a temporary folder can be made");
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("it is ours");
        if let Some((user, group)) = owner {
            chown(&folder, Some(user), Some(group)).expect("root can give a folder away");
        }
        // First of all, so that nothing is left behind if what follows fails.
        let reaper = Command::new("sh")
            .args(["-c", REAPER, "reaper"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let program = |name: &str| as_owner(&binaries, owner, &folder, name);
        succeed(
            program("initdb")
                .args([
                    "--auth=trust",
                    "--username=postgres",
                    "--encoding=UTF8",
                    "--no-locale",
                    "--no-sync",
                    "--pgdata",
                ])
                .arg(folder.join("data")),
        );
        fs::write(folder.join("data/postgresql.auto.conf"), settings(&folder)).expect("the folder can be written to");
        // Somebody else may take a port between the look and the start.
        for _ in 0..10 {
            let port = free_port();
            if let Some(child) = launch(&binaries, owner, &folder, port) {
                return Self {
                    binaries,
                    folder,
                    port,
                    owner,
                    databases: AtomicU64::new(0),
                    running: Mutex::new(child),
                    _reaper: reaper,
                };
            }
        }
        panic!("the server did not start, see its log:\n{}", log(&folder));
    }

    /// A new database of this server, and a pool of connections to it.
    pub async fn database(&self) -> PgPool {
        let options = self.new_database().await;
        PgPoolOptions::new()
            .max_connections(16)
            .connect_with(options)
            .await
            .expect("the server accepts connections")
    }

    /// How to connect to a new database of this server.
    pub async fn new_database(&self) -> PgConnectOptions {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.options().connect().await.expect("the server accepts connections");
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut connection)
            .await
            .expect("the superuser may create a database");
        self.options().database(&name)
    }

    /// How to connect to it, as the superuser, to the database `postgres`.
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("postgres")
            .database("postgres")
    }

    /// One of the programs that come with it, as who owns the server.
    pub fn program(&self, name: &str) -> Command {
        as_owner(&self.binaries, self.owner, &self.folder, name)
    }

    /// Crashes the server and starts it again, on the same port.
    pub fn crash(&self) {
        self.stop("immediate");
        self.start_again();
    }

    /// Stops the server, by `smart`, `fast` or `immediate`. Nobody can connect until [`start_again`](Self::start_again).
    pub fn stop(&self, mode: &str) {
        let mut running = self
            .running
            .lock()
            .expect("no test failed while it restarted the server");
        let data = self.folder.join("data");
        succeed(self.program("pg_ctl").args(["stop", "-m", mode, "-D"]).arg(data));
        running.wait().expect("it is our child");
    }

    /// Starts the server on its port after [`stop`](Self::stop).
    pub fn start_again(&self) {
        let mut running = self
            .running
            .lock()
            .expect("no test failed while it restarted the server");
        *running = launch(&self.binaries, self.owner, &self.folder, self.port)
            .unwrap_or_else(|| panic!("the server did not start again, see its log:\n{}", log(&self.folder)));
    }
}

fn settings(folder: &Path) -> String {
    format!(
        "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\nlogging_collector = on\nlog_directory = '{folder}/log'\n\
         log_filename = 'log'\nfsync = on\nsynchronous_commit = on\nmax_connections = 200\nmax_prepared_transactions = 10\n\
         shared_buffers = '64MB'\nmax_wal_size = '256MB'\n",
        folder = folder.display()
    )
}

/// Starts the server of this folder, and returns it once it accepts connections. None if it ended instead.
#[expect(clippy::zombie_processes, reason = "one that is never ready is left to the reaper")]
fn launch(binaries: &Path, owner: Option<(u32, u32)>, folder: &Path, port: u16) -> Option<Child> {
    let mut child = as_owner(binaries, owner, folder, "postgres")
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("postgres can be run");
    let end = Instant::now() + PATIENCE;
    // The last line of its file says how far it is; there is nothing to wait on.
    let state = || fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    while Instant::now() < end {
        if child.try_wait().expect("it is our child").is_some() {
            return None;
        }
        let state = state();
        if state.starts_with(&format!("{}\n", child.id())) && state.trim_end().ends_with("ready") {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!(
        "the server was not ready after {PATIENCE:?}, see its log:\n{}",
        log(folder)
    );
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log/log")).unwrap_or_else(|error| format!("there is none: {error}"))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a loopback interface");
    listener.local_addr().expect("it is bound").port()
}

/// Where the binaries of the newest server are.
fn binaries() -> PathBuf {
    let has_all = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_ctl"]
            .iter()
            .all(|name| folder.join(name).is_file())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(Output { stdout, .. }) = Command::new("pg_config").arg("--bindir").output() {
        candidates.push(String::from_utf8_lossy(&stdout).trim().into());
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql").map_or_else(
        |_| Vec::new(),
        |folders| {
            folders
                .flatten()
                .filter_map(|folder| Some((number(&folder.file_name())?, folder.path().join("bin"))))
                .collect()
        },
    );
    versions.sort();
    candidates.extend(versions.into_iter().rev().map(|(_, folder)| folder));
    candidates
        .into_iter()
        .find(has_all)
        .unwrap_or_else(|| panic!("{HOW_TO_INSTALL}"))
}

fn number(name: &OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

/// Who runs the server: initdb refuses root.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| {
        let output = Command::new("id").args(arguments).output().expect("there is `id`");
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    let of = |user| Some((id(&["-u", user])?, id(&["-g", user])?));
    Some(
        of("postgres")
            .or_else(|| of("nobody"))
            .expect("there is a user `postgres` or `nobody`"),
    )
}

/// One of Postgres's programs, as the owner of the folder.
fn as_owner(binaries: &Path, owner: Option<(u32, u32)>, folder: &Path, name: &str) -> Command {
    let beside = binaries.join(name);
    let mut command = Command::new(if beside.exists() { beside } else { name.into() });
    if let Some((user, group)) = owner {
        command.uid(user).gid(group);
    }
    // Ctrl-C at a terminal is for the tests; the reaper sees to the server.
    command.current_dir(folder).process_group(0);
    command
}

fn succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().expect("the program can be run");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} failed, {}:\n{text}",
        output.status
    );
}
