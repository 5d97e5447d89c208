//! SQL that reads: the table's columns, every form of an answer, and what is refused, bounded and cancelled.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    place::{Place, activities, activity, lines},
    program::until,
};

const COLUMNS: &str = "workspaceID sourceID sourceType sourceTTL receivedAt id eventTime eventName eventID srcIP \
    srcASCountryCode srcASNumber srcASOrganization srcCity srcConnectionType srcISP srcLatitude srcLongitude srcUserType \
    dstIP dstASCountryCode dstASNumber dstASOrganization dstCity dstConnectionType dstISP dstLatitude dstLongitude dstUserType \
    actor tags resources serviceName enrichments readOnly rawLog activityID activityType organizationID actorType actorEmail \
    actorUserID actorIPAddress actorUserAgent actorAPIKeyID actorAdminAPIKeyID";

/// A question that nobody waits for the answer of.
const LONG: &str = "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range % 7 = 3";

fn lake() -> Place {
    let place = Place::new();
    let file = place.file("some.jsonl", activities(100));
    place.run(&["import", &file]).ok();
    place
}

#[test]
fn the_table_has_its_46_columns_in_order() {
    let place = lake();
    let rows = place.rows("describe select * from anthropic_logs");
    let names: Vec<&str> = rows.iter().map(|row| row["column_name"].as_str().unwrap()).collect();
    let wanted: Vec<&str> = COLUMNS.split_whitespace().collect();
    assert_eq!(names.len(), 46);
    assert_eq!(names, wanted);
}

#[test]
fn every_form_of_an_answer() {
    let place = lake();
    let sql = "select 1 as a, 'x,\"y' as b, null as c, [1, 2] as d, map {'k': 'v'} as e, \
        timestamp '2026-01-01 01:02:03.5' as t, true as f, 'é' as u";
    let answer = |format: &str| place.run(&["query", sql, "--format", format]).ok();
    assert_eq!(
        answer("csv"),
        "a,b,c,d,e,t,f,u\r\n1,\"x,\"\"y\",,\"[1,2]\",\"{\"\"k\"\":\"\"v\"\"}\",2026-01-01T01:02:03.500000Z,true,é\r\n"
    );
    let row =
        r#"{"a":1,"b":"x,\"y","c":null,"d":[1,2],"e":{"k":"v"},"t":"2026-01-01T01:02:03.500000Z","f":true,"u":"é"}"#;
    assert_eq!(answer("jsonl"), format!("{row}\n"));
    assert_eq!(answer("json"), format!("[\n{row}\n]\n"));
    let table = answer("table");
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("x,\"y") && table.contains('é'), "{table}");
    // No terminal: lines of JSON, unless a file's name says otherwise.
    assert_eq!(place.run(&["query", sql]).ok(), answer("jsonl"));
    place.run(&["query", sql, "-o", "answer.csv"]).ok();
    assert_eq!(fs::read_to_string(place.path().join("answer.csv")).unwrap(), answer("csv"));
    let parquet = place.run(&["query", "select * from anthropic_logs", "--format", "parquet"]).stdout;
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    assert_eq!(place.run(&["query", "select 1 as a where false", "--format", "json"]).ok(), "[\n]\n");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let place = lake();
    let path = place.path().join("answer.jsonl");
    place.run(&["query", "select 1 as a", "-o", "answer.jsonl"]).ok();
    let sql = "select range, case when range = 900000 then error('no') end from range(1000000)";
    assert!(place.run(&["query", sql, "-o", "answer.jsonl"]).failed().contains("no"));
    assert!(
        place
            .run(&["query", "select * from range(10)", "--max-rows", "5", "-o", "answer.jsonl"])
            .failed()
            .contains("5 rows")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n");
    let sql = "select range, md5(range::varchar) from range(100000000)";
    let query = place.program(&["query", sql, "--max-rows", "100000000", "-o", "answer.jsonl"]).start();
    until("it writes", || left(&place).len() > 3);
    let outcome = query.terminate();
    assert!(outcome.stderr.contains("interrupted: answer.jsonl is not written"), "{outcome:?}");
    outcome.failed();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n");
    assert_eq!(left(&place), ["answer.jsonl", "data", "some.jsonl"]);
    let failed = place.run(&["query", "select 1", "-o", "absent/answer.csv"]).failed();
    assert!(failed.contains("cannot write absent/answer.csv"), "{failed}");
}

/// The names of what lies in the working directory.
fn left(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn parameters_are_values() {
    let place = lake();
    let sql = "select count(*) as n from anthropic_logs where eventID = $id";
    let count = |id: &str| place.run(&["query", sql, "--param", &format!("id={id}")]).ok();
    assert_eq!(count("activity_00000007"), "{\"n\":1}\n");
    assert_eq!(count("x' or '1'='1"), "{\"n\":0}\n");
    assert!(place.run(&["query", sql]).failed().contains("$id"));
    assert_eq!(place.run(&["query", sql, "--param", "id"]).code, Some(2));
}

#[test]
fn nothing_is_written_and_no_file_is_read() {
    let place = lake();
    place.file("secret.csv", "a\n1\n");
    let file = place.path().join("secret.csv");
    let file = file.to_str().unwrap();
    let refused = |sql: &str| {
        let failed = place.run(&["query", sql]).failed();
        assert!(failed.len() > 20, "{sql}: {failed}");
    };
    for sql in [
        "delete from anthropic_logs",
        "delete from activity",
        "insert into activity select * from activity",
        "update activity set raw = ''",
        "create table t (a int)",
        "create temp table t (a int)",
        "drop view anthropic_logs",
        "explain analyze delete from activity",
        "with d as (delete from activity returning *) select * from d",
        "select 1; delete from activity",
        "install httpfs",
        "load json",
        "set enable_external_access = true",
        "pragma threads = 1",
        "call enable_logging()",
        "checkpoint",
        "begin",
        "vacuum",
        "select getenv('HOME')",
        "select * from 'https://example.com/a.csv'",
        "select * from read_csv('https://example.com/a.csv')",
        "",
        "   ;",
        "selec 1",
    ] {
        refused(sql);
    }
    for sql in ["read_csv", "read_text", "read_blob", "read_json", "read_parquet", "glob"] {
        refused(&format!("select * from {sql}('{file}')"));
    }
    refused(&format!("select * from '{file}'"));
    refused(&format!("copy (select 1) to '{file}'"));
    refused(&format!("copy anthropic_logs to '{file}'"));
    refused(&format!("attach '{file}' as other"));
    refused(&format!("export database '{file}.d'"));
    assert_eq!(fs::read_to_string(Path::new(file)).unwrap(), "a\n1\n");
    assert_eq!(place.count(), 100);
}

#[test]
fn time_and_rows_are_bounded() {
    let place = lake();
    let failed = place.run(&["query", LONG, "--timeout", "0.5"]).failed();
    assert!(failed.contains("took longer than 0.5 s") && failed.contains("hint: "), "{failed}");
    let outcome = place.run(&["query", "select range as n from range(10)", "--max-rows", "5"]);
    assert_eq!(lines(std::str::from_utf8(&outcome.stdout).unwrap()).len(), 5);
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("more than 5 rows"), "{outcome:?}");
    assert_eq!(lines(&place.run(&["query", "select range as n from range(5)", "--max-rows", "5"]).ok()).len(), 5);
}

#[test]
fn an_interrupt_ends_a_query_at_once() {
    let place = lake();
    let query = place.program(&["query", LONG]).start();
    let lock = place.data().join("auditlake.lock");
    let holder = query.pid().to_string();
    until("the query has the store", || fs::read_to_string(&lock).is_ok_and(|text| text.contains(&holder)));
    let asked = Instant::now();
    if is_interruptible(query.pid()) {
        query.signal("INT");
        assert_ne!(query.end().code, Some(0));
        assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    } else {
        eprintln!("passed over: these tests run where interrupts are ignored");
        query.kill9();
    }
    assert_eq!(place.count(), 100);
}

/// Whether a process takes interrupts: what runs in the background of a script inherits that it does not.
fn is_interruptible(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim).unwrap_or("0");
    u64::from_str_radix(ignored, 16).is_ok_and(|set| set & 2 == 0)
}

#[test]
fn a_query_whose_asker_has_gone_is_cancelled() {
    let place = lake();
    let mut run = place.program(&["run", "--port", "0"]).start();
    run.line(|line| line.starts_with("http://"));
    let busy = || cpu_ticks(run.pid());
    let before = busy();
    let query = place.program(&["query", LONG]).start();
    until("the service works on the query", || busy() > before + 30);
    query.kill9();
    until("the service rests", || {
        let before = busy();
        std::thread::sleep(Duration::from_millis(500));
        busy() <= before + 3
    });
    assert_eq!(place.count(), 100);
    assert_eq!(run.terminate().code, Some(0));
}

/// The processor time that a process has used, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let output = Command::new("cat").arg(format!("/proc/{pid}/stat")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn texts_of_strangers_stay_texts() {
    let place = Place::new();
    let hostile = activity("x", 1)
        .replace("claude_chat_x", r"\u001b[31m\u001b]0;pwned\u0007\u009b2J")
        .replace("ann@", r"=cmd()|\u001b[2J@");
    let file = place.file("hostile.jsonl", hostile);
    place.run(&["import", &file]).ok();
    let sql = "select actorEmail, json_extract_string(rawLog, '$.claude_chat_id') as chat, rawLog from anthropic_logs";
    for words in [
        &["query", sql, "--format", "table"][..],
        &["search", "--format", "table"],
        &["search", "type:claude_chat_created", "--format", "table"],
    ] {
        let table = place.run(words).ok();
        assert!(!table.chars().any(|sign| sign.is_control() && sign != '\n'), "{table:?}");
    }
    let csv = place
        .run(&[
            "query",
            "select actorEmail, '+1' as a, '@x' as b, -1 as c, '\t=1' as d from anthropic_logs",
            "--format",
            "csv",
        ])
        .ok();
    let row = csv.lines().nth(1).unwrap();
    assert!(row.starts_with("'=cmd()") && row.contains(",'+1,'@x,-1,'\t=1"), "{row:?}");
    // For programs, every byte as it was.
    let row = place.rows("select actorEmail as a from anthropic_logs").remove(0);
    assert_eq!(row["a"], "=cmd()|\u{1b}[2J@example.com");
}
