//! Keys, headers, errors: everything around the page.

use std::collections::HashSet;

use super::{
    sample::Truth,
    trial::{Trial, Verdict, fail, read_page, skip},
};
use crate::{
    Query,
    client::{Ask, KeyChoice, Reply},
};

super::tasks! {
    "answers" "the feed answers 200 with JSON" answers
    "request-id" "every page has a request-id, each another" request_id
    "request-id-on-errors" "every error has a request-id" request_id_on_errors
    "error-body" "an error is {\"error\":{\"type\":…,\"message\":…}}" error_body
    "key-missing" "no key is a 401" key_missing
    "key-empty" "an empty key is a 401" key_empty
    "key-unknown" "a key that does not exist is a 401" key_unknown
    "key-before-query" "without a key a wrong query is a 401 too" key_before_query
    "path-unknown" "an unknown path is a 404" path_unknown
    "version-absent" "anthropic-version may be left out" version_absent
    "encoding-identity" "without accept-encoding the body is plain" identity
    "encoding-gzip" "accept-encoding: gzip gives the same page, compressed" gzip
    "rate-limit-headers" "a page says the limit, what is left and when it is whole again" rate_limit_headers
    "rate-limit-on-errors" "so does an error of a good key" rate_limit_on_errors
    "parameter-unknown" "a parameter that does not exist never breaks the feed" parameter_unknown
    "clock" "the feed's clock is within five minutes of this machine's" clock
}

fn header<'a>(reply: &'a Reply, name: &str) -> Verdict<&'a str> {
    match reply.headers.get(name).map(|value| value.to_str()) {
        Some(Ok(value)) if !value.is_empty() => Ok(value),
        Some(_) => fail(format!("header {name} is empty or no text")),
        None => fail(format!("header {name} is missing")),
    }
}

async fn answers(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.get("limit=1").await?;
    let seen = read_page(&reply)?;
    let kind = header(&reply, "content-type")?;
    if !kind.starts_with("application/json") {
        return fail(format!("content-type is {kind}"));
    }
    Ok(format!("200, {} activities", seen.rows.len()))
}

async fn request_id(trial: &mut Trial, _: &Truth) -> Verdict {
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let reply = trial.get("limit=1").await?;
        let id = header(&reply, "request-id")?;
        if !ids.insert(id.to_owned()) {
            return fail(format!("{id} came twice"));
        }
    }
    Ok("three different ones".into())
}

async fn request_id_on_errors(trial: &mut Trial, _: &Truth) -> Verdict {
    let no_key = trial.ask(Ask { key: KeyChoice::None, ..Ask::default() }).await?;
    let no_path = trial.ask(Ask { path: "/v1/compliance/no-such-thing", ..Ask::default() }).await?;
    let no_limit = trial.get("limit=0").await?;
    for reply in [no_key, no_path, no_limit] {
        header(&reply, "request-id")?;
    }
    Ok("on a 400, a 401 and a 404".into())
}

async fn error_body(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.get("limit=0").await?;
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let (kind, message) = (&body["error"]["type"], &body["error"]["message"]);
    if kind.is_string() && message.is_string() { Ok(body.to_string()) } else { fail(format!("the body is {body}")) }
}

async fn key_missing(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.ask(Ask { query: "limit=1", key: KeyChoice::None, ..Ask::default() }).await?;
    trial.refusal(&reply, 401)
}

async fn key_empty(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.ask(Ask { query: "limit=1", key: KeyChoice::Other(""), ..Ask::default() }).await?;
    trial.refusal(&reply, 401)
}

async fn key_unknown(trial: &mut Trial, _: &Truth) -> Verdict {
    let key = KeyChoice::Other("sk-ant-api01-conformance-check-not-a-key");
    let reply = trial.ask(Ask { query: "limit=1", key, ..Ask::default() }).await?;
    trial.refusal(&reply, 401)
}

async fn key_before_query(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.ask(Ask { query: "limit=0", key: KeyChoice::None, ..Ask::default() }).await?;
    trial.refusal(&reply, 401)
}

async fn path_unknown(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.ask(Ask { path: "/v1/compliance/no-such-thing", ..Ask::default() }).await?;
    trial.refusal(&reply, 404)
}

async fn version_absent(trial: &mut Trial, truth: &Truth) -> Verdict {
    let query = Query { limit: 5, ..truth.query() }.encode();
    let with = trial.page_of(&query).await?;
    let without = read_page(&trial.ask(Ask { query: &query, version: false, ..Ask::default() }).await?)?;
    if with.page.data == without.page.data { Ok("the same page".into()) } else { fail("another page") }
}

async fn identity(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.ask(Ask { query: "limit=10", encoding: Some("identity"), ..Ask::default() }).await?;
    read_page(&reply)?;
    Ok(format!("{} bytes of JSON", reply.body.len()))
}

async fn gzip(trial: &mut Trial, truth: &Truth) -> Verdict {
    let query = Query { limit: 50, ..truth.query() }.encode();
    let plain = read_page(&trial.ask(Ask { query: &query, encoding: Some("identity"), ..Ask::default() }).await?)?;
    let packed = trial.ask(Ask { query: &query, encoding: Some("gzip"), ..Ask::default() }).await?;
    let unpacked = trial.page_of(&query).await?;
    if plain.page.data != unpacked.page.data {
        return fail("unpacked, it is another page");
    }
    if packed.headers.get("content-encoding").is_none_or(|value| value != "gzip") {
        return skip("answered uncompressed, which the contract leaves open");
    }
    if !packed.body.starts_with(&[0x1f, 0x8b]) {
        return fail("content-encoding says gzip, the body is none");
    }
    Ok(format!("{} bytes", packed.body.len()))
}

fn rate_limit(reply: &Reply) -> Verdict {
    let number = |name: &str| -> Verdict<u64> {
        let text = header(reply, name)?;
        text.parse().or_else(|_| fail(format!("header {name} is {text:?}, no number")))
    };
    let limit = number("anthropic-ratelimit-requests-limit")?;
    let remaining = number("anthropic-ratelimit-requests-remaining")?;
    let reset = header(reply, "anthropic-ratelimit-requests-reset")?;
    if reset.parse::<jiff::Timestamp>().is_err() {
        return fail(format!("header anthropic-ratelimit-requests-reset is {reset:?}, no RFC 3339"));
    }
    if remaining > limit {
        return fail(format!("{remaining} of {limit} requests left"));
    }
    Ok(format!("{remaining} of {limit} requests left, whole at {reset}"))
}

async fn rate_limit_headers(trial: &mut Trial, _: &Truth) -> Verdict {
    rate_limit(&trial.get("limit=1").await?)
}

async fn rate_limit_on_errors(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.get("limit=0").await?;
    trial.refusal(&reply, 400)?;
    rate_limit(&reply)
}

async fn parameter_unknown(trial: &mut Trial, truth: &Truth) -> Verdict {
    let query = format!("{}&no_such_parameter=1", Query { limit: 5, ..truth.query() }.encode());
    let reply = trial.get(&query).await?;
    match reply.status {
        200 => read_page(&reply).map(|_| "ignored".into()),
        _ => trial.refusal(&reply, 400),
    }
}

async fn clock(trial: &mut Trial, _: &Truth) -> Verdict {
    let reply = trial.get("limit=1").await?;
    let Some(date) = reply.headers.get("date").and_then(|value| value.to_str().ok()) else {
        return skip("no date header");
    };
    let Ok(date) = httpdate::parse_http_date(date) else { return fail(format!("date is {date:?}")) };
    let now = std::time::SystemTime::now();
    let apart = now.duration_since(date).or_else(|_| date.duration_since(now)).unwrap_or_default();
    if apart.as_secs() < 300 {
        Ok(format!("{} s apart", apart.as_secs()))
    } else {
        fail(format!("{} s apart", apart.as_secs()))
    }
}
