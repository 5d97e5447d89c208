//! A file that may change: what was read of it, and whether it is another one by now.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{EnrichError, Result};

/// By what a change is seen: a file that was replaced has another inode, one that was written another time or size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Mark {
    fn of(path: &Path) -> std::io::Result<Mark> {
        let data = fs::metadata(path)?;
        Ok(Mark { inode: data.ino(), size: data.size(), changed: (data.mtime(), data.mtime_nsec()) })
    }
}

/// A named file, and what was made of it when it could last be read.
pub(crate) struct Watched<T> {
    pub(crate) path: PathBuf,
    /// Whether it may be missing.
    is_optional: bool,
    /// What the file looked like when it was last tried, good or bad.
    tried: Option<Mark>,
    pub(crate) value: Option<T>,
    /// Why what the file holds now is not in use.
    pub(crate) trouble: Option<EnrichError>,
}

impl<T> Watched<T> {
    pub(crate) fn new(path: PathBuf, is_optional: bool) -> Self {
        Watched { path, is_optional, tried: None, value: None, trouble: None }
    }

    /// Whether there is nothing to be said of it.
    pub(crate) fn is_absent(&self) -> bool {
        self.is_optional && self.value.is_none() && self.trouble.is_none()
    }

    /// Reads the file if it is another one than the last time. Whether something new came of it.
    pub(crate) fn refresh(&mut self, read: impl FnOnce(&Path, Vec<u8>) -> Result<T>) -> bool {
        let mark = Mark::of(&self.path).ok();
        if self.is_optional && mark.is_none() {
            return false;
        }
        let was_tried = self.tried.is_some() || self.trouble.is_some();
        if was_tried && mark == self.tried {
            return false;
        }
        self.tried = mark;
        let done = fs::read(&self.path)
            .map_err(|error| EnrichError::Read { path: self.path.clone(), error })
            .and_then(|bytes| read(&self.path, bytes));
        match done {
            Ok(value) => {
                self.value = Some(value);
                self.trouble = None;
                true
            }
            Err(error) => {
                let kept = if self.value.is_some() { "what was read before stays in use" } else { "it is not in use" };
                tracing::warn!(%error, hint = error.hint(), "{kept}");
                self.trouble = Some(error);
                false
            }
        }
    }
}
