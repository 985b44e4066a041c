//! Prints what criterion measured as Markdown: a table for each group, with the ratio to this library's own figure.
fn main() {}
