#![allow(unused_variables, unreachable_pub)]

mod batch_renamed {
    pub use cache_core as other;
}

#[path = "batch/denied_lints.rs"]
mod denied_lints;
#[path = "batch/futures_can_be_sent.rs"]
mod futures_can_be_sent;
#[path = "batch/made_by_a_macro.rs"]
mod made_by_a_macro;
#[path = "batch/patterns_and_raw_names.rs"]
mod patterns_and_raw_names;
#[path = "batch/renamed_crate.rs"]
mod renamed_crate;
#[path = "batch/shadowed_prelude.rs"]
mod shadowed_prelude;
#[path = "batch/visibility_and_cfg.rs"]
mod visibility_and_cfg;

fn main() {
    denied_lints::main();
    futures_can_be_sent::main();
    made_by_a_macro::main();
    patterns_and_raw_names::main();
    renamed_crate::main();
    shadowed_prelude::main();
    visibility_and_cfg::main();
}
