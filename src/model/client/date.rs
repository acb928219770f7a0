//! Moments as Python writes them: ISO 8601 with or without a fraction and an offset.

/// Whole seconds since 1970-01-01 UTC, rounded down, of `YYYY-MM-DD`, `T` or a space, `HH:MM`, `:SS` and a fraction if
/// they are there, and `Z`, `±HH:MM`, `±HHMM`, `±HH` or nothing, which is UTC. `None` for anything else, and for days
/// that are in no calendar.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let mut rest = Rest(text.trim().as_bytes());
    let year = rest.digits(4)?;
    rest.take(b"-")?;
    let month = rest.digits(2)?;
    rest.take(b"-")?;
    let day = rest.digits(2)?;
    rest.take(b"T").or_else(|| rest.take(b" "))?;
    let hour = rest.digits(2)?;
    rest.take(b":")?;
    let minute = rest.digits(2)?;
    let mut second = 0;
    if rest.take(b":").is_some() {
        second = rest.digits(2)?;
        if rest.take(b".").or_else(|| rest.take(b",")).is_some() {
            rest.fraction()?;
        }
    }
    let offset = rest.offset()?;
    // A leap second is the one after it, as Unix counts.
    let exists = hour < 24 && minute < 60 && second <= 60 && rest.0.is_empty();
    let days = exists.then(|| days(year, month, day))??;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second - offset)
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, digit| {
            digit
                .is_ascii_digit()
                .then(|| number * 10 + i64::from(digit - b'0'))
        })
    }

    /// Passes over the digits of a fraction.
    fn fraction(&mut self) -> Option<()> {
        let digits = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.0 = &self.0[digits..];
        (digits > 0).then_some(())
    }

    /// Seconds east of Greenwich.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.0.first() {
            None => return Some(0),
            Some(b'Z' | b'z') => {
                self.0 = &self.0[1..];
                return Some(0);
            }
            Some(b'+') => 1,
            Some(b'-') => -1,
            Some(_) => return None,
        };
        self.0 = &self.0[1..];
        let hours = self.digits(2)?;
        let mut minutes = 0;
        if self.take(b":").is_some() || !self.0.is_empty() {
            minutes = self.digits(2)?;
        }
        (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
    }
}

/// Days since 1970-01-01 in the Gregorian calendar, for the years 0 to 9999.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    const BEFORE: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const LENGTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let index = usize::try_from(month - 1).ok()?;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = LENGTHS.get(index)? + i64::from(leap && month == 2);
    if !(1..=length).contains(&day) {
        return None;
    }
    // Leap days of the years before this one, and this year's once February is over.
    let past = year - 1;
    let leap_days =
        past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) + i64::from(leap && month > 2);
    const LEAP_DAYS_TO_1970: i64 = 477;
    Some((year - 1970) * 365 + leap_days - LEAP_DAYS_TO_1970 + BEFORE[index] + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_python_writes_them() {
        let cases = [
            ("1970-01-01T00:00:00", 0),
            ("2020-02-29T12:34:56", 1_582_979_696),
            ("2020-02-29T12:34:56.999999", 1_582_979_696),
            ("2020-02-29T12:34:56.9Z", 1_582_979_696),
            ("2020-02-29 12:34:56+00:00", 1_582_979_696),
            ("2020-02-29T14:34:56.123456+02:00", 1_582_979_696),
            ("2020-02-29T07:04:56-0530", 1_582_979_696),
            ("2020-02-29T13:34:56+01", 1_582_979_696),
            ("2020-02-29T12:34", 1_582_979_640),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("1969-12-31T23:59:59.5", -1),
            ("0001-01-01T00:00:00", -62_135_596_800),
            ("9999-12-31T23:59:59", 253_402_300_799),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_not_read() {
        for text in [
            "",
            "yesterday",
            "2020-02-30T00:00:00",
            "2021-02-29T00:00:00",
            "2100-02-29T00:00:00",
            "2020-13-01T00:00:00",
            "2020-00-01T00:00:00",
            "2020-01-00T00:00:00",
            "2020-01-01",
            "2020-01-01T24:00:00",
            "2020-01-01T00:60:00",
            "2020-01-01T00:00:61",
            "2020-01-01T00:00:00.",
            "2020-01-01T00:00:00 UTC",
            "2020-01-01T00:00:00+1",
            "2020-01-01T00:00:00+25:00",
            "2020-01-01T00:00:00+01:",
            "2020-01-01T00:00:00Zx",
            "+020-01-01T00:00:00",
            "２０20-01-01T00:00:00",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
