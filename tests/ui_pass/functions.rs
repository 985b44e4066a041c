#![allow(unused_variables, unreachable_pub)]

#[path = "functions/cfg.rs"]
mod cfg;
#[path = "functions/documented.rs"]
mod documented;
#[path = "functions/generic_skipped.rs"]
mod generic_skipped;
#[path = "functions/impl_trait_skipped.rs"]
mod impl_trait_skipped;
#[path = "functions/lifetimes.rs"]
mod lifetimes;
#[path = "functions/nested.rs"]
mod nested;
#[path = "functions/no_arguments.rs"]
mod no_arguments;
#[path = "functions/not_send.rs"]
mod not_send;
#[path = "functions/nothing_before_the_await.rs"]
mod nothing_before_the_await;
#[path = "functions/other_attribute.rs"]
mod other_attribute;
#[path = "functions/patterns.rs"]
mod patterns;
#[path = "functions/question_mark_and_return.rs"]
mod question_mark_and_return;
#[path = "functions/raw_name.rs"]
mod raw_name;
#[path = "functions/recursive.rs"]
mod recursive;
#[path = "functions/send.rs"]
mod send;
#[path = "functions/twelve_parts.rs"]
mod twelve_parts;
#[path = "functions/visibility.rs"]
mod visibility;

fn main() {
    cfg::main();
    documented::main();
    generic_skipped::main();
    impl_trait_skipped::main();
    lifetimes::main();
    nested::main();
    no_arguments::main();
    not_send::main();
    nothing_before_the_await::main();
    other_attribute::main();
    patterns::main();
    question_mark_and_return::main();
    raw_name::main();
    recursive::main();
    send::main();
    twelve_parts::main();
    visibility::main();
}
