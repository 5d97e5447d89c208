//! What of a deployment stands in files beside the store: keys to the served feed and users (as hashes), switched rules, rejected lines,
//! location databases, and what a demo remembers.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{config::SWITCHES, datadir::DataDir, enriching::DEMO_PEOPLE, hinted, keys, users};

const DIRECTORIES: [&str; 2] = ["rejects", "enrich"];

/// Files that go along, from one data directory to another.
pub struct Files {
    list: Vec<PathBuf>,
    from: PathBuf,
    to: PathBuf,
}

impl Files {
    /// Looks at both sides, and changes nothing.
    ///
    /// # Errors
    /// If one is in the target already and says something else.
    pub fn find(from: &DataDir, to: &DataDir) -> Result<Files> {
        let (from, to) = (from.path().to_owned(), to.path().to_owned());
        let mut list: Vec<PathBuf> =
            [keys::FILE, users::FILE, SWITCHES, "demo.json", DEMO_PEOPLE].map(PathBuf::from).into();
        for directory in DIRECTORIES {
            let Ok(found) = fs::read_dir(from.join(directory)) else { continue };
            for file in found {
                list.push(Path::new(directory).join(file?.file_name()));
            }
        }
        list.retain(|name| from.join(name).is_file());
        for name in &list {
            let there = to.join(name);
            if there.exists() && !is_same(&from.join(name), &there)? {
                return Err(hinted(
                    format!("{} is there already and says something else", there.display()),
                    "name an empty directory, or move the file away",
                ));
            }
        }
        Ok(Files { list, from, to })
    }

    /// Copies them, each whole or not at all. Answers how many there are.
    pub fn copy(&self) -> Result<usize> {
        for name in &self.list {
            let (from, to) = (self.from.join(name), self.to.join(name));
            let copy = || -> io::Result<()> {
                if let Some(directory) = to.parent() {
                    fs::create_dir_all(directory)?;
                }
                let fresh = to.with_extension("copy");
                // With its permissions: some are for this user alone.
                fs::copy(&from, &fresh)?;
                fs::File::open(&fresh)?.sync_all()?;
                fs::rename(&fresh, &to)
            };
            copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
        }
        Ok(self.list.len())
    }
}

fn is_same(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.len() == fs::metadata(other)?.len() && fs::read(one)? == fs::read(other)?)
}
