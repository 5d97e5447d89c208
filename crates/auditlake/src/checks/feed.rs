//! The feed itself: one page is asked for, and everything that its answer tells is looked at.

use ::feed::{
    Page, Query,
    client::{Error, ErrorKind, Exchange},
};
use activity::Activity;
use jiff::SignedDuration;

use super::{Finding, Patient, chain, lag, network};
use crate::config::{NEW_KEY, SourceConfig};

const ANSWER: &str = "answer";
const KEY: &str = "key accepted";
const CLOCK: &str = "clock";
const PAGE: &str = "page";
const BUDGET: &str = "budget";

/// Activities to look at.
const SAMPLE: u32 = 100;
/// A difference of clocks that somebody should know of, and one that makes times wrong.
const NOTICEABLE: SignedDuration = SignedDuration::from_secs(5);
const WRONG: SignedDuration = SignedDuration::from_secs(300);

pub async fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    let Patient { source, client, .. } = patient;
    let query = Query { limit: SAMPLE, organization_ids: source.organization_ids.clone(), ..Query::default() };
    match patient.page(&query).await {
        Ok(response) => {
            let millis = response.exchange.elapsed.as_millis();
            findings.push(Finding::ok(network::CONNECTION, format!("{} answers in {millis} ms", client.base_url())));
            findings.push(Finding::ok(KEY, "the feed knows the key, and it has the scope read:compliance_activities"));
            findings.extend(clock(&response.exchange));
            findings.push(page(&response.page));
            findings.push(budget(source, &response.exchange));
            findings.push(lag::check(patient, &response.exchange).await);
        }
        Err(error) => {
            findings.push(refusal(patient, &error));
            findings.extend(clock(&error.exchange));
        }
    }
}

/// Why there is no page, and what to do.
fn refusal(patient: &Patient<'_>, error: &Error) -> Finding {
    let base = patient.client.base_url();
    let api = match &error.kind {
        ErrorKind::Api(api) => api,
        ErrorKind::Connect(inner) | ErrorKind::Timeout(inner) => {
            let has_proxy = base.parse().is_ok_and(|uri| network::proxy(patient, &uri).is_some());
            return network::no_connection(base, has_proxy, inner);
        }
        ErrorKind::Invalid(_) => {
            let todo = "look at base_url: what answers there is no Activity Feed";
            return Finding::fail(PAGE, chain(&error.kind), todo);
        }
        _ => {
            let todo = "check again; if it stays, look at what stands between this machine and the feed";
            return Finding::fail(ANSWER, chain(&error.kind), todo);
        }
    };
    let is_feed = api.request_id.is_some() || error.exchange.request_id.is_some();
    let message = &api.message;
    match api.status {
        401 => {
            Finding::fail(KEY, format!("401: the feed does not know this key, or it is revoked ({message})"), NEW_KEY)
        }
        403 if !is_feed => Finding::fail(
            ANSWER,
            format!("403, but not from the feed: a proxy or gateway refuses ({message})"),
            "ask who runs the proxy or gateway to let requests to the feed through",
        ),
        403 => match scopes(message) {
            Some((got, needed)) => Finding::fail(
                KEY,
                format!("403: the key lacks the scope {needed}; it has {got}"),
                "scopes of a key never change: make a new Compliance Access Key with the scope read:compliance_activities",
            ),
            None => Finding::fail(
                KEY,
                format!("403: the feed is not open to this organization ({message})"),
                "the Compliance API is part of the Claude Enterprise plan and has to be enabled by an owner, in the organization's settings under Data and privacy; an Admin API key has to be made after that",
            ),
        },
        404 => Finding::fail(
            ANSWER,
            format!("404: there is no Activity Feed at {base}"),
            "base_url is the host alone, such as https://api.anthropic.com: leave it out for Anthropic's own",
        ),
        429 => Finding::warn(
            BUDGET,
            format!(
                "429: the budget of the organization is used up{}",
                api.retry_after.map(|wait| format!("; {} s to wait", wait.as_secs())).unwrap_or_default()
            ),
            "other tools use the same budget, 600 requests a minute for all keys of an organization: leave them a larger share (leave_percent), or ask less often there",
        ),
        400 => Finding::fail(
            ANSWER,
            format!("400: the feed does not accept the request ({message})"),
            "look at organization_ids of this source",
        ),
        300..400 => Finding::fail(ANSWER, format!("{}: {message}", api.status), "set base_url to the final address"),
        500.. if is_feed => Finding::fail(
            ANSWER,
            format!("{}: the feed has a problem of its own ({message})", api.status),
            "check again later; a running service asks again by itself and loses nothing",
        ),
        _ => Finding::fail(
            ANSWER,
            format!("{} from something that is not the feed ({message})", api.status),
            "look at base_url, and at the proxy or gateway on the way",
        ),
    }
}

/// What a 403 for lack of a scope says: `Got: […] Needed: […]`.
fn scopes(message: &str) -> Option<(String, String)> {
    let list = |name: &str| {
        let rest = message.split_once(name)?.1.trim_start().strip_prefix('[')?;
        Some(rest.split_once(']')?.0.trim().to_owned())
    };
    let (got, needed) = (list("Got:")?, list("Needed:")?);
    Some((if got.is_empty() { "none".to_owned() } else { got }, needed))
}

/// This machine's clock against the feed's.
fn clock(exchange: &Exchange) -> Option<Finding> {
    let skew = exchange.clock_skew()?;
    let (seconds, way) = (skew.as_secs().unsigned_abs(), if skew.is_negative() { "ahead of" } else { "behind" });
    let saw = format!("this machine is {seconds} s {way} the feed");
    let todo = "let this machine's clock be set by NTP (timedatectl set-ntp true): `receivedAt` and ages such as 24h are wrong until then; nothing is lost";
    Some(match skew.abs() {
        skew if skew >= WRONG => Finding::fail(CLOCK, saw, todo),
        skew if skew >= NOTICEABLE => Finding::warn(CLOCK, saw, todo),
        _ => Finding::ok(CLOCK, "agrees with the feed's to a few seconds"),
    })
}

fn page(page: &Page) -> Finding {
    let wrong = page.data.iter().filter_map(|raw| Activity::parse(raw).err().map(|error| error.to_string()));
    let (count, mut wrong) = (page.data.len(), wrong.collect::<Vec<_>>());
    match wrong.pop() {
        Some(reason) => Finding::warn(
            PAGE,
            format!("of {count} activities, {} cannot be read: {reason}", wrong.len() + 1),
            "they are kept in rejects/; report the reason",
        ),
        None if count == 0 => Finding::warn(
            PAGE,
            "the feed shows no activity yet",
            "wait a minute, and look at organization_ids of this source",
        ),
        None => Finding::ok(PAGE, format!("{count} activities, all readable")),
    }
}

/// The budget that the feed names, and the share that is left to others.
fn budget(source: &SourceConfig, exchange: &Exchange) -> Finding {
    let rate = exchange.rate_limit;
    let share = source.leave_percent;
    let Some(limit) = rate.limit else {
        let own = source.requests_per_minute;
        return Finding::ok(
            BUDGET,
            format!("the feed names none; {own} a minute are assumed, {share} % of them left to others"),
        );
    };
    let remaining = rate.remaining.map(|left| format!(", {left} of them left now")).unwrap_or_default();
    let saw = format!("{limit} requests a minute{remaining}; {share} % are left to the company's other tools");
    match rate.remaining {
        Some(left) if left * 100 <= limit * u64::from(share) => {
            let todo = "other tools use most of it now: the past is read more slowly; see which tools ask (`auditlake search type:compliance_api_accessed`)";
            Finding::warn(BUDGET, saw, todo)
        }
        _ => Finding::ok(BUDGET, saw),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_scopes() {
        let error = ::feed::ApiError::missing_scope(&["read:users"], "read:compliance_activities");
        assert_eq!(scopes(&error.message), Some(("read:users".into(), "read:compliance_activities".into())));
        let error = ::feed::ApiError::missing_scope(&[] as &[&str], "x");
        assert_eq!(scopes(&error.message), Some(("none".into(), "x".into())));
        assert_eq!(scopes("the Compliance API is not enabled"), None);
    }
}
