//! Counts instructions, which neither other programs nor the place of things in memory change. valgrind can do that, where it
//! is installed.

use std::error::Error;
use std::process::Command;

use crate::isolated::ALONE;

/// How many instructions this program executes when it is started for the given thing as by [`isolated::run`](crate::isolated::run),
/// from its beginning to its end. `None` if there is no valgrind.
///
/// # Errors
/// If valgrind is there, and the program fails under it.
pub fn count(what: &[&str]) -> Result<Option<u64>, Box<dyn Error>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(None);
    }
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg(ALONE)
        .args(what)
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!(
            "counting the instructions of {what:?} failed: {}\n{text}",
            output.status
        )
        .into());
    }
    // `==123== Collected : 456`
    let mut words = text.split_whitespace().skip_while(|word| *word != "Collected").skip(2);
    let count = words
        .next()
        .ok_or_else(|| format!("valgrind did not say how many: {text}"))?;
    Ok(Some(count.parse()?))
}
