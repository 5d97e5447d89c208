//! Asks the store for everything that a statement says.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use auditlake_store::{Covered, Span, SqlQuery, merged};
use collect::Account;
use futures::TryStreamExt;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    chain::Chain,
    method::Method,
    statement::{CLAIMS, DOES_NOT_CLAIM, Day, Source, Statement, Totals, VERSION},
};
use crate::{engine::Dialect, lake::Lake};

/// What to make a statement about.
pub struct Wanted {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Only this source.
    pub source: Option<String>,
    /// Only commits up to this one; all so far if `None`.
    pub seq: Option<u64>,
    /// Whose SQL the store takes.
    pub dialect: Dialect,
}

/// Makes a statement.
pub async fn gather(lake: &Lake, wanted: &Wanted) -> Result<Statement> {
    let asker = Asker { lake, wanted, method: Method::of(wanted.dialect) };
    let seq = match wanted.seq {
        Some(seq) => seq,
        None => asker.number("select coalesce(max(seq), 0) as n from commits").await?,
    };
    let mut sources = Vec::new();
    for name in asker.sources(seq).await? {
        sources.push(asker.source(&name, seq).await.with_context(|| format!("source {name}"))?);
    }
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let mut statement = Statement {
        what: "auditlake completeness statement".to_owned(),
        version: VERSION,
        program: format!("auditlake {}", env!("CARGO_PKG_VERSION")),
        made_at: Timestamp::now(),
        from: wanted.from,
        to: wanted.to,
        seq,
        complete: sources.iter().any(|source| source.kind == FEED)
            && sources.iter().all(|source| source.kind != FEED || source.complete),
        sources,
        claims: owned(&CLAIMS),
        does_not_claim: owned(&DOES_NOT_CLAIM),
        method: asker.method.told(),
        sha256: String::new(),
    };
    statement.sha256 = statement.own_hash();
    Ok(statement)
}

const FEED: &str = "feed";

struct Asker<'a> {
    lake: &'a Lake,
    wanted: &'a Wanted,
    method: &'static Method,
}

impl Asker<'_> {
    /// Calls `each` with every row of an answer.
    async fn each(&self, text: &str, params: &[(&str, &str)], mut each: impl FnMut(Value) -> Result<()>) -> Result<()> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let query = SqlQuery { text: text.to_owned(), params, timeout: None, max_rows: None };
        let mut rows = self.lake.sql(query).await?;
        while let Some(batch) = rows.batches.try_next().await? {
            let lines = web::json_lines(&batch)?;
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                each(serde_json::from_slice(line)?)?;
            }
        }
        Ok(())
    }

    async fn rows(&self, text: &str, params: &[(&str, &str)]) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        self.each(text, params, |row| {
            all.push(row);
            Ok(())
        })
        .await?;
        Ok(all)
    }

    async fn number(&self, text: &str) -> Result<u64> {
        Ok(self.rows(text, &[]).await?.first().and_then(|row| row["n"].as_u64()).unwrap_or(0))
    }

    async fn sources(&self, seq: u64) -> Result<Vec<String>> {
        let seq = seq.to_string();
        let names = self
            .rows(self.method.sources, &[("seq", &seq)])
            .await?
            .into_iter()
            .filter_map(|row| Some(row["s"].as_str()?.to_owned()));
        let wanted = &self.wanted.source;
        Ok(names.filter(|name| wanted.as_ref().is_none_or(|wanted| wanted == name)).collect())
    }

    async fn source(&self, name: &str, seq: u64) -> Result<Source> {
        let Wanted { from, to, .. } = *self.wanted;
        let (from_text, to_text, seq_text) = (from.to_string(), to.to_string(), seq.to_string());
        let params = [("from", from_text.as_str()), ("to", &to_text), ("seq", &seq_text), ("source", name)];
        let days = self.rows(self.method.days, &params).await?;
        let days = days.into_iter().map(|row| Ok(serde_json::from_value::<Day>(row)?)).collect::<Result<Vec<_>>>()?;
        let totals = self.rows(self.method.totals, &params).await?.into_iter().next().unwrap_or_default();
        let totals: Totals = serde_json::from_value(totals)?;
        let organizations = counts(self.rows(self.method.organizations, &params).await?, "o");
        let known = [("source", name), ("seq", &seq_text)];
        let mut chain = Chain::new(from, to);
        self.each(self.method.pages, &known, |row| {
            let at = moment(&row["happened_at"]).context("a time of the ledger")?;
            chain.page(at, &json(&row["detail"])?);
            Ok(())
        })
        .await?;
        let mut account = Account::default();
        self.each(self.method.coverage, &known, |row| {
            let kind = row["kind"].as_str().unwrap_or_default();
            account.take(kind, &json(&row["detail"])?).with_context(|| format!("an entry {kind:?} of the ledger"))
        })
        .await?;
        let mut requests = chain.finish();
        requests.errors = counts(self.rows(self.method.errors, &known).await?, "o");
        let drift = counts(self.rows(self.method.drift, &known[..1]).await?, "o");
        let is_feed = account.is_whole() || requests.pages > 0;
        let unreadable = within(account.unreadable().to_vec(), from, to);
        let covered: Vec<Covered> = account
            .covered()
            .iter()
            .filter(|stretch| stretch.from < to && stretch.to > from)
            .map(|stretch| Covered { from: stretch.from.max(from), to: stretch.to.min(to), ..*stretch })
            .collect();
        let gaps = gaps(&covered, from, to);
        let mut source = Source {
            source: name.to_owned(),
            kind: if is_feed { FEED } else { "other" }.to_owned(),
            complete: false,
            because: Vec::new(),
            organization_ids: account.organization_ids().map(str::to_owned).collect(),
            covered,
            gaps: if is_feed { gaps } else { Vec::new() },
            unreadable,
            totals,
            organizations,
            days,
            requests,
            drift,
        };
        source.because = reasons(&source);
        if is_feed {
            source.because.extend(self.doubt(name, seq, &account).await?);
        }
        source.complete = is_feed && source.because.is_empty();
        Ok(source)
    }

    /// Why what the ledger tells of coverage is not to be believed, if there is a reason.
    async fn doubt(&self, source: &str, seq: u64, account: &Account) -> Result<Option<String>> {
        if !account.is_whole() {
            return Ok(Some(
                "the ledger does not tell what was read: an older program collected it; collect once with this one, and make the statement again".to_owned(),
            ));
        }
        let rows = self
            .rows(
                "select value, seq from checkpoint_state where source_id = $source and name = $name",
                &[("source", source), ("name", Covered::CHECKPOINT)],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        // A later commit says nothing of an earlier one.
        let is_of_then = row["seq"].as_u64().is_some_and(|at| at <= seq);
        let covered: Vec<Covered> = serde_json::from_value(json(&row["value"])?).context("checkpoint covered")?;
        let is_other = is_of_then && covered != account.covered();
        Ok(is_other.then(|| "the ledger and the checkpoint do not say the same of what was read".to_owned()))
    }
}

/// Why a source of a feed is not complete.
fn reasons(source: &Source) -> Vec<String> {
    let mut because = Vec::new();
    if !source.gaps.is_empty() {
        let seconds: i64 = source.gaps.iter().map(|gap| gap.to.duration_since(gap.from).as_secs()).sum();
        because.push(format!("{} gaps, {seconds} s together, were not read to their ends", source.gaps.len()));
    }
    if !source.unreadable.is_empty() {
        because.push(format!("the feed could not be made to show {} stretches", source.unreadable.len()));
    }
    if !source.requests.broken.is_empty() {
        because
            .push(format!("{} pages go on from cursors that no page of the ledger gave", source.requests.broken.len()));
    }
    if source.requests.rejected > 0 {
        because.push(format!("{} records were no activities; they are kept in rejects/", source.requests.rejected));
    }
    because
}

/// What of a span no stretch covers.
pub(super) fn gaps(covered: &[Covered], from: Timestamp, to: Timestamp) -> Vec<Span> {
    let spans = merged(covered.iter().map(|stretch| Span { from: stretch.from, to: stretch.to }).collect());
    let mut gaps = Vec::new();
    let mut reached = from;
    for span in spans {
        if span.from > reached {
            gaps.push(Span { from: reached, to: span.from.min(to) });
        }
        reached = reached.max(span.to);
    }
    if reached < to {
        gaps.push(Span { from: reached, to });
    }
    gaps
}

fn within(spans: Vec<Span>, from: Timestamp, to: Timestamp) -> Vec<Span> {
    let cut = spans.into_iter().map(|span| Span { from: span.from.max(from), to: span.to.min(to) });
    cut.filter(|span| span.from < span.to).collect()
}

/// A value that may stand there as JSON or as its text.
fn json(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::String(text) => serde_json::from_str(text)?,
        other => other.clone(),
    })
}

fn counts(rows: Vec<Value>, name: &str) -> BTreeMap<String, u64> {
    let pair = |row: &Value| Some((row[name].as_str()?.to_owned(), row["n"].as_u64()?));
    rows.iter().filter_map(pair).collect()
}

fn moment(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    text.parse().or_else(|_| format!("{}Z", text.replace(' ', "T")).parse()).ok()
}
