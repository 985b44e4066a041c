#![allow(unused_variables, unreachable_pub)]

#[path = "invalidates/by_call.rs"]
mod by_call;
#[path = "invalidates/by_name.rs"]
mod by_name;
#[path = "invalidates/by_name_of_expression_key.rs"]
mod by_name_of_expression_key;
#[path = "invalidates/clear_all.rs"]
mod clear_all;
#[path = "invalidates/generic.rs"]
mod generic;
#[path = "invalidates/key_fn.rs"]
mod key_fn;
#[path = "invalidates/nothing_is_moved.rs"]
mod nothing_is_moved;
#[path = "invalidates/opaque_return.rs"]
mod opaque_return;
#[path = "invalidates/path.rs"]
mod path;
#[path = "invalidates/patterns.rs"]
mod patterns;
#[path = "invalidates/send.rs"]
mod send;
#[path = "invalidates/several.rs"]
mod several;

fn main() {
    by_call::main();
    by_name::main();
    by_name_of_expression_key::main();
    clear_all::main();
    generic::main();
    key_fn::main();
    nothing_is_moved::main();
    opaque_return::main();
    path::main();
    patterns::main();
    send::main();
    several::main();
}
