#![allow(unused_variables, dead_code, unreachable_pub)]

#[path = "agents/argument_names.rs"]
mod argument_names;
#[path = "agents/everything.rs"]
mod everything;
#[path = "agents/forbidden_unsafe.rs"]
mod forbidden_unsafe;
#[path = "agents/generic_impl.rs"]
mod generic_impl;
#[path = "agents/renamed_crate.rs"]
mod renamed_crate;
#[path = "agents/visibility.rs"]
mod visibility;

fn main() {
    argument_names::main();
    everything::main();
    forbidden_unsafe::main();
    generic_impl::main();
    renamed_crate::main();
    visibility::main();
}
