//! `auditlake` as a child: what it is given, what it writes, and a hard end to every wait.

use std::{
    ffi::OsString,
    fmt::Debug,
    io::{Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

/// Nothing that a test waits for takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A call of the program that has not begun.
pub struct Program {
    command: Command,
    stdin: Option<Vec<u8>>,
    patience: Duration,
}

impl Program {
    /// The program with these words, in a directory, with no environment but the way to itself.
    pub fn new(dir: &Path, words: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auditlake"));
        command.args(words.into_iter().map(Into::into)).current_dir(dir).env_clear().env("HOME", dir);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        Program { command, stdin: None, patience: PATIENCE }
    }

    /// More words.
    pub fn words(mut self, words: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.command.args(words.into_iter().map(Into::into));
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// What stands on its standard input; nothing otherwise.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// It has to end within this time.
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Outcome {
        let input = self.stdin.take();
        let mut running = if input.is_some() { self.start_with_stdin() } else { self.start() };
        if let Some(input) = input {
            let mut pipe = running.stdin.take().unwrap();
            // A program that has read enough closes the pipe: no matter.
            thread::spawn(move || pipe.write_all(&input));
        }
        running.end()
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        self.command.stdin(Stdio::null());
        self.spawn()
    }

    /// Starts it with a pipe as its standard input: see [`Running::stdin`].
    pub fn start_with_stdin(mut self) -> Running {
        self.command.stdin(Stdio::piped());
        self.spawn()
    }

    fn spawn(mut self) -> Running {
        let told = format!("{:?}", self.command);
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = Arc::new(Output::default());
        output.read(child.stdout.take().unwrap(), |held| &mut held.stdout);
        output.read(child.stderr.take().unwrap(), |held| &mut held.stderr);
        Running { told, stdin: child.stdin.take(), child, output, patience: self.patience, has_ended: false }
    }
}

/// How it ended.
pub struct Outcome {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Outcome {
    /// The standard output of a run that was to succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "stderr: {}", self.stderr);
        String::from_utf8(self.stdout).unwrap()
    }

    /// What it said of a failure that it was to report with exit code 1: lower case, with an error and nothing on stdout.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, Some(1), "stdout: {} stderr: {}", String::from_utf8_lossy(&self.stdout), self.stderr);
        assert!(self.stderr.contains("error: "), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self.stderr
    }
}

impl Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(f, "exit code {:?}\nstdout: {stdout}\nstderr: {}", self.code, self.stderr)
    }
}

/// What a child has written so far.
#[derive(Default)]
struct Output {
    held: Mutex<Held>,
    more: Condvar,
}

#[derive(Default)]
struct Held {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    closed: usize,
}

impl Output {
    fn read(self: &Arc<Self>, mut pipe: impl Read + Send + 'static, stream: fn(&mut Held) -> &mut Vec<u8>) {
        let output = self.clone();
        thread::spawn(move || {
            let mut chunk = vec![0; 64 << 10];
            loop {
                let count = pipe.read(&mut chunk).unwrap_or(0);
                let mut held = output.held.lock().unwrap();
                stream(&mut held).extend_from_slice(&chunk[..count]);
                held.closed += usize::from(count == 0);
                output.more.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
    }
}

/// A child; killed when dropped.
pub struct Running {
    told: String,
    child: Child,
    /// Its standard input, if it was started with one.
    pub stdin: Option<ChildStdin>,
    output: Arc<Output>,
    patience: Duration,
    has_ended: bool,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A line of its standard output that passes, as soon as it is there.
    #[track_caller]
    pub fn line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        self.await_line(|held| &held.stdout, wanted)
    }

    /// A line of its standard error that contains this, as soon as it is there.
    #[track_caller]
    pub fn says(&mut self, text: &str) -> String {
        self.await_line(|held| &held.stderr, |line| line.contains(text))
    }

    #[track_caller]
    fn await_line(&mut self, stream: fn(&Held) -> &Vec<u8>, wanted: impl Fn(&str) -> bool) -> String {
        let found = self.wait(|held| {
            // Only whole lines: the last piece may be the start of one.
            let bytes = stream(held);
            let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
            let text = String::from_utf8_lossy(&bytes[..whole]).into_owned();
            text.lines().find(|line| wanted(line)).map(str::to_owned)
        });
        found.unwrap_or_else(|| self.give_up("the line that was waited for never came"))
    }

    /// Waits until something is found in what was written; `None` if it ended or took too long.
    fn wait<T>(&self, find: impl Fn(&Held) -> Option<T>) -> Option<T> {
        let until = Instant::now() + self.patience;
        let mut held = self.output.held.lock().unwrap();
        loop {
            if let Some(found) = find(&held) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if held.closed == 2 || left.is_zero() {
                return None;
            }
            held = self.output.more.wait_timeout(held, left).unwrap().0;
        }
    }

    #[track_caller]
    fn give_up(&mut self, why: &str) -> ! {
        let _ = self.child.kill();
        let out = String::from_utf8_lossy(&self.output.held.lock().unwrap().stdout).into_owned();
        let tail = &out[out.len().saturating_sub(2_000)..];
        panic!("{why}\n{}\nstdout (its end): {tail}", self.told);
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it with `kill -9`, wherever it is.
    pub fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.has_ended = true;
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(sent.success(), "cannot send {name}");
    }

    /// Asks it to end, and waits until it has.
    #[track_caller]
    pub fn terminate(self) -> Outcome {
        self.signal("TERM");
        self.end()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Outcome {
        drop(self.stdin.take());
        let until = Instant::now() + self.patience;
        self.wait(|held| (held.closed == 2).then_some(()));
        // It has closed its output: the end itself, of which nobody tells, is a moment away.
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > until => self.give_up("it did not end in time"),
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        self.has_ended = true;
        self.wait(|held| (held.closed == 2).then_some(()));
        let mut held = self.output.held.lock().unwrap();
        let stderr = String::from_utf8_lossy(&held.stderr).into_owned();
        Outcome { code: status.code(), stdout: std::mem::take(&mut held.stdout), stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.has_ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        // Of several that work together it may be another one that knows why a test failed.
        if thread::panicking()
            && let Ok(held) = self.output.held.lock()
        {
            eprintln!("{}\nstderr: {}", self.told, String::from_utf8_lossy(&held.stderr));
        }
    }
}

/// Waits for something that nobody announces.
#[track_caller]
pub fn until(what: &str, is_true: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
