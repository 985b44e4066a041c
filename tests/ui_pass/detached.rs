#![allow(unused_variables, unreachable_pub)]

#[path = "detached/argument_names.rs"]
mod argument_names;
#[path = "detached/denied_lints.rs"]
mod denied_lints;
#[path = "detached/errors.rs"]
mod errors;
#[path = "detached/functions.rs"]
mod functions;
#[path = "detached/own_cache.rs"]
mod own_cache;
#[path = "detached/renamed_crate.rs"]
mod renamed_crate;
#[path = "detached/shadowed_prelude.rs"]
mod shadowed_prelude;

fn main() {
    argument_names::main();
    denied_lints::main();
    errors::main();
    functions::main();
    own_cache::main();
    renamed_crate::main();
    shadowed_prelude::main();
}
