#![allow(unused_variables, unreachable_pub)]

mod revision_renamed {
    pub use cache_core as other;
}

#[path = "revision/argument_names.rs"]
mod argument_names;
#[path = "revision/arguments.rs"]
mod arguments;
#[path = "revision/denied_lints.rs"]
mod denied_lints;
#[path = "revision/futures_can_be_sent.rs"]
mod futures_can_be_sent;
#[path = "revision/made_by_a_macro.rs"]
mod made_by_a_macro;
#[path = "revision/places.rs"]
mod places;
#[path = "revision/renamed_crate.rs"]
mod renamed_crate;
#[path = "revision/returns.rs"]
mod returns;
#[path = "revision/revisions.rs"]
mod revisions;
#[path = "revision/shadowed_prelude.rs"]
mod shadowed_prelude;

fn main() {
    argument_names::main();
    arguments::main();
    denied_lints::main();
    futures_can_be_sent::main();
    made_by_a_macro::main();
    places::main();
    renamed_crate::main();
    returns::main();
    revisions::main();
    shadowed_prelude::main();
}
