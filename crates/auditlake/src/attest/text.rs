//! The statement for people to read.

use std::fmt::Write;

use super::statement::{Source, Statement};

/// The whole statement.
pub fn render(statement: &Statement) -> String {
    let Statement { from, to, seq, made_at, program, .. } = statement;
    let verdict = if statement.complete { "COMPLETE" } else { "NOT COMPLETE" };
    let mut text = format!(
        "Completeness statement\n\n  span      {from} to {to}\n  verdict   {verdict}\n  made      {made_at} by {program}, of commits up to {seq}\n  sha256    {}\n",
        statement.sha256
    );
    if statement.sources.is_empty() {
        text.push_str("\nNothing was collected.\n");
    }
    for source in &statement.sources {
        of_source(&mut text, source);
    }
    list(&mut text, "What is claimed", &statement.claims);
    list(&mut text, "What is not claimed", &statement.does_not_claim);
    text.push_str("\nTo compute the same\n");
    for (name, how) in &statement.method {
        let _ = writeln!(text, "  {name}: {how}");
    }
    text
}

fn of_source(text: &mut String, source: &Source) {
    let verdict = match (source.kind.as_str(), source.complete) {
        ("feed", true) => "complete",
        ("feed", false) => "not complete",
        _ => "not collected from a feed: nothing is claimed",
    };
    let _ = writeln!(text, "\nSource {}: {verdict}", source.source);
    for reason in &source.because {
        let _ = writeln!(text, "  because {reason}");
    }
    let totals = &source.totals;
    let _ = writeln!(
        text,
        "  stored    {} activities, brought by {} requests or files; {} late (up to {:.0} s), {} our own requests",
        totals.activities, totals.brought_by, totals.late, totals.latest_seconds, totals.own_reads
    );
    for (organization, count) in &source.organizations {
        let _ = writeln!(text, "  of        {organization}: {count}");
    }
    if source.kind == "feed" {
        let _ = writeln!(text, "  read      {}", source.scope());
    }
    for stretch in &source.covered {
        let (first, last) = (stretch.first_read, stretch.last_read);
        // Neighbours that were read at different times count as one: all of it by the one time, nothing of it before the other.
        let read = match last < first {
            true => format!("read between {last} and {first}"),
            false => format!("first read {first}, last {last}"),
        };
        let _ = writeln!(text, "  covered   {} to {}: {read}", stretch.from, stretch.to);
    }
    for gap in &source.gaps {
        let _ = writeln!(text, "  GAP       {} to {}", gap.from, gap.to);
    }
    for span in &source.unreadable {
        let _ = writeln!(text, "  UNREAD    {} to {}: the feed could not be made to show it", span.from, span.to);
    }
    let requests = &source.requests;
    if source.kind == "feed" {
        let _ = writeln!(
            text,
            "  requests  {} pages with {} records; {} begin a window, {} go on from a page before, {} from nowhere; {} records rejected",
            requests.pages,
            requests.records,
            requests.begun,
            requests.continued,
            requests.broken.len(),
            requests.rejected
        );
        let _ = writeln!(text, "            sha256 {}", requests.sha256);
    }
    for (kind, count) in &requests.errors {
        let _ = writeln!(text, "  failed    {kind}: {count} requests, asked again");
    }
    for (kind, count) in &source.drift {
        let _ = writeln!(text, "  drift     {kind}: {count}");
    }
    for day in &source.days {
        let _ = writeln!(text, "  {}  {:>9}  ids {}  raw {}", day.day, day.activities, day.ids_sha256, day.raw_sha256);
    }
}

fn list(text: &mut String, head: &str, lines: &[String]) {
    let _ = writeln!(text, "\n{head}");
    for line in lines {
        let _ = writeln!(text, "  - {line}");
    }
}
