#![allow(unused_variables, unreachable_pub)]

#[path = "arguments/cache_if_closure.rs"]
mod cache_if_closure;
#[path = "arguments/cache_if_path.rs"]
mod cache_if_path;
#[path = "arguments/crate_renamed.rs"]
mod crate_renamed;
#[path = "arguments/default_name.rs"]
mod default_name;
#[path = "arguments/max_size_constant.rs"]
mod max_size_constant;
#[path = "arguments/max_size_zero.rs"]
mod max_size_zero;
#[path = "arguments/name.rs"]
mod name;
#[path = "arguments/none.rs"]
mod none;
#[path = "arguments/policy.rs"]
mod policy;
#[path = "arguments/trailing_comma.rs"]
mod trailing_comma;
#[path = "arguments/ttl_expression.rs"]
mod ttl_expression;
#[path = "arguments/ttl_on_lru.rs"]
mod ttl_on_lru;
#[path = "arguments/ttl_text.rs"]
mod ttl_text;
#[path = "arguments/unbounded.rs"]
mod unbounded;
#[path = "arguments/weigher_closure.rs"]
mod weigher_closure;
#[path = "arguments/weight.rs"]
mod weight;

fn main() {
    cache_if_closure::main();
    cache_if_path::main();
    crate_renamed::main();
    default_name::main();
    max_size_constant::main();
    max_size_zero::main();
    name::main();
    none::main();
    policy::main();
    trailing_comma::main();
    ttl_expression::main();
    ttl_on_lru::main();
    ttl_text::main();
    unbounded::main();
    weigher_closure::main();
    weight::main();
}
