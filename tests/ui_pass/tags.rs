#![allow(unused_variables, dead_code, unreachable_pub)]

#[path = "tags/argument_names.rs"]
mod argument_names;
#[path = "tags/beside_other_attributes.rs"]
mod beside_other_attributes;
#[path = "tags/denied_lints.rs"]
mod denied_lints;
#[path = "tags/generic.rs"]
mod generic;
#[path = "tags/in_macros.rs"]
mod in_macros;
#[path = "tags/raw_names.rs"]
mod raw_names;
#[path = "tags/renamed_crate.rs"]
mod renamed_crate;

fn main() {
    argument_names::main();
    beside_other_attributes::main();
    denied_lints::main();
    generic::main();
    in_macros::main();
    raw_names::main();
    renamed_crate::main();
}
