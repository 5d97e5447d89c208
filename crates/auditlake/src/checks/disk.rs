//! Free space, against what the deployment will want.

use std::path::Path;

use auditlake_store::Status;

use super::{Finding, Scene, size};
use crate::lake::Lake;

const CHECK: &str = "disk";
/// Commits, the write-ahead log and its move into the file want this much.
const LEAST: u64 = 256 << 20;
/// With less, somebody should know, whatever is stored.
const COMFORTABLE: u64 = 2 << 30;
/// The growth of so many days should fit.
const DAYS: u64 = 90;

pub async fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(path) = scene.data.path().ancestors().find(|path| path.is_dir()) else { return Vec::new() };
    let free = match free(path) {
        Ok(free) => free,
        Err(error) => {
            return vec![Finding::warn(CHECK, format!("{}: {error}", path.display()), "look at it yourself: df -h")];
        }
    };
    let growth = growth(scene).await;
    vec![judge(free, growth)]
}

fn judge(free: u64, growth: Option<u64>) -> Finding {
    let want = growth.unwrap_or(0).max(COMFORTABLE);
    let about = match growth {
        Some(growth) => format!("{} free; {DAYS} days more take about {}", size(free), size(growth)),
        None => format!("{} free; a million activities take about 100 MB", size(free)),
    };
    let todo = "make room, or move the data directory to a larger disk; nothing is ever deleted by itself";
    match free {
        _ if free < LEAST => Finding::fail(CHECK, format!("{about}; less than {} is too little", size(LEAST)), todo),
        _ if free < want => Finding::warn(CHECK, about, todo),
        _ => Finding::ok(CHECK, about),
    }
}

/// Free bytes for this user on the file system of a directory.
fn free(path: &Path) -> std::io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// What the store grows by in [`DAYS`], by its density so far, if it is there and can be asked.
async fn growth(scene: &Scene<'_>) -> Option<u64> {
    let data = scene.data;
    if !data.has_store() || data.holder().ok()?.is_some() && data.service().is_none() {
        return None;
    }
    // Opening would bring an older file up to date: only a service that runs is asked.
    let service = data.service()?;
    let status = Lake::status_of(&service).await.ok()?;
    grown(&status)
}

fn grown(status: &Status) -> Option<u64> {
    let span = status.newest?.duration_since(status.oldest?).as_secs().unsigned_abs().max(86_400);
    Some((u128::from(status.bytes) * u128::from(DAYS * 86_400) / u128::from(span)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Verdict;

    #[test]
    fn weighs_what_is_free() {
        assert_eq!(judge(10 << 30, None).result, Verdict::Ok);
        assert_eq!(judge(1 << 30, None).result, Verdict::Warn);
        assert_eq!(judge(100 << 20, None).result, Verdict::Fail);
        let full = judge(10 << 30, Some(20 << 30));
        assert_eq!(full.result, Verdict::Warn);
        assert!(full.todo.is_some() && full.saw.contains("90 days more take about 21.5 GB"), "{full:?}");
    }

    #[test]
    fn grows_as_before() {
        let status = Status {
            oldest: Some("2026-01-01T00:00:00Z".parse().unwrap()),
            newest: Some("2026-01-31T00:00:00Z".parse().unwrap()),
            bytes: 1_000,
            ..Status::default()
        };
        assert_eq!(grown(&status), Some(3_000));
        assert_eq!(grown(&Status::default()), None);
    }
}
