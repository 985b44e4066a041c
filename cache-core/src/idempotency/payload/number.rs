//! Numbers, so that two of different values never have one text.

use std::fmt::Write as _;

use super::PayloadError;
use super::canonical::Refused;

/// The last integer up to which each is a float of its own.
const EXACT: u128 = 1 << 53;

/// Writes an integer, given as its sign and magnitude.
pub(super) fn integer(out: &mut String, negative: bool, magnitude: u128) {
    let sign = if negative { "-" } else { "" };
    let mark = if magnitude > EXACT { "n" } else { "" };
    // Writing to a `String` cannot fail.
    let _ = write!(out, "{sign}{magnitude}{mark}");
}

/// Writes a float as ECMAScript does, which has no negative zero.
pub(super) fn float(out: &mut String, value: f64) -> Result<(), Refused> {
    if !value.is_finite() {
        return Err(Refused(PayloadError::NotFinite));
    }
    out.push_str(ryu_js::Buffer::new().format_finite(value));
    Ok(())
}

/// Writes a number that is JSON already, with as many digits as it has.
pub(super) fn literal(out: &mut String, literal: &str) -> Result<(), Refused> {
    let number = Literal::read(literal).ok_or(Refused(PayloadError::InvalidJson))?;
    let decimal = number.decimal();
    if decimal.digits.is_empty() {
        out.push('0');
        return Ok(());
    }
    if number.fraction.is_none() && number.exponent.is_none() {
        out.push_str(literal);
        // What has more digits than a `u128` is beyond 2^53 as well.
        if number.whole.parse::<u128>().map_or(true, |magnitude| magnitude > EXACT) {
            out.push('n');
        }
        return Ok(());
    }
    let exponent = decimal.exponent.ok_or(Refused(PayloadError::NotFinite))?;
    let mut buffer = ryu_js::Buffer::new();
    let nearest = literal
        .parse()
        .ok()
        .filter(|float: &f64| float.is_finite())
        .map(|float| buffer.format_finite(float));
    match nearest {
        Some(text) if Literal::read(text).is_some_and(|float| float.decimal() == decimal) => out.push_str(text),
        _ => {
            let sign = if number.negative { "-" } else { "" };
            let _ = write!(out, "{sign}{}e{exponent}n", decimal.digits);
        }
    }
    Ok(())
}

/// The parts of a number in JSON.
#[derive(Debug)]
struct Literal<'s> {
    negative: bool,
    whole: &'s str,
    fraction: Option<&'s str>,
    exponent: Option<&'s str>,
}

/// What a number is: these digits, which neither begin nor end with a zero, times a power of ten. Zero has no digits.
#[derive(Debug, PartialEq)]
struct Decimal {
    negative: bool,
    digits: String,
    /// If that is less than 64 bits.
    exponent: Option<i64>,
}

impl<'s> Literal<'s> {
    /// Reads it, if it is a number by the grammar of JSON.
    fn read(text: &'s str) -> Option<Self> {
        let (negative, unsigned) = text
            .strip_prefix('-')
            .map_or((false, text), |unsigned| (true, unsigned));
        let (mantissa, exponent) = unsigned
            .split_once(['e', 'E'])
            .map_or((unsigned, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
        let (whole, fraction) = mantissa
            .split_once('.')
            .map_or((mantissa, None), |(whole, fraction)| (whole, Some(fraction)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(digits)
            && exponent.is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
        is_number.then_some(Self {
            negative,
            whole,
            fraction,
            exponent,
        })
    }

    fn decimal(&self) -> Decimal {
        let fraction = self.fraction.unwrap_or_default();
        let all = [self.whole, fraction].concat();
        let digits = all.trim_end_matches('0');
        // Each zero at the end is one power of ten, each place after the point one less.
        let shift = i64::try_from(all.len() - digits.len())
            .ok()
            .and_then(|zeros| zeros.checked_sub(i64::try_from(fraction.len()).ok()?));
        let exponent = self.exponent.map_or(Some(0), |exponent| exponent.parse().ok());
        Decimal {
            negative: self.negative,
            digits: digits.trim_start_matches('0').to_owned(),
            exponent: shift
                .zip(exponent)
                .and_then(|(shift, exponent): (i64, i64)| exponent.checked_add(shift)),
        }
    }
}
