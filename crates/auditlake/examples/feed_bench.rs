//! How fast a feed is: pages, filters, depth, a walk, many pollers. `bench/feed/measure.py` makes a lake of five million
//! activities and runs this; `bench/feed/README.md` says what came of it.
//!
//! Puts a feed through its paces over HTTP, as its clients do: requests one after the other, each until its last byte,
//! uncompressed unless said otherwise. Writes a Markdown table. Fails if a request does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use feed::{Cursor, Page, Query};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

#[derive(Parser)]
struct Words {
    #[arg(long)]
    url: String,
    #[arg(long, env = "FEED_KEY", hide_env_values = true)]
    key: String,
    /// Requests of each kind
    #[arg(long, default_value_t = 200)]
    requests: usize,
    /// Activities to walk over
    #[arg(long, default_value_t = 1_000_000)]
    walk: usize,
    /// Clients that poll every second
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// For so many seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only kinds of pages with this in their name, and neither the walk nor the polling
    #[arg(long)]
    only: Option<String>,
    /// The process that serves, to have its processor time for each page shown
    #[arg(long)]
    pid: Option<u32>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Words { url, key, requests, walk, clients, seconds, only, pid } = Words::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().no_gzip().build()?;
    let feed = Feed { http, url: format!("{url}{}", feed::PATH), key };
    pages(&feed, requests, only.as_deref(), pid).await?;
    if only.is_some() {
        return Ok(());
    }
    over(&feed, walk).await?;
    polling(&feed, clients, Duration::from_secs(seconds)).await
}

#[derive(Clone)]
struct Feed {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Feed {
    /// The body of an answer, which is to be a page.
    async fn body(&self, query: &str, encoding: &str) -> Result<Bytes> {
        let request = self.http.get(format!("{}?{query}", self.url)).header("x-api-key", &self.key);
        let answer = request.header("accept-encoding", encoding).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        ensure!(status.is_success(), "{query}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    async fn page(&self, query: &Query) -> Result<Page> {
        Ok(Page::parse(&self.body(&query.encode(), "identity").await?)?)
    }
}

/// Times, to be summed up in a line.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    /// Median, 99th percentile and the longest, in milliseconds.
    fn sums(&mut self) -> [f64; 3] {
        self.0.sort_unstable();
        [0.5, 0.99, 1.0].map(|share| {
            let at = ((self.0.len() as f64 * share).ceil() as usize).clamp(1, self.0.len().max(1)) - 1;
            self.0.get(at).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        })
    }

    fn line(&mut self) -> String {
        let [median, p99, most] = self.sums();
        format!("median {median:.1} ms, p99 {p99:.0} ms, most {most:.0} ms")
    }
}

/// Every thirtieth activity is of one of these.
const TEN_TYPES: [&str; 10] = [
    "sso_login_initiated",
    "sso_login_succeeded",
    "sso_login_failed",
    "user_logged_out",
    "claude_project_deleted",
    "claude_project_created",
    "claude_chat_deleted",
    "claude_file_deleted",
    "org_user_invite_sent",
    "compliance_api_accessed",
];

/// Pages of the largest size in every manner of asking.
async fn pages(feed: &Feed, requests: usize, only: Option<&str>, pid: Option<u32>) -> Result<()> {
    let newest = feed.page(&Query { limit: 1, ..Query::default() }).await?;
    let oldest = feed.page(&Query { limit: 1, order: feed::Order::Asc, ..Query::default() }).await?;
    let (newest, oldest) = (time_of(&newest)?, time_of(&oldest)?);
    println!("from {oldest} to {newest}\n");
    let sample = feed.page(&Query { limit: 5_000, ..Query::default() }).await?;
    let user = sample.data.iter().find_map(|raw| text_at(raw, "/actor/user_id")).context("nobody acts")?;
    let organizations: Vec<String> = sample.data.iter().filter_map(|raw| text_at(raw, "/organization_id")).collect();
    let large = organizations.first().context("no organization")?;
    let small = organizations.iter().find(|id| *id != large).unwrap_or(large);
    let mut users: Vec<String> = sample.data.iter().filter_map(|raw| text_at(raw, "/actor/user_id")).collect();
    users.sort();
    users.dedup();
    let people = users.iter().take(10).map(|id| format!("actor_ids[]={id}")).collect::<Vec<_>>().join("&");
    let ten = TEN_TYPES.map(|name| format!("activity_types[]={name}")).join("&");
    let kinds: [(&str, &str, Depth); 26] = [
        ("the newest page", "", Depth::Newest),
        ("the oldest page (order=asc)", "order=asc", Depth::Newest),
        ("anywhere, by created_at.lt", "", Depth::Window),
        ("an hour anywhere, by created_at.gte and .lt", "", Depth::Hour),
        ("anywhere, by after_id", "", Depth::After),
        ("anywhere, by before_id", "", Depth::Before),
        ("anywhere, order=asc, by after_id", "order=asc", Depth::After),
        ("a type of 1 in 6", "activity_types[]=claude_chat_created", Depth::After),
        ("a type of 1 in 50", "activity_types[]=claude_artifact_viewed", Depth::After),
        ("a type of 1 in 2,000", "activity_types[]=sso_login_failed", Depth::After),
        ("a type of 1 in 10,000", "activity_types[]=claude_code_security_scan_created", Depth::After),
        (
            "a type of 1 in 10,000, order=asc, a window",
            "activity_types[]=magic_link_login_initiated&order=asc",
            Depth::Since,
        ),
        ("a type of 1 in 50, a window", "activity_types[]=claude_artifact_viewed", Depth::Window),
        (
            "a type of 1 in 50 in an organization",
            &format!("activity_types[]=claude_file_viewed&organization_ids[]={large}"),
            Depth::After,
        ),
        ("ten types, 1 in 30 together", &ten, Depth::After),
        ("ten types, order=asc, a window", &format!("{ten}&order=asc"), Depth::Since),
        (
            "all but two types",
            "exclude_activity_types[]=claude_chat_created&exclude_activity_types[]=claude_chat_viewed",
            Depth::After,
        ),
        ("one person of 2,000", &format!("actor_ids[]={user}"), Depth::After),
        ("one person, a window", &format!("actor_ids[]={user}"), Depth::Window),
        ("a type of one person", &format!("actor_ids[]={user}&activity_types[]=claude_chat_created"), Depth::Newest),
        ("the large organization", &format!("organization_ids[]={large}"), Depth::After),
        ("the small organization, and those without", &format!("organization_ids[]={small}"), Depth::After),
        ("ten people of 2,000", &people, Depth::After),
        (
            "a rare type in an organization, an hour",
            &format!("activity_types[]=sso_login_succeeded&organization_ids[]={large}"),
            Depth::Hour,
        ),
        ("limit=100, the newest", "limit=100", Depth::Newest),
        ("gzip, anywhere, by after_id", "gzip", Depth::After),
    ];
    println!(
        "| A page of 5,000 | first | median | p99 | most | processor | activities | KiB |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for (name, words, depth) in kinds.into_iter().filter(|(name, ..)| only.is_none_or(|only| name.contains(only))) {
        let (words, encoding) = if words == "gzip" { ("", "gzip") } else { (words, "identity") };
        let limit = if words.contains("limit=") { "" } else { "limit=5000" };
        let (mut times, mut first, mut rows, mut bytes) = (Times::default(), 0.0, 0, 0);
        let mut spent = None;
        for number in 0..=requests {
            // Depths that are spread evenly, in no order; the first one is deep, so that it meets what nobody asked for.
            let share = (0.9 + number as f64 * 0.618_033_988_75).fract();
            let at =
                newest - SignedDuration::from_secs_f64(newest.duration_since(oldest).as_secs_f64() * (1.0 - share));
            let depth = depth.words(at)?;
            let query: Vec<&str> = [words, &depth, limit].into_iter().filter(|part| !part.is_empty()).collect();
            let started = Instant::now();
            let body = feed.body(&query.join("&"), encoding).await?;
            match number {
                0 => (first, spent) = (started.elapsed().as_secs_f64() * 1_000.0, processor_time(pid)),
                _ => times.0.push(started.elapsed()),
            }
            bytes += body.len();
            rows += if encoding == "identity" { Page::parse(&body)?.data.len() } else { 0 };
        }
        let [median, p99, most] = times.sums();
        let (rows, kib) = (rows / (requests + 1), (bytes / (requests + 1)) >> 10);
        let spent = processor_time(pid).zip(spent).map(|(now, then)| (now - then) as f64 * 10.0 / requests as f64);
        let spent = spent.map_or("".to_owned(), |spent| format!("{spent:.0} ms"));
        println!("| {name} | {first:.0} ms | {median:.1} ms | {p99:.0} ms | {most:.0} ms | {spent} | {rows} | {kib} |");
    }
    println!();
    Ok(())
}

/// What a process has spent so far, in hundredths of a second.
fn processor_time(pid: Option<u32>) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid?)).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    Some(ticks.iter().sum())
}

/// Where a page begins.
#[derive(Clone, Copy)]
enum Depth {
    Newest,
    Window,
    Hour,
    Since,
    After,
    Before,
}

impl Depth {
    fn words(self, at: Timestamp) -> Result<String> {
        let cursor = feed::cursor::Position::new(at, "activity_01").encode();
        Ok(match self {
            Depth::Newest => String::new(),
            Depth::Window => format!("created_at.lt={at}"),
            Depth::Hour => {
                format!("created_at.gte={}&created_at.lt={at}", at.checked_sub(SignedDuration::from_hours(1))?)
            }
            Depth::Since => format!("created_at.gte={at}"),
            Depth::After => format!("after_id={cursor}"),
            Depth::Before => format!("before_id={cursor}"),
        })
    }
}

/// A walk from the newest on, until so many activities or the end.
async fn over(feed: &Feed, most: usize) -> Result<()> {
    let (started, mut count, mut times) = (Instant::now(), 0, Times::default());
    let mut query = Query { limit: 5_000, ..Query::default() };
    while count < most {
        let asked = Instant::now();
        let page = feed.page(&query).await?;
        times.0.push(asked.elapsed());
        count += page.data.len();
        let Some(cursor) = page.last_id.filter(|_| page.has_more) else { break };
        query.cursor = Some(Cursor::After(cursor));
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("walk over {count}: {seconds:.1} s, {:.0} a second; {}", count as f64 / seconds, times.line());
    Ok(())
}

/// Clients that catch up with `before_id` every second, as collectors do.
async fn polling(feed: &Feed, clients: usize, time: Duration) -> Result<()> {
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let feed = feed.clone();
        tasks.spawn(async move {
            let (mut times, mut failures) = (Times::default(), Vec::new());
            let begin = Instant::now() + Duration::from_millis(1_000 * number as u64 / clients as u64);
            let mut query = Query { limit: 1_000, ..Query::default() };
            for turn in 0..time.as_secs() {
                tokio::time::sleep_until((begin + Duration::from_secs(turn)).into()).await;
                let started = Instant::now();
                match feed.page(&query).await {
                    Ok(page) => {
                        times.0.push(started.elapsed());
                        // The newest rows are asked for again, or an idle feed would have nothing to say.
                        query.cursor = page.last_id.map(Cursor::Before).filter(|_| turn % 2 == 0);
                    }
                    Err(error) => failures.push(format!("{error:#}")),
                }
            }
            (times, failures)
        });
    }
    let (mut all, mut failures) = (Times::default(), Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (times, failed) = done?;
        all.0.extend(times.0);
        failures.extend(failed);
    }
    println!(
        "{clients} clients every second for {} s: {} requests, {} failures; {}",
        time.as_secs(),
        all.0.len() + failures.len(),
        failures.len(),
        all.line()
    );
    match failures.first() {
        None => Ok(()),
        Some(first) => anyhow::bail!("the first failure: {first}"),
    }
}

fn text_at(raw: &[u8], path: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(raw).ok()?;
    value.pointer(path)?.as_str().map(str::to_owned)
}

fn time_of(page: &Page) -> Result<Timestamp> {
    let text = page.data.first().and_then(|raw| text_at(raw, "/created_at")).context("the feed is empty")?;
    Ok(text.parse()?)
}
