#![allow(unused_variables, unreachable_pub)]

#[path = "values/borrowing_error.rs"]
mod borrowing_error;
#[path = "values/error_without_clone.rs"]
mod error_without_clone;
#[path = "values/none_is_kept.rs"]
mod none_is_kept;
#[path = "values/result_alias.rs"]
mod result_alias;
#[path = "values/unit_success.rs"]
mod unit_success;

fn main() {
    borrowing_error::main();
    error_without_clone::main();
    none_is_kept::main();
    result_alias::main();
    unit_success::main();
}
