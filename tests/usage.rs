//! What has to compile, and then to work: a small program for each way to use the attributes, in `ui_pass/`. Each folder
//! is one program of those in it, because linking seventy takes minutes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;

#[test]
fn every_way_of_use_compiles_and_works() {
    trybuild::TestCases::new().pass("tests/ui_pass/*.rs");
}

#[test]
fn no_case_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui_pass");
    let mut cases = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let program = fs::read_to_string(path.with_extension("rs")).unwrap();
        for case in fs::read_dir(&path).unwrap() {
            let case = case.unwrap().path();
            let name = case.file_stem().unwrap().to_str().unwrap();
            assert!(
                program.contains(&format!("{name}::main();")),
                "{} is not run",
                case.display()
            );
            cases += 1;
        }
    }
    assert!(cases >= 70, "{cases} cases");
}
