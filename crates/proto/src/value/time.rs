//! RFC 3339 texts, of the proleptic Gregorian calendar from year 0000 to year 9999, and ISO 8601 durations.

const DAY: i64 = 86_400_000_000;
const FIRST_DAY: i64 = days_of(0, 1, 1);
const LAST_DAY: i64 = days_of(9999, 12, 31);

/// Days from 1970-01-01 to a day of the calendar. Years begin in March, so that a leap day comes last.
pub const fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of a day that many days from 1970-01-01.
pub fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Whether a moment lies in the years 0000 to 9999.
pub(super) fn in_range(micros: i64) -> bool {
    (FIRST_DAY..=LAST_DAY).contains(&micros.div_euclid(DAY))
}

/// A moment outside the years 0000 to 9999 is written as the nearest one inside.
pub(super) fn write_datetime(micros: i64) -> String {
    let micros = micros.clamp(FIRST_DAY * DAY, (LAST_DAY + 1) * DAY - 1);
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let in_day = micros.rem_euclid(DAY);
    let (seconds, fraction) = (in_day / 1_000_000, in_day % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = match fraction {
        0 => String::new(),
        fraction if fraction % 1000 == 0 => format!(".{:03}", fraction / 1000),
        fraction => format!(".{fraction:06}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// A day outside the years 0000 to 9999 is written as the nearest one inside.
pub(super) fn write_date(days: i32) -> String {
    let (year, month, day) = civil(i64::from(days).clamp(FIRST_DAY, LAST_DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

pub(super) fn parse_date(text: &str) -> Option<i32> {
    let mut text = Text(text.as_bytes());
    let days = text.date()?;
    text.0.is_empty().then(|| i32::try_from(days).ok()).flatten()
}

/// Digits of a fraction past the sixth are dropped. A leap second is refused: there is no such moment in Unix time.
pub(super) fn parse_datetime(text: &str) -> Option<i64> {
    let mut text = Text(text.as_bytes());
    let days = text.date()?;
    text.one_of(b"Tt ")?;
    let hour = text.number(2, 23)?;
    text.one_of(b":")?;
    let minute = text.number(2, 59)?;
    text.one_of(b":")?;
    let second = text.number(2, 59)?;
    let fraction = if text.one_of(b".").is_some() { text.fraction()? } else { 0 };
    let offset = match text.one_of(b"Zz+-")? {
        sign @ (b'+' | b'-') => {
            let hours = text.number(2, 23)?;
            text.one_of(b":")?;
            let minutes = text.number(2, 59)?;
            (hours * 60 + minutes) * if sign == b'-' { -1 } else { 1 }
        }
        _ => 0,
    };
    let seconds = (hour * 60 + minute - offset) * 60 + second;
    let micros = days * DAY + seconds * 1_000_000 + fraction;
    (text.0.is_empty() && in_range(micros)).then_some(micros)
}

/// `PT90.5S`, `-PT1S`: whole and decimal seconds only.
pub(super) fn write_duration(micros: i64) -> String {
    let (seconds, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let sign = if micros < 0 { "-" } else { "" };
    let fraction = match fraction {
        0 => String::new(),
        fraction => format!(".{fraction:06}").trim_end_matches('0').to_owned(),
    };
    format!("{sign}PT{seconds}{fraction}S")
}

/// Reads ISO 8601 durations of weeks, days, hours, minutes and seconds; months and years have no length.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (days, times) = match rest.strip_prefix('P')?.split_once('T') {
        Some((days, times)) if !times.is_empty() => (days, times),
        Some(_) => return None,
        None => (rest.strip_prefix('P')?, ""),
    };
    if days.is_empty() && times.is_empty() {
        return None;
    }
    let micros = parts(days, &[(b'W', 604_800), (b'D', 86_400)])?
        .checked_add(parts(times, &[(b'H', 3600), (b'M', 60), (b'S', 1)])?)?;
    i64::try_from(sign * micros).ok()
}

/// The sum of parts like `1H30M`, each unit at most once and in order, in microseconds.
fn parts(text: &str, units: &[(u8, i128)]) -> Option<i128> {
    let mut text = Text(text.as_bytes());
    let (mut sum, mut units) = (0i128, units.iter());
    while !text.0.is_empty() {
        let digits = text.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (whole, rest) = text.0.split_at(digits);
        text.0 = rest;
        let whole: i128 = i128::from(std::str::from_utf8(whole).ok()?.parse::<u64>().ok()?);
        let fraction = match text.one_of(b".") {
            Some(_) => Some(text.fraction()?),
            None => None,
        };
        let (unit, rest) = text.0.split_first()?;
        text.0 = rest;
        let (_, seconds) = units.find(|(name, _)| name == unit)?;
        if fraction.is_some() && *unit != b'S' {
            return None;
        }
        sum += whole * seconds * 1_000_000 + i128::from(fraction.unwrap_or(0));
    }
    Some(sum)
}

struct Text<'a>(&'a [u8]);

impl Text<'_> {
    fn one_of(&mut self, choices: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        choices.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    fn number(&mut self, digits: usize, max: i64) -> Option<i64> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + i64::from(self.one_of(b"0123456789")? - b'0');
        }
        (number <= max).then_some(number)
    }

    /// Microseconds, from at least one digit after the point.
    fn fraction(&mut self) -> Option<i64> {
        let (mut micros, mut unit, mut digits) = (0, 100_000, 0);
        while let Some(digit) = self.one_of(b"0123456789") {
            micros += i64::from(digit - b'0') * unit;
            unit /= 10;
            digits += 1;
        }
        (digits > 0).then_some(micros)
    }

    fn date(&mut self) -> Option<i64> {
        let year = self.number(4, 9999)?;
        self.one_of(b"-")?;
        let month = self.number(2, 12)?;
        self.one_of(b"-")?;
        let day = self.number(2, 31)?;
        let days = days_of(year, month, day);
        // A day that the month does not have comes back as another.
        (civil(days) == (year, month, day)).then_some(days)
    }
}
