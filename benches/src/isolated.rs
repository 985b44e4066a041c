//! Measures in a process of its own, so that no garbage of the one before is freed at the expense of the next.

use std::error::Error;
use std::process::{Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What makes a program measure one thing, and print it as JSON, in place of all.
pub(crate) const ALONE: &str = "--alone";

/// Whether the program was started by [`run`], and then for what.
pub fn asked_for() -> Option<Vec<String>> {
    let mut arguments = std::env::args().skip(1);
    (arguments.next()? == ALONE).then(|| arguments.collect())
}

/// Answers [`run`].
///
/// # Errors
/// If the figures cannot be written.
pub fn answer(figures: &impl Serialize) -> Result<(), Box<dyn Error>> {
    Ok(serde_json::to_writer(std::io::stdout(), figures)?)
}

/// Runs this program once more for the given thing.
///
/// # Errors
/// If it cannot be started, fails, or does not [`answer`].
pub fn run<T: DeserializeOwned>(what: &[&str]) -> Result<T, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .arg(ALONE)
        .args(what)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("measuring {what:?} failed: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
