#![allow(unused_variables, unreachable_pub)]

#[path = "idempotent/argument_names.rs"]
mod argument_names;
#[path = "idempotent/arguments.rs"]
mod arguments;
#[path = "idempotent/denied_lints.rs"]
mod denied_lints;
#[path = "idempotent/functions.rs"]
mod functions;
#[path = "idempotent/methods.rs"]
mod methods;
#[path = "idempotent/renamed_crate.rs"]
mod renamed_crate;
#[path = "idempotent/shadowed_prelude.rs"]
mod shadowed_prelude;
#[path = "idempotent/transactions.rs"]
mod transactions;

fn main() {
    argument_names::main();
    arguments::main();
    denied_lints::main();
    functions::main();
    methods::main();
    renamed_crate::main();
    shadowed_prelude::main();
    transactions::main();
}
