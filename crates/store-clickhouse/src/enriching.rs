//! Late enrichment: the columns `place`, `agent` and `person` of stored rows, from what their actors say.
//!
//! The questions are the distinct addresses, user agents and actors; the answers stand in the statements that change the rows, some
//! at a time. A statement changes only rows that say something else, so what was broken off may be begun again.

use activity::{Activity, Enrichment, Record};
use async_trait::async_trait;
use auditlake_store::{Enriched, Enriching, LateEnrichment, Result, Seqs};
use serde_json::{Map, json};

use crate::{
    ClickStore, Inner,
    schema::{other, quoted},
    turn::WriterState,
};

/// So many answers stand in a statement.
const AT_ONCE: usize = 2_000;

/// A column that enrichment fills, and what it is asked by.
struct Subject {
    column: &'static str,
    /// The actor's members, and where they stand.
    keys: Vec<(&'static str, String)>,
    answer: fn(&Enrichment) -> Option<&str>,
}

fn subjects() -> [Subject; 3] {
    let plain = |name: &str| format!("CAST({name} AS Nullable(String))");
    [
        Subject {
            column: "place",
            keys: vec![("ip_address", plain("actor_ip"))],
            answer: |known| known.place.as_deref(),
        },
        Subject {
            column: "agent",
            keys: vec![("user_agent", plain("actor_user_agent"))],
            answer: |known| known.agent.as_deref(),
        },
        Subject {
            column: "person",
            keys: vec![
                ("user_id", plain("actor_user_id")),
                ("email_address", plain("actor_email")),
                ("api_key_id", plain("actor_api_key_id")),
                ("admin_api_key_id", plain("actor_admin_api_key_id")),
                ("unauthenticated_email_address", other("unauthenticated_email_address")),
                ("service_account_id", other("service_account_id")),
            ],
            answer: |known| known.person.as_deref(),
        },
    ]
}

impl Subject {
    /// One text of all that it is asked by: JSON, so that two questions are never one.
    fn key(&self) -> String {
        let parts: Vec<String> =
            self.keys.iter().map(|(_, value)| format!("if(isNull({value}), 'null', toJSONString({value}))")).collect();
        format!("concat({}, '')", parts.join(", ',', "))
    }
}

#[async_trait]
impl Enriching for ClickStore {
    async fn enrich(&self, late: LateEnrichment) -> Result<Enriched> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().await;
        writer.ready(inner).await?;
        let base = inner.base(late.window, Seqs::default());
        let table = inner.server.rows("enriching", &format!("SELECT count() FROM activity WHERE {base}")).await?;
        let asked = table.first().and_then(|row| row.number(0)).unwrap_or_default();
        let mut changed = [0; 3];
        for (count, subject) in changed.iter_mut().zip(subjects()) {
            *count = change(inner, &mut writer, &base, &subject, &late).await?;
        }
        let [places, agents, people] = changed;
        Ok(Enriched { asked, places, agents, people })
    }
}

/// How many rows say something else now.
async fn change(
    inner: &Inner,
    writer: &mut WriterState,
    base: &str,
    subject: &Subject,
    late: &LateEnrichment,
) -> Result<u64> {
    let doing = "enriching";
    let (column, key) = (subject.column, subject.key());
    let values: Vec<&str> = subject.keys.iter().map(|(_, value)| value.as_str()).collect();
    let text = format!("SELECT DISTINCT {key}, {} FROM activity WHERE {base}", values.join(", "));
    let mut answers = Vec::new();
    for row in inner.server.rows(doing, &text).await?.rows() {
        let members = subject.keys.iter().enumerate().filter_map(|(at, (name, _))| Some((*name, row.text(at + 1)?)));
        if let Some(answer) = answer(members, subject, late) {
            answers.push((quoted(&row.string(0)), quoted(&answer)));
        }
    }
    let mut changed = 0;
    for answers in answers.chunks(AT_ONCE) {
        let list = |texts: Vec<&str>| format!("[{}]", texts.join(", "));
        let keys = list(answers.iter().map(|(key, _)| key.as_str()).collect());
        let said = list(answers.iter().map(|(_, answer)| answer.as_str()).collect());
        let new = format!("transform({key}, {keys}, {said}, '')");
        let wanted = format!("{base} AND has({keys}, {key}) AND ({column} != {new} OR isNull({column}))");
        let count = format!("SELECT count() FROM activity WHERE {wanted}");
        let count = inner.server.rows(doing, &count).await?.first().and_then(|row| row.number(0)).unwrap_or_default();
        if count > 0 {
            // It takes long, and the right to write with it.
            writer.ready(inner).await?;
            let text = format!("{} UPDATE {column} = {new} WHERE {wanted}", inner.alter("activity"));
            inner.server.execute(doing, &text).await?;
        }
        changed += count;
    }
    Ok(changed)
}

/// What is said of an actor with these members.
fn answer<'k>(
    members: impl Iterator<Item = (&'static str, &'k str)>,
    subject: &Subject,
    late: &LateEnrichment,
) -> Option<String> {
    let actor: Map<String, serde_json::Value> = members.map(|(name, value)| (name.to_owned(), value.into())).collect();
    if actor.is_empty() {
        return None;
    }
    let text = json!({ "id": "-", "created_at": "1970-01-01T00:00:00Z", "type": "-", "actor": actor }).to_string();
    let activity = Activity::parse_str(&text).ok()?;
    let known = (late.with)(&Record::of(&activity));
    (subject.answer)(&known).map(str::to_owned)
}
