//! The log's way out: whoever logs never waits for whoever reads.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait; more are dropped, and counted.
const WAITING: usize = 1024;

static DROPPED: AtomicU64 = AtomicU64::new(0);

enum Item {
    Line(Vec<u8>),
    /// Everything before this is written.
    Flush(SyncSender<()>),
}

/// Where log lines go.
#[derive(Clone)]
pub(super) struct Log(SyncSender<Item>);

impl Log {
    /// Writes to standard error from a thread of its own.
    pub(super) fn start() -> io::Result<Self> {
        let (items, received) = sync_channel(WAITING);
        std::thread::Builder::new().name("stderr".into()).spawn(move || write_all(&received))?;
        Ok(Self(items))
    }

    /// Waits until what was logged is written, but not for ever.
    pub(super) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.0.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(Duration::from_millis(500));
        }
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.0.try_send(Item::Line(line.to_vec())).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(items: &Receiver<Item>) {
    let mut stderr = io::stderr();
    while let Ok(item) = items.recv() {
        // Standard error may be closed: then there is nobody to tell.
        match item {
            Item::Line(line) => {
                let lost = DROPPED.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    let _ = writeln!(stderr, "{lost} lines of the log were dropped: nobody read them in time");
                }
                let _ = stderr.write_all(&line);
            }
            Item::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}
