#![allow(unused_variables, unreachable_pub)]

#[path = "keys/borrowed.rs"]
mod borrowed;
#[path = "keys/constant.rs"]
mod constant;
#[path = "keys/expression.rs"]
mod expression;
#[path = "keys/expression_of_owned.rs"]
mod expression_of_owned;
#[path = "keys/expression_of_pattern.rs"]
mod expression_of_pattern;
#[path = "keys/float_bits.rs"]
mod float_bits;
#[path = "keys/format.rs"]
mod format;
#[path = "keys/owned.rs"]
mod owned;
#[path = "keys/pointers.rs"]
mod pointers;

fn main() {
    borrowed::main();
    constant::main();
    expression::main();
    expression_of_owned::main();
    expression_of_pattern::main();
    float_bits::main();
    format::main();
    owned::main();
    pointers::main();
}
