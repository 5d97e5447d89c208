//! Faults, by specification: what goes wrong between the organization and whoever reads its feed.
//!
//! A specification is `NAME=RATE[:ARGUMENT]`. *Data faults* change what a page holds and are applied by the
//! [`crate::Simulation`]; *transport faults* change how a response travels, are decided here by [`Faults::transport`], and
//! carried out by whoever serves HTTP. Every decision follows from the seed and the number of the request, or the id of the
//! activity: the same run goes wrong in the same way.

use std::{str::FromStr, time::Duration};

use crate::hash::{happens, mix};

/// A fault and how often it happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How often, from 0 to 1: of requests, of activities, or of all for a fault that either is or is not.
    pub rate: f64,
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// `error500`, `error502`, `error503`, `error504`, `error529`: this status, worth a retry.
    Status(u16),
    /// `error500-final`: status 500 with `x-should-retry: false`.
    Final,
    /// `ratelimit=RATE[:REQUESTS]`: a burst of 429 that lasts so many requests (5).
    RateLimit(u64),
    /// `cut`: the body ends early.
    Cut,
    /// `invalid-json`: the body is no JSON.
    InvalidJson,
    /// `drop`: the connection is closed without an answer.
    Drop,
    /// `slow=RATE:TIME`: the answer waits.
    Slow(Duration),
    /// `late=RATE:TIME`: an activity is indexed later, by up to this.
    Late(Duration),
    /// `duplicate`: an activity is delivered twice, one after the other, in a page or across two.
    Duplicate,
    /// `early-end`: `has_more` is false although more follows. The same request answers rightly the next time.
    EarlyEnd,
    /// `blank-names=RATE[:TIME]`: names are blank when an activity is read again, so long after it was first read (60 s of
    /// real time, so that a retry after a broken connection still finds them).
    BlankNames(Duration),
    /// `unknown`: extra activities with types, actors and fields that no catalogue has, as a share of all.
    Unknown,
    /// `skew=RATE:TIME`: the feed's clock is ahead (`-TIME`: behind; the sign is [`Fault`]'s [`Skew`]). At 100 % the
    /// simulated clock itself, otherwise the `Date` header of single responses.
    Skew(Skew),
    /// `revoke=RATE:REQUESTS`: the key is revoked after so many requests.
    Revoke(u64),
}

/// How far a clock is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// By how much.
    pub by: Duration,
    /// Whether it is behind instead of ahead.
    pub behind: bool,
}

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

/// What a response meets on its way. The HTTP layer waits for `delay`, then carries out `fault`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transport {
    /// How long the response waits.
    pub delay: Option<Duration>,
    /// What happens instead of a proper answer.
    pub fault: Option<TransportFault>,
    /// By how much the `Date` header is off.
    pub date: Option<Skew>,
}

/// What happens instead of a proper answer.
#[derive(Debug, Clone, PartialEq)]
pub enum TransportFault {
    /// An error status: 500, 502, 503, 504 or 529. `final_` stands for `x-should-retry: false`.
    Status {
        /// The status.
        status: u16,
        /// Whether a retry is useless.
        final_: bool,
    },
    /// 429, with `retry-after` if there is one.
    RateLimit {
        /// What `retry-after` says.
        retry_after: Option<Duration>,
    },
    /// The body ends after this share of its bytes, though its length was announced.
    Cut {
        /// From 0 to 1.
        after: f64,
    },
    /// The body's JSON is broken.
    InvalidJson,
    /// The connection is closed without an answer.
    Drop,
    /// 401: the key is revoked.
    Revoked,
}

/// All faults of a simulation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    pub(crate) all: Vec<Fault>,
    seed: u64,
}

impl Faults {
    /// These faults, with the luck of this seed.
    pub fn new(all: Vec<Fault>, seed: u64) -> Faults {
        Faults { all, seed: mix(seed, 0xfa17) }
    }

    /// What the response to the request with this number (from 1, counted by whoever serves) meets.
    pub fn transport(&self, request: u64) -> Transport {
        let mut found = Transport::default();
        for (number, fault) in self.all.iter().enumerate() {
            let luck = mix(mix(self.seed, number as u64), request);
            let hit = happens(luck, fault.rate);
            match fault.kind {
                FaultKind::Slow(delay) if hit => found.delay = Some(found.delay.unwrap_or_default() + delay),
                FaultKind::Skew(skew) if hit && fault.rate < 1.0 => found.date = Some(skew),
                FaultKind::Revoke(after) if fault.rate > 0.0 && request > after => {
                    found.fault = Some(TransportFault::Revoked);
                }
                FaultKind::RateLimit(burst) if found.fault.is_none() => {
                    let begun = |ago| happens(mix(mix(self.seed, number as u64), request - ago), fault.rate);
                    if (0..burst.min(request)).any(begun) {
                        // Every other burst comes without the header.
                        let retry_after = (mix(self.seed, request / 16) & 1 == 0).then_some(Duration::from_secs(1));
                        found.fault = Some(TransportFault::RateLimit { retry_after });
                    }
                }
                kind if hit && found.fault.is_none() => found.fault = broken(kind, luck),
                _ => {}
            }
        }
        found
    }

    /// The rate of the data fault of this kind, and whether an activity is hit.
    pub(crate) fn rate(&self, is: impl Fn(FaultKind) -> bool) -> f64 {
        self.all.iter().filter(|fault| is(fault.kind)).map(|fault| fault.rate).sum::<f64>().min(1.0)
    }

    /// Luck of its own for a kind of decision.
    pub(crate) fn luck(&self, salt: u64, of: u64) -> u64 {
        mix(mix(self.seed, salt), of)
    }
}

fn broken(kind: FaultKind, luck: u64) -> Option<TransportFault> {
    Some(match kind {
        FaultKind::Status(status) => TransportFault::Status { status, final_: false },
        FaultKind::Final => TransportFault::Status { status: 500, final_: true },
        FaultKind::Cut => TransportFault::Cut { after: (mix(luck, 1) >> 11) as f64 / (1u64 << 53) as f64 },
        FaultKind::InvalidJson => TransportFault::InvalidJson,
        FaultKind::Drop => TransportFault::Drop,
        _ => return None,
    })
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

    #[test]
    fn requests_fail_as_often_as_asked_and_always_the_same() {
        let all = ["error503=5%", "cut=1%", "slow=100%:300ms"].map(|text| text.parse().unwrap()).to_vec();
        let faults = Faults::new(all, 7);
        let found: Vec<Transport> = (1..=10_000).map(|request| faults.transport(request)).collect();
        let errors = found.iter().filter(|found| matches!(found.fault, Some(TransportFault::Status { .. }))).count();
        assert!((400..600).contains(&errors), "{errors}");
        assert!(found.iter().all(|found| found.delay == Some(Duration::from_millis(300))));
        assert_eq!(found[99], faults.transport(100));
    }

    #[test]
    fn bursts_last_and_revocation_stays() {
        let all = ["ratelimit=1%:7", "revoke=1:500"].map(|text| text.parse().unwrap()).to_vec();
        let faults = Faults::new(all, 3);
        let limited: Vec<bool> = (1..=500)
            .map(|request| matches!(faults.transport(request).fault, Some(TransportFault::RateLimit { .. })))
            .collect();
        let runs: Vec<usize> = limited.chunk_by(|a, b| a == b).filter(|run| run[0]).map(<[bool]>::len).collect();
        assert!(!runs.is_empty() && runs[..runs.len() - 1].iter().all(|&run| run >= 7), "{runs:?}");
        assert!((501..600).all(|request| faults.transport(request).fault == Some(TransportFault::Revoked)));
    }
}
