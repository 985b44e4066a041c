#![allow(unused_variables, unreachable_pub)]

#[path = "own_cache/field.rs"]
mod field;
#[path = "own_cache/generic_function.rs"]
mod generic_function;
#[path = "own_cache/of_an_argument.rs"]
mod of_an_argument;
#[path = "own_cache/sharded.rs"]
mod sharded;
#[path = "own_cache/static.rs"]
mod r#static;
#[path = "own_cache/trait_impl.rs"]
mod trait_impl;

fn main() {
    field::main();
    generic_function::main();
    of_an_argument::main();
    sharded::main();
    r#static::main();
    trait_impl::main();
}
