#![allow(unused_variables, unreachable_pub)]

#[path = "hygiene/argument_names.rs"]
mod argument_names;
#[path = "hygiene/denied_lints.rs"]
mod denied_lints;
#[path = "hygiene/shadowed_prelude.rs"]
mod shadowed_prelude;

fn main() {
    argument_names::main();
    denied_lints::main();
    shadowed_prelude::main();
}
