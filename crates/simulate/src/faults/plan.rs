//! What happens to a response on its way, request by request.

use std::time::Duration;

use feed::{
    ApiError,
    server::{Fault as Misfortune, Plan},
};

use super::{FaultKind, Faults};
use crate::hash::{happens, mix};

impl Faults {
    /// What the response to the request with this number, counted from 1, meets on its way.
    pub fn plan(&self, request: u64) -> Plan {
        let mut plan = Plan::default();
        for (number, fault) in self.all.iter().enumerate() {
            let luck = mix(mix(self.seed, number as u64), request);
            let hit = happens(luck, fault.rate);
            match fault.kind {
                FaultKind::Slow(delay) if hit => plan.delay += delay,
                FaultKind::Revoke(after) if fault.rate > 0.0 && request > after => {
                    plan.fault = Some(Misfortune::Revoked);
                }
                FaultKind::RateLimit(burst) if plan.fault.is_none() => {
                    let begun = |ago| happens(mix(mix(self.seed, number as u64), request - ago), fault.rate);
                    if (0..burst.min(request)).any(begun) {
                        // Every other time without the header.
                        let wait = (mix(self.seed, request / 16) & 1 == 0).then_some(Duration::from_secs(1));
                        let error = ApiError::rate_limited("the simulated budget is used up", wait);
                        plan.fault = Some(Misfortune::Error(error));
                    }
                }
                kind if hit && plan.fault.is_none() => plan.fault = misfortune(kind, luck),
                _ => {}
            }
        }
        plan
    }
}

fn misfortune(kind: FaultKind, luck: u64) -> Option<Misfortune> {
    let luck = mix(luck, 1);
    Some(match kind {
        // Gateways in front of a feed answer without the feed's error body, half of the time.
        FaultKind::Status(status @ 502..=504) if luck & 1 == 0 => Misfortune::Bare(status),
        FaultKind::Status(status) => Misfortune::Error(ApiError::new(status, "simulated")),
        FaultKind::Final => {
            Misfortune::Error(ApiError { should_retry: Some(false), ..ApiError::new(500, "simulated, for good") })
        }
        FaultKind::Cut => Misfortune::Cut { share: (luck >> 11) as f64 / (1u64 << 53) as f64, declared: luck & 1 == 0 },
        FaultKind::InvalidJson => Misfortune::InvalidJson,
        FaultKind::Drop => Misfortune::Drop,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults<const N: usize>(specifications: [&str; N]) -> Faults {
        Faults::new(specifications.map(|text| text.parse().unwrap()).to_vec(), 7)
    }

    #[test]
    fn requests_fail_as_often_as_asked_and_always_the_same() {
        let faults = faults(["error503=5%", "cut=1%", "slow=100%:300ms"]);
        let plans: Vec<Plan> = (1..=10_000).map(|request| faults.plan(request)).collect();
        let errors = plans
            .iter()
            .filter(|plan| matches!(plan.fault, Some(Misfortune::Bare(503) | Misfortune::Error(_))))
            .count();
        assert!((400..600).contains(&errors), "{errors}");
        assert!(plans.iter().all(|plan| plan.delay == Duration::from_millis(300)));
        assert_eq!(plans[99], faults.plan(100));
    }

    #[test]
    fn bursts_last_and_revocation_stays() {
        let faults = faults(["ratelimit=1%:7", "revoke=1:500"]);
        let limited: Vec<bool> = (1..=500).map(|request| faults.plan(request).fault.is_some()).collect();
        let runs: Vec<usize> = limited.chunk_by(|a, b| a == b).filter(|run| run[0]).map(<[bool]>::len).collect();
        assert!(!runs.is_empty() && runs[..runs.len() - 1].iter().all(|&run| run >= 7), "{runs:?}");
        assert!((501..600).all(|request| faults.plan(request).fault == Some(Misfortune::Revoked)));
    }
}
