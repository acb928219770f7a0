//! The time that an engine writes before each piece of a log: `2026-08-01T12:00:00.000000000Z`.

/// No such time is longer.
pub(super) const LONGEST: usize = 35;

/// Nanoseconds since 1970-01-01 UTC of a time as RFC 3339 writes it (Docker: always nine digits and `Z`; Podman: with
/// the device's offset and without trailing zeros); `None` for anything else.
pub(super) fn parse(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(19)?;
    for (at, sign) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if date[at] != sign {
            return None;
        }
    }
    let number = |from: usize, to: usize| digits(&date[from..to]);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = fraction(rest)?;
    let offset = match zone {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let seconds = digits(&[*a, *b])? * 3600 + digits(&[*c, *d])? * 60;
            if *sign == b'+' { seconds } else { -seconds }
        }
        _ => return None,
    };
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

/// The nanoseconds of `.123` and what follows them.
fn fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = rest.strip_prefix(b".") else {
        return Some((0, rest));
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let missing = 9_usize.checked_sub(length).filter(|missing| *missing < 9)?;
    let scale = 10_i64.pow(u32::try_from(missing).ok()?);
    Some((digits(&rest[..length])? * scale, &rest[length..]))
}

fn digits(text: &[u8]) -> Option<i64> {
    let mut number = 0;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = number * 10 + i64::from(byte - b'0');
    }
    Some(number)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar, whose years begin in March here, so that a leap day is the
/// last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_and_podmans_times_are_read() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00.000000000Z", 0),
            ("2024-02-29T23:59:59.999999999Z", 1_709_251_199_999_999_999),
            ("2026-08-01T02:00:00.5+02:00", 1_785_542_400_500_000_000),
            ("2026-07-31T22:30:00-01:30", 1_785_542_400_000_000_000),
            ("0001-01-01T00:00:00Z", i64::MIN),
        ] {
            let expected = (nanos != i64::MIN).then_some(nanos);
            assert_eq!(parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "2026",
            "2026-08-01 12:00:00Z",
            "2026-08-01T12:00:00",
            "2026-13-01T12:00:00Z",
            "2026-08-01T12:00:00.Z",
            "2026-08-01T12:00:00.1234567890Z",
            "2026-08-01T12:00:00Zx",
            "2026-08-01T12:00:00+0200",
            "2026-08-0xT12:00:00Z",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
