//! The data directory: whether it is there, ours, closed to others, and free.

use std::os::unix::fs::PermissionsExt;

use super::{Finding, Scene};

const CHECK: &str = "data directory";
const LOCK: &str = "lock";

pub async fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let path = scene.data.path();
    let shown = path.display();
    let data = match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return vec![Finding::ok(CHECK, format!("{shown} is not there yet; it is made when it is first used"))];
        }
        Err(error) => {
            let todo = "look at the permissions of the directories above it, or name another one with --data";
            return vec![Finding::fail(CHECK, format!("{shown}: {error}"), todo)];
        }
        Ok(data) => data,
    };
    if !data.is_dir() {
        return vec![Finding::fail(CHECK, format!("{shown} is a file"), "name a directory with --data")];
    }
    let written = tempfile::Builder::new().prefix(".check-").tempfile_in(path);
    let is_written = written.as_ref().map(drop);
    let mode = data.permissions().mode() & 0o777;
    let finding = match is_written {
        // A full disk is the next topic's.
        Err(error) if error.kind() != std::io::ErrorKind::StorageFull => Finding::fail(
            CHECK,
            format!("{shown} cannot be written: {error}"),
            "run this as the user who owns it, or give it to this one: chown -R",
        ),
        _ if mode & 0o077 != 0 => Finding::warn(
            CHECK,
            format!("{shown} is open to other users (mode {mode:o})"),
            format!("chmod 700 {shown}: it holds the log of a company"),
        ),
        _ => Finding::ok(CHECK, format!("{shown}: writable, closed to other users")),
    };
    vec![finding, lock(scene)]
}

fn lock(scene: &Scene<'_>) -> Finding {
    match scene.data.holder() {
        Ok(None) => Finding::ok(LOCK, "nobody uses the data directory"),
        Ok(Some(holder)) => {
            let who = holder.map_or_else(
                || "another process".to_owned(),
                |holder| format!("`auditlake {}` (process {})", holder.command, holder.pid),
            );
            match scene.data.service() {
                Some(service) => Finding::ok(LOCK, format!("held by {who}, which answers at {}", service.url)),
                None => Finding::warn(
                    LOCK,
                    format!("held by {who}, which does not serve"),
                    "wait until it ends before you start the service",
                ),
            }
        }
        Err(error) => {
            Finding::fail(LOCK, format!("auditlake.lock: {error}"), "run this as the user who owns the data directory")
        }
    }
}
