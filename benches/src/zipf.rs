//! What is asked for when some keys are more popular than others.

use rand::SeedableRng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::SmallRng;

/// Draws `length` of `keys` keys, the n-th of which is asked for 1/n times as often as the first: Zipf's distribution
/// with the exponent 1. The same seed draws the same.
///
/// # Panics
/// If there are no keys.
pub fn zipf(keys: u16, length: usize, seed: u64) -> Vec<u16> {
    let weights = (1..=keys).map(|rank| 1.0 / f64::from(rank));
    let ranks = WeightedIndex::new(weights).expect("there are keys");
    let random = SmallRng::seed_from_u64(seed);
    ranks
        .sample_iter(random)
        .map(|rank| u16::try_from(rank).expect("a rank is below the number of keys"))
        .take(length)
        .collect()
}
