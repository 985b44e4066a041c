#![allow(unused_variables, unreachable_pub)]

#[path = "methods/associated.rs"]
mod associated;
#[path = "methods/associated_plain.rs"]
mod associated_plain;
#[path = "methods/generic_impl.rs"]
mod generic_impl;
#[path = "methods/key_of_self.rs"]
mod key_of_self;
#[path = "methods/receivers.rs"]
mod receivers;
#[path = "methods/skip_self.rs"]
mod skip_self;

fn main() {
    associated::main();
    associated_plain::main();
    generic_impl::main();
    key_of_self::main();
    receivers::main();
    skip_self::main();
}
