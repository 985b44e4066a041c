//! Durations as they are written: `"60s"`, `"500ms"`, `"1h30m"`.

use std::time::Duration;

const UNITS: &str = "`ms`, `s`, `m`, `h` or `d`, as in \"60s\" or \"1h30m\"";

/// Reads a duration, or says what to write.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(format!("this duration is empty: write a number and {UNITS}"));
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len() - tail.trim_start_matches(char::is_alphabetic).len();
        let (unit, tail) = tail.split_at(letters);
        if number.is_empty() {
            return Err(format!("`{text}` is not a duration: write a whole number and {UNITS}"));
        }
        let too_long = || format!("`{text}` is too long for a duration");
        let number: u64 = number.parse().map_err(|_| too_long())?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err(format!("`{text}` has no unit: write {UNITS}")),
            unit => return Err(format!("`{unit}` is not a unit of time: write {UNITS}")),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(too_long)?;
        rest = tail.trim_start();
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, millis) in [
            ("5ms", 5),
            ("60s", 60_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            (" 1h 30m ", 5_400_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_what_to_write() {
        for text in [
            "",
            "60",
            "60x",
            "s",
            "-5s",
            "1.5s",
            "5s!",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("60x").is_err_and(|message| message.contains("`x` is not a unit")));
    }
}
