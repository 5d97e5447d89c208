//! A full disk: it is said, nothing is corrupt, and with more space the same command completes.
//!
//! Needs a small file system of its own, which only the superuser can mount; passed over elsewhere, but not in CI.

use std::{path::PathBuf, process::Command};

use crate::{feed::Feed, http, place::Place};

/// A file system in memory, as long as this lives.
struct Disk {
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Disk {
    fn mount(megabytes: u32) -> Option<Disk> {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk { path: dir.path().join("disk"), _dir: dir };
        std::fs::create_dir(&disk.path).unwrap();
        let is_mounted = disk.call("mount", &["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]);
        if !is_mounted {
            assert!(std::env::var_os("CI").is_none(), "in CI these tests have to run: as the superuser, who may mount");
            eprintln!("passed over: this user cannot mount a small file system");
            // Nothing to unmount: take the directory away as it is.
            return None;
        }
        Some(disk)
    }

    fn grow(&self, megabytes: u32) {
        assert!(self.call("mount", &["-o", &format!("remount,size={megabytes}m")]));
    }

    fn call(&self, program: &str, words: &[&str]) -> bool {
        let output = Command::new(program).args(words).arg(&self.path).output();
        output.is_ok_and(|output| output.status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.call("umount", &["-l"]);
    }
}

#[test]
fn an_import_that_finds_no_space_completes_with_more() {
    let Some(disk) = Disk::mount(10) else { return };
    let place = Place::new().with_data(disk.path.join("data"));
    let feed = Feed::start(&place, &["--frozen", "--people", "200", "--days", "30"]);
    let (_, truth) = feed.end();
    let file = place.file("past.jsonl", truth.lines());
    for _ in 0..2 {
        let failed = place.run(&["import", &file]).failed();
        assert!(failed.contains("no space left") && failed.contains("hint: free some space"), "{failed}");
        assert!(place.count() < truth.len() as u64);
    }
    disk.grow(256);
    place.run(&["import", &file]).ok();
    truth.holds(&place);
}

#[test]
fn a_service_that_finds_no_space_goes_on_with_more() {
    let Some(disk) = Disk::mount(5) else { return };
    let place = Place::new().with_data(disk.path.join("data"));
    let feed = Feed::start(&place, &["--frozen", "--people", "200", "--days", "15"]);
    let mut run = feed.collector(&place);
    let url = run.line(|line| line.starts_with("http://"));
    run.says("no space left");
    run.says("hint: free some space");
    let (status, body) = http::get(&format!("{url}/readyz"));
    assert!(status == 503 && body.contains("no space left") && body.contains("free some space"), "{body}");
    let (_, metrics) = http::get(&format!("{url}/metrics"));
    assert!(metrics.contains("auditlake_needs_person{source=\"anthropic\"} 1"), "{metrics}");
    disk.grow(256);
    run.says("the past is here");
    assert_eq!(http::get(&format!("{url}/readyz")).0, 200);
    let truth = feed.truth();
    truth.holds(&place);
    let outcome = run.terminate();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr.matches("works again: store").count(), 1, "{}", outcome.stderr);
    truth.holds(&place);
}
