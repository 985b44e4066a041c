//! The books: two entries for each payment, whose sum is zero.

use std::collections::BTreeMap;

/// Money that came to an account, or left it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) order: String,
    pub(crate) account: String,
    pub(crate) cents: i64,
}

/// The two entries of a payment.
pub(crate) fn payment(order: &crate::Order) -> [Entry; 2] {
    let entry = |account: String, cents| Entry {
        order: order.key.clone(),
        account,
        cents,
    };
    [
        entry(format!("customer {}", order.customer), -order.cents),
        entry("shop".to_owned(), order.cents),
    ]
}

/// Prints the accounts, and checks that they balance and that each of these orders was paid once.
pub(crate) fn check(entries: &[Entry], orders: &[crate::Order]) -> Result<(), String> {
    let mut accounts: BTreeMap<&str, i64> = BTreeMap::new();
    for entry in entries {
        *accounts.entry(&entry.account).or_default() += entry.cents;
    }
    println!("\nThe ledger, {} entries for {} orders:", entries.len(), orders.len());
    for (account, cents) in &accounts {
        println!("  {account:<12} {:>10}", money(*cents));
    }
    let sum: i64 = accounts.values().sum();
    println!("  {:<12} {:>10}", "sum", money(sum));
    for order in orders {
        let paid = entries
            .iter()
            .filter(|entry| entry.order == order.key && entry.cents > 0);
        let paid: Vec<i64> = paid.map(|entry| entry.cents).collect();
        if paid != [order.cents] {
            return Err(format!(
                "{} was to be paid once, with {}: {paid:?}",
                order.key, order.cents
            ));
        }
    }
    if sum != 0 || entries.len() != 2 * orders.len() {
        return Err("the ledger does not balance".to_owned());
    }
    println!("It balances, and every order stands in it once.");
    Ok(())
}

fn money(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}
