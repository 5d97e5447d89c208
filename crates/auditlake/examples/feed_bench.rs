//! How fast a feed is: pages, filters, depth, a walk, many pollers. See `bench/feed/README.md` for how to run it and what
//! came of it.
//!
//! `fill` writes the activities of a simulated organization to stdout, a line each, to be imported; `ask` puts a feed
//! through its paces over HTTP, as its clients do: requests one after the other, each until its last byte, uncompressed
//! unless said otherwise.

use std::{
    io::{BufWriter, Write},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use feed::{Cursor, Page, Query};
use jiff::{SignedDuration, Timestamp};
use simulate::{Config, Simulation};
use tokio::task::JoinSet;

#[derive(Parser)]
enum Words {
    /// Write activities to stdout
    Fill {
        #[arg(long, default_value_t = 2_000)]
        people: u32,
        #[arg(long, default_value_t = 90)]
        days: u32,
        /// The newest so many
        #[arg(long, default_value_t = usize::MAX)]
        rows: usize,
    },
    /// Measure a feed
    Ask {
        #[arg(long)]
        url: String,
        #[arg(long, env = "FEED_KEY")]
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
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Words::parse() {
        Words::Fill { people, days, rows } => fill(people, days, rows),
        Words::Ask { url, key, requests, walk, clients, seconds } => {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let http = reqwest::Client::builder().no_proxy().no_gzip().build()?;
            let feed = Feed { http, url: format!("{url}{}", feed::PATH), key };
            pages(&feed, requests).await?;
            over(&feed, walk).await?;
            polling(&feed, clients, Duration::from_secs(seconds)).await
        }
    }
}

fn fill(people: u32, days: u32, rows: usize) -> Result<()> {
    let simulation = Simulation::new(Config { people, days, ..Config::default() })?;
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    for activity in simulation.activities(simulation.start(), simulation.now()).take(rows) {
        out.write_all(&activity.json)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
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
    fn line(&mut self) -> String {
        self.0.sort_unstable();
        let ms = |share: f64| {
            let at = ((self.0.len() as f64 * share).ceil() as usize).clamp(1, self.0.len().max(1)) - 1;
            self.0.get(at).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
        };
        format!("median {:.1} ms, p99 {:.1} ms, most {:.1} ms", ms(0.5), ms(0.99), ms(1.0))
    }
}

/// Pages of the largest size in every manner of asking.
async fn pages(feed: &Feed, requests: usize) -> Result<()> {
    let newest = feed.page(&Query { limit: 1, ..Query::default() }).await?;
    let oldest = feed.page(&Query { limit: 1, order: feed::Order::Asc, ..Query::default() }).await?;
    let (newest, oldest) = (time_of(&newest)?, time_of(&oldest)?);
    println!("from {oldest} to {newest}");
    let sample = feed.page(&Query { limit: 5_000, ..Query::default() }).await?;
    let user = sample.data.iter().find_map(|raw| text_at(raw, "/actor/user_id")).context("nobody acts")?;
    let organization =
        sample.data.iter().find_map(|raw| text_at(raw, "/organization_id")).context("no organization")?;
    let span = newest.duration_since(oldest);
    let kinds: [(&str, &str, Depth); 14] = [
        ("the newest page", "", Depth::Newest),
        ("the oldest page (order=asc)", "order=asc", Depth::Newest),
        ("anywhere, by created_at.lt", "", Depth::Window),
        ("anywhere, by after_id", "", Depth::After),
        ("anywhere, by before_id", "", Depth::Before),
        ("anywhere, order=asc, by after_id", "order=asc", Depth::After),
        ("a frequent type", "activity_types[]=claude_chat_created", Depth::After),
        ("a rare type", "activity_types[]=sso_login_failed", Depth::After),
        (
            "all but two types",
            "exclude_activity_types[]=claude_chat_created&exclude_activity_types[]=claude_chat_viewed",
            Depth::After,
        ),
        ("one user", &format!("actor_ids[]={user}"), Depth::After),
        ("one organization", &format!("organization_ids[]={organization}"), Depth::After),
        ("a type of a user", &format!("actor_ids[]={user}&activity_types[]=claude_chat_created"), Depth::Newest),
        ("limit=100, the newest", "limit=100", Depth::Newest),
        ("gzip, anywhere, by after_id", "gzip", Depth::After),
    ];
    for (name, words, depth) in kinds {
        let (words, encoding) = if words == "gzip" { ("", "gzip") } else { (words, "identity") };
        let (mut times, mut rows, mut bytes) = (Times::default(), 0, 0);
        for number in 0..requests + 3 {
            // Depths that are spread evenly, in no order.
            let share = (number as f64 * 0.618_033_988_75).fract();
            let at = oldest + SignedDuration::from_secs_f64(span.as_secs_f64() * share);
            let mut query = [words, &depth.words(at)]
                .iter()
                .filter(|part| !part.is_empty())
                .map(|part| part.to_string())
                .collect::<Vec<_>>();
            if !words.contains("limit=") {
                query.push("limit=5000".to_owned());
            }
            let started = Instant::now();
            let body = feed.body(&query.join("&"), encoding).await?;
            // The first ones open the connection and warm what can be warmed.
            if number >= 3 {
                times.0.push(started.elapsed());
            }
            bytes += body.len();
            if encoding == "identity" {
                rows += Page::parse(&body)?.data.len();
            }
        }
        println!(
            "{name:34} {}; {} rows, {} KiB a page",
            times.line(),
            rows / (requests + 3),
            (bytes / (requests + 3)) >> 10
        );
    }
    Ok(())
}

/// Where a page begins.
#[derive(Clone, Copy)]
enum Depth {
    Newest,
    Window,
    After,
    Before,
}

impl Depth {
    fn words(self, at: Timestamp) -> String {
        let cursor = feed::cursor::Position::new(at, "activity_01").encode();
        match self {
            Depth::Newest => String::new(),
            Depth::Window => format!("created_at.lt={at}"),
            Depth::After => format!("after_id={cursor}"),
            Depth::Before => format!("before_id={cursor}"),
        }
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
