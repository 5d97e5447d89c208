//! Reads a fault's specification, `NAME=RATE[:ARGUMENT]`.

use std::{str::FromStr, time::Duration};

use super::{Fault, FaultKind, Skew};

/// What is wrong with a fault's specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault {specification:?}: {reason}")]
pub struct FaultError {
    specification: String,
    reason: String,
}

const NAMES: &str = "error500, error500-final, error502, error503, error504, error529, ratelimit, cut, invalid-json, drop, \
                     slow, late, duplicate, early-end, blank-names, unknown, skew, revoke";

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(specification: &str) -> Result<Fault, FaultError> {
        parse(specification).map_err(|reason| FaultError { specification: specification.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Fault, String> {
    let (name, rest) = text.split_once('=').ok_or("a rate is missing; write NAME=RATE, such as error503=5%")?;
    let (rate, argument) = rest.split_once(':').map_or((rest, None), |(rate, argument)| (rate, Some(argument)));
    let rate = parse_rate(rate)?;
    let count = |default: Option<u64>| match argument {
        Some(text) => text.parse().map_err(|_| format!("{text:?} is not a number of requests")),
        None => default.ok_or_else(|| format!("{name} needs a number of requests, such as {name}={rate}:500")),
    };
    let span = |default: Option<u64>| match argument {
        Some(text) => parse_duration(text),
        None => {
            default.map(Duration::from_secs).ok_or_else(|| format!("{name} needs a time, such as {name}={rate}:30s"))
        }
    };
    let kind = match name {
        "error500" => FaultKind::Status(500),
        "error502" => FaultKind::Status(502),
        "error503" => FaultKind::Status(503),
        "error504" => FaultKind::Status(504),
        "error529" => FaultKind::Status(529),
        "error500-final" => FaultKind::Final,
        "ratelimit" => FaultKind::RateLimit(count(Some(5))?.clamp(1, 1_000)),
        "cut" => FaultKind::Cut,
        "invalid-json" => FaultKind::InvalidJson,
        "drop" => FaultKind::Drop,
        "slow" => FaultKind::Slow(span(None)?),
        "late" => FaultKind::Late(span(None)?),
        "duplicate" => FaultKind::Duplicate,
        "early-end" => FaultKind::EarlyEnd,
        "blank-names" => FaultKind::BlankNames(span(Some(60))?),
        "unknown" => FaultKind::Unknown,
        "skew" => {
            let text = argument.ok_or("skew needs a time, such as skew=100%:1h or skew=100%:-1h")?;
            let behind = text.starts_with('-');
            FaultKind::Skew(Skew { by: parse_duration(text.trim_start_matches('-'))?, behind })
        }
        "revoke" => FaultKind::Revoke(count(None)?),
        _ => return Err(format!("no such fault; there are {NAMES}")),
    };
    let takes_argument = matches!(
        kind,
        FaultKind::RateLimit(_)
            | FaultKind::Slow(_)
            | FaultKind::Late(_)
            | FaultKind::BlankNames(_)
            | FaultKind::Skew(_)
            | FaultKind::Revoke(_)
    );
    match argument {
        Some(argument) if !takes_argument => Err(format!("{name} takes no argument, but {argument:?} is given")),
        _ => Ok(Fault { kind, rate }),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let rate = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
        None => text.trim().parse::<f64>(),
    };
    rate.ok()
        .filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or_else(|| format!("{text:?} is no rate; write a share such as 5%, 0.05 or 1"))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let error = || format!("{text:?} is no time; write 300ms, 30s, 30m, 1h or 2d");
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(error)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| error())?;
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(error()),
    };
    number.checked_mul(unit_ms).map(Duration::from_millis).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(specification: &str, expected: Result<Fault, &str>) {
        let found = specification.parse::<Fault>().map_err(|error| error.reason);
        assert_eq!(found, expected.map_err(str::to_owned), "{specification}");
    }

    #[test]
    fn specifications() {
        let fault = |kind, rate| Ok(Fault { kind, rate });
        check("error503=5%", fault(FaultKind::Status(503), 0.05));
        check("slow=100%:300ms", fault(FaultKind::Slow(Duration::from_millis(300)), 1.0));
        check("late=1%:30m", fault(FaultKind::Late(Duration::from_secs(1_800)), 0.01));
        check("revoke=1:500", fault(FaultKind::Revoke(500), 1.0));
        check("skew=100%:-1h", fault(FaultKind::Skew(Skew { by: Duration::from_secs(3_600), behind: true }), 1.0));
        check("ratelimit=0.01", fault(FaultKind::RateLimit(5), 0.01));
        check("cut", Err("a rate is missing; write NAME=RATE, such as error503=5%"));
        check("cut=200%", Err("\"200%\" is no rate; write a share such as 5%, 0.05 or 1"));
        check("cut=NaN", Err("\"NaN\" is no rate; write a share such as 5%, 0.05 or 1"));
        check("cut=1%:5s", Err("cut takes no argument, but \"5s\" is given"));
        check("late=1%", Err("late needs a time, such as late=0.01:30s"));
        check("slow=1%:5", Err("\"5\" is no time; write 300ms, 30s, 30m, 1h or 2d"));
        assert!("flood=1%".parse::<Fault>().unwrap_err().to_string().contains("there are error500, "));
    }
}
