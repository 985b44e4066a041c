#![allow(unused_variables, unreachable_pub)]

#[path = "handle/everything.rs"]
mod everything;
#[path = "handle/import.rs"]
mod import;

fn main() {
    everything::main();
    import::main();
}
