//! A `PgBouncer` in transaction mode.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "for tests, each of which uses a part of it"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use sqlx::postgres::PgConnectOptions;

/// Ends with this.
pub struct Pooler(Child);

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `PgBouncer` in front of a database, with fewer connections than there are clients.
pub fn pooler(database: &PgConnectOptions) -> (Pooler, PgConnectOptions) {
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
