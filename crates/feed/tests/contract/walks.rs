//! Any walk over any activities, with any filter, limit, order and direction, gives the sorted truth.

use feed::{Cursor, Order, Query, Window, client::Client, memory::MemorySource};
use proptest::prelude::*;

use crate::world::{TYPES, activity, client, serve, server};

/// The instants that activities are made of: few, so that many share one.
const START_US: i64 = 1_775_000_000_000_000;

fn instant(step: u8) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(START_US + i64::from(step)).expect("a time")
}

prop_compose! {
    fn sources()(steps in prop::collection::vec(0u8..12, 0..60)) -> MemorySource {
        let rows = steps.iter().enumerate().map(|(number, step)| activity(number, START_US + i64::from(*step)));
        MemorySource::new(rows).expect("activities")
    }
}

fn some_of(values: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let some = prop::sample::subsequence(values, 1..=values.len().min(3));
    prop_oneof![Just(Vec::new()), some.prop_map(|values| values.into_iter().map(str::to_owned).collect())]
}

fn bound() -> impl Strategy<Value = Option<jiff::Timestamp>> {
    prop::option::weighted(0.3, (0u8..12).prop_map(instant))
}

prop_compose! {
    fn windows()(gte in bound(), gt in bound(), lte in bound(), lt in bound()) -> Window {
        Window { gte, gt, lte, lt }
    }
}

prop_compose! {
    fn queries()(
        types in some_of(&TYPES),
        excluded in any::<bool>(),
        actor_ids in some_of(&["user_1", "user_2", "user_9"]),
        organization_ids in some_of(&["org_0", "org_1", "00000000-0000-0000-0000-000000000001", "org_9"]),
        created_at in windows(),
        limit in 1u32..9,
        asc in any::<bool>(),
    ) -> Query {
        let (activity_types, exclude_activity_types) = if excluded { (vec![], types) } else { (types, vec![]) };
        let order = if asc { Order::Asc } else { Order::Desc };
        Query { activity_types, exclude_activity_types, actor_ids, organization_ids, created_at, cursor: None, limit, order }
    }
}

/// Walks to the end, page by page; what must hold of every page is checked on the way.
async fn walk(client: &Client, query: &Query, backward: bool) -> Vec<bytes::Bytes> {
    let mut query = query.clone();
    let mut rows = Vec::new();
    loop {
        let page = client.page(&query).await.expect("a page").page;
        assert!(page.data.len() <= query.limit as usize);
        assert_eq!(page.data.is_empty(), page.first_id.is_none() && page.last_id.is_none());
        assert!(!page.has_more || page.data.len() == query.limit as usize, "a page that is not the last is full");
        if backward {
            rows.splice(0..0, page.data);
        } else {
            rows.extend(page.data);
        }
        let next = if backward { page.first_id.map(Cursor::Before) } else { page.last_id.map(Cursor::After) };
        match next {
            Some(cursor) if page.has_more => query.cursor = Some(cursor),
            _ => return rows,
        }
    }
}

/// The truth, worked out from the bytes in another way than the source does it.
fn truth(all: &MemorySource, query: &Query) -> Vec<bytes::Bytes> {
    let mut rows: Vec<(String, String, bytes::Bytes)> = Vec::new();
    for raw in all.all(&Query::default()) {
        let value: serde_json::Value = serde_json::from_slice(&raw).expect("JSON");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let at: jiff::Timestamp = text(&value["created_at"]).parse().expect("a time");
        let (kind, user) = (text(&value["type"]), text(&value["actor"]["user_id"]));
        let organizations = [text(&value["organization_id"]), text(&value["organization_uuid"])];
        let keep = (query.activity_types.is_empty() || query.activity_types.contains(&kind))
            && !query.exclude_activity_types.contains(&kind)
            && (query.actor_ids.is_empty() || query.actor_ids.contains(&user))
            && (query.organization_ids.is_empty()
                || value["organization_id"].is_null()
                || organizations.iter().any(|organization| query.organization_ids.contains(organization)))
            && query.created_at.gte.is_none_or(|bound| at >= bound)
            && query.created_at.gt.is_none_or(|bound| at > bound)
            && query.created_at.lte.is_none_or(|bound| at <= bound)
            && query.created_at.lt.is_none_or(|bound| at < bound);
        if keep {
            rows.push((format!("{:020}", at.as_microsecond()), text(&value["id"]), raw));
        }
    }
    rows.sort();
    if query.order == Order::Desc {
        rows.reverse();
    }
    rows.into_iter().map(|(_, _, raw)| raw).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_walk_is_the_sorted_truth(source in sources(), query in queries(), from in any::<prop::sample::Index>()) {
        runtime().block_on(async {
            let client = client(&serve(server(source.clone())).await);
            let rows = truth(&source, &query);
            assert_eq!(walk(&client, &query, false).await, rows, "forward");
            if rows.is_empty() {
                return;
            }
            // Backward from any row, named by its bare id: all that lies before it.
            let from = from.index(rows.len());
            let value: serde_json::Value = serde_json::from_slice(&rows[from]).expect("JSON");
            let id = value["id"].as_str().expect("an id").to_owned();
            let before = Query { cursor: Some(Cursor::Before(id.clone())), ..query.clone() };
            assert_eq!(walk(&client, &before, true).await, rows[..from], "backward");
            let after = Query { cursor: Some(Cursor::After(id)), ..query };
            assert_eq!(walk(&client, &after, false).await, rows[from + 1..], "forward from a row");
        });
    }

    #[test]
    fn a_cursor_outlives_its_row_and_what_is_new(source in sources(), query in queries()) {
        runtime().block_on(async {
            let first = client(&serve(server(source.clone())).await).page(&query).await.expect("a page").page;
            let Some(cursor) = first.last_id else { return };
            // Another server, where the row is gone and others have come.
            let last = first.data.last().cloned().expect("a row");
            let gone = source.all(&Query::default()).into_iter().filter(|row| *row != last);
            let news = (100..110).map(|number| activity(number, START_US + number as i64 % 12));
            let later = MemorySource::new(gone.chain(news)).expect("activities");
            let mut all: Vec<_> = truth(&later, &query);
            let with_last = MemorySource::new(later.all(&Query::default()).into_iter().chain([last.clone()])).expect("activities");
            let place = truth(&with_last, &query).iter().position(|row| *row == last).expect("its place");
            let rest = all.split_off(place);
            let client = client(&serve(server(later)).await);
            let after = Query { cursor: Some(Cursor::After(cursor)), ..query.clone() };
            assert_eq!(walk(&client, &after, false).await, rest);
        });
    }
}
