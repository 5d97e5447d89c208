//! The files that enrichment asks: whether they can be read, to their last record, and how old they are.

use enrich::Report;

use super::{Finding, Scene};
use crate::enriching;

const CHECK: &str = "enrichment";

pub async fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let options = enriching::options(scene.config, scene.data);
    let reports = tokio::task::spawn_blocking(move || enrich::inspect(&options)).await.unwrap_or_default();
    reports.into_iter().map(judge).collect()
}

fn judge(report: Report) -> Finding {
    let path = report.path.display();
    if let Some(trouble) = report.trouble {
        return Finding::fail(CHECK, trouble, report.hint.unwrap_or_default());
    }
    if report.is_old {
        return Finding::warn(
            CHECK,
            format!("{path}: {} is old, and networks move", report.what),
            "fetch a newer one; `auditlake enrich update` fetches free ones",
        );
    }
    match report.problems.as_slice() {
        [] => Finding::ok(CHECK, format!("{path}: {}", report.what)),
        [first, ..] => Finding::warn(
            CHECK,
            format!("{path}: {}, {first}", report.what),
            "correct the line; `auditlake enrich status` lists more",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Verdict;

    #[test]
    fn judges_files() {
        let dir = tempfile::tempdir().unwrap();
        let (people, places) = (dir.path().join("people.csv"), dir.path().join("a.mmdb"));
        std::fs::write(&people, "email,name\na@example.com,A\n,B\n").unwrap();
        std::fs::write(&places, enriching::documentation_ranges()).unwrap();
        let missing = dir.path().join("none.mmdb");
        let options =
            enrich::Options { databases: vec![places, missing], directory: Some(people), ..enrich::Options::default() };
        let findings: Vec<Finding> = enrich::inspect(&options).into_iter().map(judge).collect();
        assert_eq!(findings.len(), 3);
        assert_eq!(findings[1].result, Verdict::Fail);
        assert_eq!(findings[2].result, Verdict::Warn);
        assert!(findings[2].saw.contains("line 3: neither"), "{}", findings[2].saw);
    }
}
