//! What every engine must do, as tests that any engine can be put through.
//!
//! An engine's own tests call [`run`] with a way to open an empty store. Each part panics with what was expected where the
//! engine differs. The truth beside it is a plain list of activities.

pub mod alerts;
mod enriching;
mod feed;
mod insight;
pub mod lookups;
pub mod outbox;
mod pages;
pub mod random;
mod read;
mod recall;
mod write;

use arrow::{
    array::{AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Int64Type},
};

use activity::{Activity, Enrichment, Record, join_parts};

use crate::{Batch, BatchBuilder, Commit, Engine, Enriching, SourceInfo};

/// Puts an engine through the whole contract. `open` gives an empty store each time.
///
/// # Panics
/// Where the engine does not keep it.
pub async fn run<E: Engine>(open: impl AsyncFn() -> E) {
    run_spelled(open, &str::to_owned).await;
}

/// As [`run`], for an engine with SQL of its own: `spell` makes its statement of one of the contract's.
///
/// # Panics
/// Where the engine does not keep it.
pub async fn run_spelled<E: Engine>(open: impl AsyncFn() -> E, spell: &dyn Fn(&str) -> String) {
    write::keeps_bytes(&open().await).await;
    write::drops_what_is_known(&open().await).await;
    write::commits_all_or_nothing_with_numbers(&open().await).await;
    write::keeps_many(&open().await).await;
    recall::counts_drift(&open().await, spell).await;
    recall::bounds_drift(&open().await).await;
    recall::marks_what_is_late(&open().await, spell).await;
    recall::tags_own_reads(&open().await, spell).await;
    recall::leads_rows_to_their_entries(&open().await, spell).await;
    recall::recalls_what_is_stored(&open().await).await;
    read::shows_the_unified_record(&open().await, spell).await;
    read::selects(&open().await).await;
    read::counts(&open().await).await;
    read::filters(&open().await).await;
    read::answers_sql(&open().await).await;
    read::shows_enrichment(&open().await, spell).await;
    insight::tallies(&open().await).await;
    insight::facets(&open().await).await;
    insight::latest(&open().await).await;
    feed::walks(&open().await).await;
    feed::filters(&open().await).await;
    pages::are_right(&open).await;
}

/// Puts an engine through what late enrichment must do and must not.
///
/// # Panics
/// Where the engine does not keep it.
pub async fn run_enriching<E: Engine + Enriching>(open: impl AsyncFn() -> E) {
    enriching::changes_what_enrichment_says(&open().await).await;
}

/// The one number that a statement answers.
fn number(rows: &[RecordBatch]) -> i64 {
    numbers(rows, 0)[0]
}

/// The numbers in a column, in whichever type the engine counts.
#[expect(clippy::expect_used, reason = "a test's own statement answers numbers")]
fn numbers(rows: &[RecordBatch], column: usize) -> Vec<i64> {
    let column = cast(rows[0].column(column), &DataType::Int64).expect("numbers");
    column.as_primitive::<Int64Type>().values().to_vec()
}

/// The activities that the contract is tested with: many ties in time, several organizations and actors, odd text.
pub fn sample(count: usize) -> Vec<String> {
    const TYPES: [&str; 6] = [
        "claude_chat_created",
        "claude_chat_viewed",
        "sso_login_failed",
        "api_key_created",
        "something_new_happened",
        "claude_project_deleted",
    ];
    (0..count)
        .map(|n| {
            let time = jiff::Timestamp::from_second(1_790_000_000 + (n as i64 / 3) * 977).unwrap_or_default();
            let time = match n % 4 {
                0 => time.to_string(),
                _ => jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%S.%6fZ", time).unwrap_or_default(),
            };
            let organization = match n % 5 {
                0 => r#""organization_id":null,"organization_uuid":null"#.to_owned(),
                rest => format!(r#""organization_id":"org_{}","organization_uuid":"0000000{}-aaaa""#, rest % 2, rest % 2),
            };
            let actor = match n % 3 {
                0 => format!(r#"{{"type":"user_actor","email_address":"u{0}@example.com","user_id":"user_{0}","ip_address":"192.0.2.{0}","user_agent":"Mozilla/5.0 (x)"}}"#, n % 7),
                1 => r#"{"type":"api_actor","api_key_id":"apikey_01","ip_address":"2001:db8::5","user_agent":"curl/8"}"#.to_owned(),
                _ => r#"{"type":"scim_directory_sync_actor","directory_id":"directory_1","workos_event_id":"e","nested":{"a":true}}"#.to_owned(),
            };
            let odd = ["plain", r#"quote \" and \\ and \n"#, "ünïcode ✓ \u{202e}", "<script>alert(1)</script>", "'; drop table activity; --"][n % 5];
            format!(
                r#"{{"id":"activity_{:06}","created_at":"{time}",{organization},"actor":{actor},"type":"{}","claude_chat_id":"claude_chat_{}","title":"{odd}","count":{},"list":[{{"id":"proj_{n}"}}]}}"#,
                (n * 7_919) % 1_000_003,
                TYPES[n % TYPES.len()],
                n % 11,
                n % 17,
            )
        })
        .collect()
}

/// The activities as a batch.
#[expect(clippy::expect_used, reason = "a test's own activities are activities")]
pub fn batch<T: AsRef<str>>(raws: &[T]) -> Batch {
    let mut builder = BatchBuilder::with_capacity(raws.len());
    for raw in raws {
        let activity = Activity::parse_str(raw.as_ref()).expect("an activity");
        builder.push(&Record::of(&activity));
    }
    builder.finish()
}

/// What could be known of the activity at this place of [`sample`], and of some nothing.
pub fn enrichment(at: usize) -> Enrichment {
    let join = |text: Option<String>| text.map(Into::into);
    let place = match at % 4 {
        0 => None,
        1 => join_parts([
            "DE",
            "64496",
            "Example Company",
            "Berlin",
            "",
            "",
            "52.52",
            "13",
            "",
            "Sample-City 2026-01-02",
        ]),
        2 => join_parts(["US", "4200000000", "It's \"Net\"", "", "Cellular", "Net", "0", "-0.5", "cellular", "x; y"]),
        _ => join_parts(["NL", "", "", "\u{ef}sle", "", "", "", "", "", "Sample"]),
    };
    let agent = match at % 3 {
        0 => None,
        1 => join_parts(["claude-web", "", "Chrome", "130", "macOS", "", "desktop"]),
        _ => join_parts(["claude-code", "2.0.17", "", "", "", "", ""]),
    };
    let person = match at % 5 {
        0 => join_parts(["user_3", "Ada", "Engineering", "boss@example.com", "false"]),
        1 => join_parts(["", "Robot", "", "", "true"]),
        _ => None,
    };
    Enrichment { place: join(place), agent: join(agent), person: join(person) }
}

/// As [`batch`], with [`enrichment`].
#[expect(clippy::expect_used, reason = "a test's own activities are activities")]
pub fn enriched_batch<T: AsRef<str>>(raws: &[T]) -> Batch {
    let mut builder = BatchBuilder::with_capacity(raws.len());
    for (at, raw) in raws.iter().enumerate() {
        let activity = Activity::parse_str(raw.as_ref()).expect("an activity");
        builder.push_enriched(&Record::of(&activity), &enrichment(at));
    }
    builder.finish()
}

/// A commit of these activities from source `main`.
pub fn commit<T: AsRef<str>>(raws: &[T]) -> Commit {
    Commit { batches: vec![batch(raws)], ..Commit::new(SourceInfo::new("main")) }
}
