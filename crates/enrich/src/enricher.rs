//! Everything together: the files that were named, what was read of them, and what was said of an activity.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use activity::{Enrichment, Record};
use jiff::Timestamp;

use crate::{
    EnrichError, agents,
    cache::Cache,
    directory::{Directory, Problem},
    file::Watched,
    places::{Database, Places},
};

/// What to ask.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Location databases, the one that counts most first.
    pub databases: Vec<PathBuf>,
    /// Location databases that count after those, if they are there.
    pub fetched: Vec<PathBuf>,
    /// A location database that is at hand, and counts after all others.
    pub built_in: Option<Vec<u8>>,
    /// The directory of people.
    pub directory: Option<PathBuf>,
    /// Whether user agents are looked at.
    pub user_agents: bool,
}

/// Answers what is known of an activity. Shared by all threads.
pub struct Enricher {
    /// Tells this enricher's answers from those of others in a thread's memory, and old ones from new ones.
    version: AtomicU64,
    known: Mutex<Arc<Known>>,
    files: Mutex<Files>,
}

/// What is asked at this moment.
#[derive(Default)]
struct Known {
    databases: Vec<Arc<Database>>,
    directory: Option<Arc<Directory>>,
    user_agents: bool,
}

struct Files {
    databases: Vec<Watched<Arc<Database>>>,
    built_in: Option<Arc<Database>>,
    directory: Option<Watched<Arc<Directory>>>,
    user_agents: bool,
}

/// What a thread remembers.
struct Memory {
    version: u64,
    known: Arc<Known>,
    addresses: Cache,
    places: Places,
    agents: Cache,
    forms: agents::Forms,
}

/// A thread remembers so many addresses, and so many user agents.
const REMEMBERED: usize = 32_768;

static VERSIONS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::new(Memory {
        version: 0,
        known: Arc::default(),
        addresses: Cache::new(REMEMBERED),
        places: Places::new(REMEMBERED),
        agents: Cache::new(REMEMBERED),
        forms: agents::Forms::default(),
    });
}

impl std::fmt::Debug for Enricher {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.debug_struct("Enricher").finish_non_exhaustive()
    }
}

impl Enricher {
    /// Reads the files. One that cannot be read is left out until it can; [`Enricher::reports`] says which and why.
    pub fn new(options: Options) -> Enricher {
        let built_in = options.built_in.and_then(|bytes| match Database::new(Path::new(BUILT_IN), bytes) {
            Ok(database) => Some(Arc::new(database)),
            Err(error) => {
                tracing::error!(%error, "it is not in use");
                None
            }
        });
        let files = Files {
            databases: options
                .databases
                .into_iter()
                .map(|path| Watched::new(path, false))
                .chain(options.fetched.into_iter().map(|path| Watched::new(path, true)))
                .collect(),
            built_in,
            directory: options.directory.map(|path| Watched::new(path, false)),
            user_agents: options.user_agents,
        };
        let enricher = Enricher { version: AtomicU64::new(0), known: Mutex::default(), files: Mutex::new(files) };
        enricher.refresh();
        enricher.publish();
        enricher
    }

    /// What is known of this activity beside itself.
    pub fn of(&self, record: &Record) -> Enrichment {
        MEMORY.with_borrow_mut(|memory| {
            let version = self.version.load(Ordering::Acquire);
            if memory.version != version {
                memory.known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                memory.version = version;
                memory.addresses.clear();
                memory.places.clear();
                memory.agents.clear();
            }
            let Memory { known, addresses, places, agents, forms, .. } = memory;
            let actor = &record.activity.actor;
            let place = match actor.text("ip_address") {
                // An address has at most 45 characters; what is longer is none.
                Some(text) if !known.databases.is_empty() && text.len() <= 45 => {
                    addresses.get(text, || places.look_up(&known.databases, text))
                }
                _ => None,
            };
            let agent = match actor.text("user_agent") {
                Some(text) if known.user_agents && !text.is_empty() => {
                    let text = agents::head(text);
                    agents.get(text, || forms.look_up(text).map(Arc::from))
                }
                _ => None,
            };
            let person = known.directory.as_ref().and_then(|directory| directory.look_up(record));
            Enrichment { place, agent, person }
        })
    }

    /// Whether there is anything to ask.
    pub fn is_idle(&self) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.databases.is_empty() && known.directory.is_none() && !known.user_agents
    }

    /// Takes up files that have changed. Whether there was one. What cannot be read any more is said once, and what was
    /// read before stays in use.
    pub fn refresh(&self) -> bool {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_new = false;
        for file in &mut files.databases {
            let done = file.refresh(|path, bytes| Database::new(path, bytes).map(Arc::new));
            if done && let Some(database) = &file.value {
                tracing::info!(file = %file.path.display(), database = database.label(), "a location database is in use");
            }
            is_new |= done;
        }
        if let Some(file) = &mut files.directory {
            let done = file.refresh(|path, bytes| Directory::read(path, &bytes).map(Arc::new));
            if done && let Some(directory) = &file.value {
                tracing::info!(file = %file.path.display(), people = directory.len(), "a directory is in use");
                for problem in &directory.problems {
                    tracing::warn!(file = %file.path.display(), "{problem}");
                }
            }
            is_new |= done;
        }
        drop(files);
        if is_new {
            self.publish();
        }
        is_new
    }

    fn publish(&self) {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let named = files.databases.iter().filter_map(|file| file.value.clone());
        let known = Known {
            databases: named.chain(files.built_in.clone()).collect(),
            directory: files.directory.as_ref().and_then(|file| file.value.clone()),
            user_agents: files.user_agents,
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        // After what it stands for: a thread that sees the number finds that or something newer.
        self.version.store(VERSIONS.fetch_add(1, Ordering::Relaxed), Ordering::Release);
    }

    /// How each of the files is.
    pub fn reports(&self) -> Vec<Report> {
        let files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Report> = files
            .databases
            .iter()
            .filter(|file| !file.is_absent())
            .map(|file| of_database(&file.path, file.value.as_deref(), file.trouble.as_ref()))
            .collect();
        all.extend(files.built_in.as_deref().map(|database| of_database(Path::new(BUILT_IN), Some(database), None)));
        all.extend(files.directory.as_ref().map(|file| {
            let trouble = file.trouble.as_ref();
            of_directory(&file.path, file.value.as_deref(), trouble)
        }));
        all
    }

    /// What the databases say of an address.
    pub fn place(&self, address: &str) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Places::new(1).look_up(&known.databases, address).map(|place| place.as_ref().to_owned())
    }
}

/// How a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// What it is, such as `GeoLite2-City 2026-04-10` or `directory of 200`; empty if it was never read.
    pub what: String,
    /// When it was made, if it says so, or last changed.
    pub made: Option<Timestamp>,
    /// Whether a location database is older than [`OLD_DAYS`].
    pub is_old: bool,
    /// Why it is not in use.
    pub trouble: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Lines of a directory that are of no use, or only in part.
    pub problems: Vec<Problem>,
}

/// What stands where the path of the built-in database would.
const BUILT_IN: &str = "(built in)";

/// A location database that was made longer ago is old: networks move.
pub const OLD_DAYS: i64 = 60;

/// Looks at the files as they are now, every record of them.
pub fn inspect(options: &Options) -> Vec<Report> {
    let mut all = Vec::new();
    for path in options.databases.iter().chain(options.fetched.iter().filter(|path| path.exists())) {
        let read = std::fs::read(path).map_err(|error| EnrichError::Read { path: path.clone(), error });
        let database = read.and_then(|bytes| Database::new(path, bytes)).and_then(|database| match database.verify() {
            Ok(()) => Ok(database),
            Err(message) => Err(EnrichError::Database { path: path.clone(), message }),
        });
        all.push(of_database(path, database.as_ref().ok(), database.as_ref().err()));
    }
    if let Some(bytes) = &options.built_in {
        let database = Database::new(Path::new(BUILT_IN), bytes.clone());
        let report = of_database(Path::new(BUILT_IN), database.as_ref().ok(), database.as_ref().err());
        // It comes with the program: there is no newer one.
        all.push(Report { is_old: false, ..report });
    }
    if let Some(path) = &options.directory {
        let read = std::fs::read(path).map_err(|error| EnrichError::Read { path: path.clone(), error });
        let directory = read.and_then(|bytes| Directory::read(path, &bytes));
        all.push(of_directory(path, directory.as_ref().ok(), directory.as_ref().err()));
    }
    all
}

fn report(path: &Path, trouble: Option<&EnrichError>) -> Report {
    Report {
        path: path.to_owned(),
        what: String::new(),
        made: None,
        is_old: false,
        trouble: trouble.map(ToString::to_string),
        hint: trouble.map(|trouble| trouble.hint().to_owned()),
        problems: Vec::new(),
    }
}

fn of_database(path: &Path, database: Option<&Database>, trouble: Option<&EnrichError>) -> Report {
    let Some(database) = database else { return report(path, trouble) };
    let made = i64::try_from(database.built_seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let is_old = made
        .is_some_and(|made| Timestamp::now().duration_since(made) > jiff::SignedDuration::from_hours(24 * OLD_DAYS));
    Report { what: database.label().to_owned(), made, is_old, ..report(path, trouble) }
}

fn of_directory(path: &Path, directory: Option<&Directory>, trouble: Option<&EnrichError>) -> Report {
    let Some(directory) = directory else { return report(path, trouble) };
    let changed = std::fs::metadata(path).and_then(|data| data.modified()).ok();
    let since = changed.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    Report {
        what: format!("directory of {}", directory.len()),
        made: since.and_then(|since| Timestamp::from_second(since.as_secs() as i64).ok()),
        problems: directory.problems.clone(),
        ..report(path, trouble)
    }
}

#[cfg(test)]
mod tests {
    use activity::{Activity, AgentPart, PersonPart, PlacePart};

    use super::*;
    use crate::{Block, Builder};

    fn of(enricher: &Enricher) -> Enrichment {
        let text = r#"{"id":"a","created_at":"2026-01-01T00:00:00Z","type":"t","actor":{"type":"user_actor","email_address":"a@example.com","ip_address":"192.0.2.1","user_agent":"curl/8.4"}}"#;
        enricher.of(&Record::of(&Activity::parse_str(text).unwrap()))
    }

    fn database(city: &str) -> Vec<u8> {
        let mut builder = Builder::default();
        builder.add("192.0.2.0/24", &Block { city, ..Block::default() });
        builder.finish("Test", "", 1_767_312_000)
    }

    fn city(enricher: &Enricher) -> Option<String> {
        Some(PlacePart::City.of(of(enricher).place.as_deref()?)?.to_owned())
    }

    #[test]
    fn takes_changed_files_up_and_keeps_what_was_good() {
        let dir = tempfile::tempdir().unwrap();
        let (places, people) = (dir.path().join("a.mmdb"), dir.path().join("people.csv"));
        let options = Options {
            databases: vec![places.clone()],
            directory: Some(people.clone()),
            user_agents: true,
            ..Options::default()
        };
        let enricher = Enricher::new(options.clone());
        assert_eq!(AgentPart::Client.of(of(&enricher).agent.as_deref().unwrap()), Some("curl"));
        assert_eq!((city(&enricher), of(&enricher).person), (None, None));
        assert!(enricher.reports().iter().all(|report| report.trouble.is_some()));
        // A new file beside it and renamed, as every careful writer does.
        let put = |path: &Path, bytes: &[u8]| {
            let fresh = path.with_extension("new");
            std::fs::write(&fresh, bytes).unwrap();
            std::fs::rename(&fresh, path).unwrap();
        };
        put(&places, &database("Berlin"));
        put(&people, b"email,name\na@example.com,Ada\n");
        assert!(enricher.refresh());
        assert_eq!(city(&enricher).as_deref(), Some("Berlin"));
        assert_eq!(PersonPart::Name.of(of(&enricher).person.as_deref().unwrap()), Some("Ada"));
        assert!(!enricher.refresh(), "nothing has changed");
        put(&places, b"half a file");
        assert!(!enricher.refresh());
        assert_eq!(city(&enricher).as_deref(), Some("Berlin"), "the old one stays");
        assert!(enricher.reports()[0].trouble.as_ref().unwrap().contains("no MaxMind database"));
        assert!(inspect(&options)[0].trouble.is_some() && inspect(&options)[1].trouble.is_none());
        put(&places, &database("Paris"));
        assert!(enricher.refresh());
        assert_eq!(city(&enricher).as_deref(), Some("Paris"));
        assert!(enricher.reports()[0].is_old && enricher.reports()[0].what == "Test 2026-01-02");
        std::fs::remove_file(&places).unwrap();
        assert!(!enricher.refresh());
        assert_eq!(city(&enricher).as_deref(), Some("Paris"));
    }

    #[test]
    fn enrichers_do_not_mix() {
        let options = |city| Options { built_in: Some(database(city)), ..Options::default() };
        let (one, other) = (Enricher::new(options("Berlin")), Enricher::new(options("Paris")));
        for _ in 0..3 {
            assert_eq!((city(&one).as_deref(), city(&other).as_deref()), (Some("Berlin"), Some("Paris")));
        }
        assert!(!one.is_idle() && Enricher::new(Options::default()).is_idle());
        assert_eq!(of(&Enricher::new(Options::default())), Enrichment::default());
    }
}
