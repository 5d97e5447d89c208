//! A file that grows by a line of JSON for each notice, and the same on standard output.
//!
//! The file is opened for each line, so that whoever rotates it may move it away at any time. A line that a crash or a full disk broke
//! off is ended before the next one is written. Standard output has a thread of its own: a reader that stalls holds up this
//! destination and nothing else, not even the end of the program.

use std::{
    fs::OpenOptions,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use crate::{
    channel::{Channel, Letter},
    failure::{Failure, Kind},
    webhook,
};

/// The line of a notice, with its end.
fn line(letter: Letter<'_>) -> String {
    let mut line = webhook::body(letter.notice);
    if let Some(object) = line.as_object_mut() {
        object.insert("id".to_owned(), letter.id.into());
    }
    let mut line = line.to_string();
    line.push('\n');
    line
}

pub(crate) struct File {
    path: PathBuf,
}

impl File {
    pub(crate) fn new(path: &Path) -> File {
        File { path: path.to_owned() }
    }

    async fn write(&self, line: String) -> Result<(), Failure> {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || append(&path, line.as_bytes())).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                Err(Failure::new(Kind::Failed, format!("cannot write to {}: {error}", self.path.display())))
            }
            Err(error) => Err(Failure::new(Kind::Failed, format!("cannot write to {}: {error}", self.path.display()))),
        }
    }
}

fn append(path: &Path, line: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let meta = file.metadata()?;
    let mut whole = Vec::with_capacity(line.len() + 1);
    if meta.is_file() && meta.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" && !line.is_empty() {
            whole.push(b'\n');
        }
    }
    whole.extend_from_slice(line);
    file.write_all(&whole)?;
    if meta.is_file() { file.sync_data() } else { Ok(()) }
}

#[async_trait]
impl Channel for File {
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure> {
        self.write(line(letter)).await
    }

    async fn check(&self) -> Result<String, Failure> {
        self.write(String::new()).await?;
        Ok(format!("{} can be written to", self.path.display()))
    }
}

/// Something to write to that is not a file: standard output.
pub(crate) struct Output {
    lines: mpsc::Sender<(String, oneshot::Sender<std::io::Result<()>>)>,
}

impl Output {
    pub(crate) fn stdout() -> Output {
        Output::over(std::io::stdout())
    }

    /// Starts the thread that writes.
    pub(crate) fn over(mut to: impl Write + Send + 'static) -> Output {
        let (lines, mut wanted) = mpsc::channel::<(String, oneshot::Sender<std::io::Result<()>>)>(1);
        std::thread::spawn(move || {
            while let Some((line, done)) = wanted.blocking_recv() {
                let written = to.write_all(line.as_bytes()).and_then(|()| to.flush());
                _ = done.send(written);
            }
        });
        Output { lines }
    }

    async fn write(&self, line: String) -> Result<(), Failure> {
        let (done, written) = oneshot::channel();
        let stuck = || Failure::new(Kind::Unreachable, "standard output is not read");
        self.lines.try_send((line, done)).map_err(|_| stuck())?;
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::new(Kind::Unreachable, format!("cannot write to standard output: {error}"))),
            Err(_) => Err(stuck()),
        }
    }
}

#[async_trait]
impl Channel for Output {
    async fn send(&self, letter: Letter<'_>) -> Result<(), Failure> {
        self.write(line(letter)).await
    }

    async fn check(&self) -> Result<String, Failure> {
        self.write(String::new()).await?;
        Ok("standard output is open".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::testing::hostile;

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap_or(Value::Null)).collect()
    }

    #[tokio::test]
    async fn appends_whole_lines_and_lets_itself_be_rotated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        let file = File::new(&path);
        let notice = hostile(100);
        let send = async |id| file.send(Letter { id, at: Timestamp::UNIX_EPOCH, notice: &notice }).await;
        file.check().await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        send("d1").await.unwrap();
        std::fs::rename(&path, dir.path().join("alerts.jsonl.1")).unwrap();
        send("d2").await.unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"id\":\"torn").unwrap();
        send("d3").await.unwrap();
        assert_eq!(lines(&dir.path().join("alerts.jsonl.1"))[0]["id"], "d1");
        let found = lines(&path);
        assert_eq!(
            (found.len(), &found[0]["id"], &found[1], &found[2]["id"]),
            (3, &"d2".into(), &Value::Null, &"d3".into())
        );
        assert_eq!(found[2]["data"]["alert"]["title"], notice.alert.title, "programs get the text as it is");
        std::fs::remove_dir_all(dir.path()).unwrap();
        let failure = send("d4").await.unwrap_err();
        assert_eq!(failure.kind, Kind::Failed, "{failure}");
    }

    /// A pipe whose reader has stopped.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            _ = self.0.recv();
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_stuck_reader_is_said_to_be_one() {
        let (release, held) = std::sync::mpsc::channel();
        let output = Output::over(Stuck(held));
        let notice = hostile(10);
        let letter = Letter { id: "d1", at: Timestamp::UNIX_EPOCH, notice: &notice };
        let mut first = Box::pin(output.send(letter));
        assert!(futures::poll!(&mut first).is_pending());
        // The queue holds one; whether the thread has taken the first yet or not, the third finds no room.
        let mut second = Box::pin(output.send(letter));
        _ = futures::poll!(&mut second);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let mut more = Box::pin(output.send(letter));
            if let std::task::Poll::Ready(Err(failure)) = futures::poll!(&mut more) {
                kinds.push(failure.kind);
            }
        }
        assert!(kinds.contains(&Kind::Unreachable));
        drop(release);
        assert!(first.await.is_err());
    }
}
