//! What misuse says: one mistake, one error, on the user's own token. The cases are in `ui/`, in folders by the kind of
//! mistake.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// The wording of what rustc says itself changes between compilers, so the expected output belongs to one of them.
const PINNED: &str = "1.95.0";

#[test]
fn misuse_does_not_compile_and_says_what_to_write() {
    assert_eq!(
        rustc_version(),
        PINNED,
        "the expected errors were recorded with another compiler: use {PINNED}, or record them anew with TRYBUILD=overwrite"
    );
    trybuild::TestCases::new().compile_fail("tests/ui/*/*.rs");
}

fn rustc_version() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = std::process::Command::new(rustc)
        .arg("--version")
        .output()
        .expect("rustc runs");
    let text = String::from_utf8(output.stdout).expect("rustc speaks UTF-8");
    text.split_whitespace().nth(1).unwrap_or_default().to_owned()
}
