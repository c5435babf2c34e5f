//! Values that are more than TOML knows: lengths of time, permissions, signals, one of a few words.

use std::fmt;
use std::time::Duration;

use brigade_sys::signals::Signal;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// A length of time: `"30s"`, `"500ms"`, `"2m"`, `"1h"`, or a number of seconds.
#[derive(Clone, Copy)]
pub(super) struct Length(pub(super) Duration);

/// Permissions, in octal: `"0660"`.
#[derive(Clone, Copy)]
pub(super) struct Mode(pub(super) u32);

/// A signal: `"TERM"`, `"SIGTERM"`, or its number.
#[derive(Clone, Copy)]
pub(super) struct SignalName(pub(super) Signal);

/// One word of a few, which the reader of the table knows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Choice(pub(super) String);

/// The longest time that a configuration may ask for.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

pub(super) fn parse_length(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    bounded(number.parse::<f64>().ok()? * seconds)
}

fn bounded(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().filter(|length| *length <= LONGEST)
}

/// Makes a [`Deserialize`] of a function from text and one from a number.
struct Reader<T> {
    expecting: &'static str,
    from_text: fn(&str) -> Option<T>,
    from_number: fn(f64) -> Option<T>,
}

impl<T> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.from_text)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        (self.from_number)(number as f64)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        (self.from_number)(number)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Float(number), &self))
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader {
            expecting: "a length of time such as \"30s\", \"500ms\" or \"2m\", at most a year",
            from_text: |text| parse_length(text).map(Length),
            from_number: |seconds| bounded(seconds).map(Length),
        })
    }
}

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader {
            expecting: "permissions such as \"0660\", at most \"0777\"",
            from_text: |text| {
                u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777).map(Mode)
            },
            from_number: |_| None,
        })
    }
}

impl<'de> Deserialize<'de> for SignalName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader {
            expecting: "a signal such as \"TERM\" or \"QUIT\", or its number",
            from_text: |text| text.parse().ok().map(SignalName),
            from_number: |number| Signal::from_number(number as i32).map(SignalName),
        })
    }
}
