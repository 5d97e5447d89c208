//! The SQL that a statement is made of, in that of either engine: anybody can repeat it with `auditlake query`.

use std::collections::BTreeMap;

use crate::engine::Dialect;

/// The statements. `$source`, `$from`, `$to` and `$seq` stand for what is asked about.
pub struct Method {
    pub sources: &'static str,
    pub days: &'static str,
    pub totals: &'static str,
    pub organizations: &'static str,
    pub pages: &'static str,
    pub coverage: &'static str,
    pub errors: &'static str,
    pub drift: &'static str,
}

impl Method {
    pub fn of(dialect: Dialect) -> &'static Method {
        match dialect {
            Dialect::Duck => &DUCK,
            Dialect::Click => &CLICK,
        }
    }

    /// How to compute the same without this program's `attest`.
    pub fn told(&self) -> BTreeMap<String, String> {
        [
            ("days", self.days),
            (
                "one record",
                "auditlake query \"select rawLog from anthropic_logs where eventID = '…'\" --format jsonl | jq -j .rawLog | sha256sum is its contentHash",
            ),
            (
                "ids of a day",
                "auditlake query \"select eventID from activities where … order by eventTime, eventID\" --format jsonl | jq -r .eventID | head -c -1 | sha256sum is ids_sha256",
            ),
            ("requests", self.pages),
            ("coverage", self.coverage),
            (
                "covered, unreadable and organizations",
                "the entries of `coverage`, one after the other: `coverage` stands in place of all before it, what is in `gap` is unreadable, and the spans of `read`, by itself or of a page, are covered from then on",
            ),
        ]
        .map(|(name, how)| (name.to_owned(), how.to_owned()))
        .into()
    }
}

const DUCK: Method = Method {
    sources: "select distinct source_id as s from commits where seq <= $seq::ubigint order by 1",
    days: "select strftime(eventTime, '%Y-%m-%d') as day, count(*) as activities, \
           sha256(string_agg(eventID, chr(10) order by eventTime, eventID)) as ids_sha256, \
           sha256(string_agg(contentHash, chr(10) order by eventTime, eventID)) as raw_sha256 \
           from activities where sourceID = $source and eventTime >= $from::timestamp and eventTime < $to::timestamp \
           and seq <= $seq::ubigint group by 1 order by 1",
    totals: "select count(*) as activities, count(*) filter (late) as late, \
             coalesce(max(epoch(receivedAt) - epoch(eventTime)) filter (late), 0)::double as latest_seconds, \
             count(*) filter (ownRead) as own_reads, count(distinct seq::varchar || ':' || coalesce(entry, 0)::varchar) as brought_by \
             from activities where eventTime >= $from::timestamp and eventTime < $to::timestamp and seq <= $seq::ubigint \
             and sourceID = $source",
    organizations: "select coalesce(organizationID, organizationUUID, 'none') as o, count(*) as n from activities \
                    where eventTime >= $from::timestamp and eventTime < $to::timestamp and seq <= $seq::ubigint \
                    and sourceID = $source group by 1 order by 1",
    pages: "select seq, entry, happened_at, detail from ledger where source_id = $source and kind = 'page' \
            and coalesce(detail->>'for', '') <> 'check' and seq <= $seq::ubigint order by seq, entry",
    coverage: "select seq, entry, kind, detail from ledger where source_id = $source and \
               (kind in ('coverage', 'gap', 'read') or (kind = 'page' and (detail->>'read') is not null)) \
               and seq <= $seq::ubigint order by seq, entry",
    errors: "select coalesce(detail->>'error', 'unknown') as o, sum(coalesce(try_cast(detail->>'count' as ubigint), 1))::ubigint as n \
             from ledger where source_id = $source and kind = 'error' and coalesce(detail->>'for', '') <> 'check' \
             and seq <= $seq::ubigint group by 1 order by 1",
    drift: "select kind as o, count(*) as n from drift where source_id = $source group by 1 order by 1",
};

const CLICK: Method = Method {
    sources: "select distinct source_id as s from commits where seq <= toUInt64($seq) order by 1",
    days: "select formatDateTime(eventTime, '%Y-%m-%d', 'UTC') as day, count() as activities, \
           lower(hex(SHA256(arrayStringConcat(arrayMap(x -> x.2, arraySort(groupArray((eventTime, eventID)))), char(10))))) as ids_sha256, \
           lower(hex(SHA256(arrayStringConcat(arrayMap(x -> x.3, arraySort(groupArray((eventTime, eventID, contentHash)))), char(10))))) as raw_sha256 \
           from activities where sourceID = $source and eventTime >= parseDateTime64BestEffort($from, 6, 'UTC') \
           and eventTime < parseDateTime64BestEffort($to, 6, 'UTC') and seq <= toUInt64($seq) group by day order by day",
    totals: "select count() as activities, countIf(a.late) as late, \
             ifNull(maxOrNullIf(toUnixTimestamp64Micro(receivedAt) / 1e6 - toUnixTimestamp64Micro(eventTime) / 1e6, a.late), 0) as latest_seconds, \
             countIf(ownRead) as own_reads, uniqExact((seq, ifNull(entry, 0))) as brought_by \
             from activities as a where eventTime >= parseDateTime64BestEffort($from, 6, 'UTC') \
             and eventTime < parseDateTime64BestEffort($to, 6, 'UTC') and seq <= toUInt64($seq) and sourceID = $source",
    organizations: "select coalesce(nullIf(organizationID, ''), organizationUUID, 'none') as o, count() as n from activities \
                    where eventTime >= parseDateTime64BestEffort($from, 6, 'UTC') \
                    and eventTime < parseDateTime64BestEffort($to, 6, 'UTC') and seq <= toUInt64($seq) \
                    and sourceID = $source group by o order by o",
    pages: "select seq, entry, happened_at, detail from ledger where source_id = $source and kind = 'page' \
            and JSONExtractString(detail, 'for') != 'check' and seq <= toUInt64($seq) order by seq, entry",
    coverage: "select seq, entry, kind, detail from ledger where source_id = $source and \
               (kind in ('coverage', 'gap', 'read') or (kind = 'page' and JSONHas(detail, 'read'))) \
               and seq <= toUInt64($seq) order by seq, entry",
    errors: "select if(empty(JSONExtractString(detail, 'error')), 'unknown', JSONExtractString(detail, 'error')) as o, \
             sum(greatest(JSONExtractUInt(detail, 'count'), 1)) as n from ledger where source_id = $source and kind = 'error' \
             and JSONExtractString(detail, 'for') != 'check' and seq <= toUInt64($seq) group by o order by o",
    drift: "select kind as o, count() as n from drift where source_id = $source group by o order by o",
};
