//! Servers that count their connections, and clients that notice what is cut.
//!
//! A line `slow N` is answered with N lines, ten a second, and the end; any other line with the server's number.

use crate::stage::{SERVERS, Stage, VIP};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(5);

/// Four servers; each counts what it accepts.
pub(crate) struct Servers {
    accepted: [Arc<AtomicU32>; SERVERS],
}

impl Servers {
    pub(crate) fn start(stage: &Stage) -> Self {
        let accepted: [Arc<AtomicU32>; SERVERS] = Default::default();
        for (number, count) in accepted.iter().enumerate() {
            for port in [80, 81] {
                let (namespace, count) = (stage.namespace(&format!("s{number}")), count.clone());
                let (ready_in, ready) = std::sync::mpsc::channel();
                std::thread::spawn(move || {
                    vipdeck::sys::netns::enter(&namespace).unwrap();
                    let listener = TcpListener::bind(("0.0.0.0", port)).unwrap();
                    ready_in.send(()).unwrap();
                    for stream in listener.incoming().flatten() {
                        count.fetch_add(1, SeqCst);
                        std::thread::spawn(move || serve(&stream, number));
                    }
                });
                ready.recv().unwrap();
            }
        }
        Self { accepted }
    }

    /// Connections that each has taken so far.
    pub(crate) fn accepted(&self) -> [u32; SERVERS] {
        std::array::from_fn(|n| self.accepted[n].load(SeqCst))
    }
}

/// Until the client has ended.
fn serve(stream: &TcpStream, number: usize) {
    let mut out = stream;
    let _ = stream.set_nodelay(true);
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let Some(count) = line.strip_prefix("slow ") else {
            if writeln!(out, "{number}").is_err() {
                return;
            }
            continue;
        };
        for _ in 0..count.parse::<u32>().unwrap() {
            if writeln!(out, "{number}").is_err() {
                return;
            }
            std::thread::sleep(TICK);
        }
        return;
    }
}

/// A connection through the virtual address.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(stage: &Stage, port: u16) -> std::io::Result<Self> {
        connect(&stage.namespace("c"), port)
    }

    /// Which server answers.
    pub(crate) fn ask(&mut self) -> std::io::Result<usize> {
        self.reader.get_mut().write_all(b"who\n")?;
        self.line()
    }

    fn line(&mut self) -> std::io::Result<usize> {
        let mut line = String::new();
        match self.reader.read_line(&mut line)? {
            0 => Err(std::io::Error::other("the end came too early")),
            _ => line.trim().parse().map_err(std::io::Error::other),
        }
    }

    /// A long download, whole; which server gave it.
    fn download(mut self, lines: u32) -> std::io::Result<usize> {
        self.reader.get_mut().write_all(format!("slow {lines}\n").as_bytes())?;
        let mut server = 0;
        for _ in 0..lines {
            server = self.line()?;
        }
        Ok(server)
    }
}

fn connect(namespace: &str, port: u16) -> std::io::Result<Client> {
    let to: SocketAddr = format!("{VIP}:{port}").parse().unwrap();
    let stream = crate::namespaces::inside(namespace, || TcpStream::connect_timeout(&to, SOON))?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_nodelay(true)?;
    Ok(Client { reader: BufReader::new(stream) })
}

/// Clients that go on until they are told to end.
pub(crate) struct Load {
    stop_new: Arc<AtomicBool>,
    stop_kept: Arc<AtomicBool>,
    new: JoinHandle<Vec<std::io::Result<usize>>>,
    kept: Vec<(usize, JoinHandle<std::io::Result<Instant>>)>,
    downloads: Vec<JoinHandle<std::io::Result<usize>>>,
}

/// What became of it.
pub(crate) struct Result {
    /// Connections one after the other, and who answered.
    pub(crate) short: Vec<usize>,
    /// Of each server, when its last long connection ended.
    pub(crate) downloads: Vec<usize>,
}

impl Load {
    /// Downloads of so many seconds, two for each server; as many connections that ask ten times a second; and short
    /// connections without pause.
    pub(crate) fn start(stage: &Stage, download: Duration) -> Self {
        let namespace = stage.namespace("c");
        let lines = u32::try_from(download.as_millis() / TICK.as_millis()).unwrap();
        let stop_kept = Arc::new(AtomicBool::new(false));
        let mut kept = Vec::new();
        let mut downloads = Vec::new();
        for _ in 0..2 * SERVERS {
            let mut client = connect(&namespace, 80).unwrap();
            let server = client.ask().unwrap();
            let stop = stop_kept.clone();
            let asking = std::thread::spawn(move || {
                while !stop.load(SeqCst) {
                    if client.ask()? != server {
                        return Err(std::io::Error::other("another server answers"));
                    }
                    std::thread::sleep(TICK);
                }
                Ok(Instant::now())
            });
            kept.push((server, asking));
        }
        for _ in 0..2 * SERVERS {
            let client = connect(&namespace, 80).unwrap();
            downloads.push(std::thread::spawn(move || client.download(lines)));
        }
        let stop_new = Arc::new(AtomicBool::new(false));
        let stop = stop_new.clone();
        let new = std::thread::spawn(move || {
            let mut answers = Vec::new();
            while !stop.load(SeqCst) {
                answers.push(connect(&namespace, 80).and_then(|mut client| client.ask()));
                std::thread::sleep(Duration::from_millis(20));
            }
            answers
        });
        Self { stop_new, stop_kept, new, kept, downloads }
    }

    /// The servers that the lasting connections are on.
    pub(crate) fn kept_on(&self) -> Vec<usize> {
        self.kept.iter().map(|(server, _)| *server).collect()
    }

    /// Whether all downloads have ended.
    pub(crate) fn has_downloaded(&self) -> bool {
        self.downloads.iter().all(JoinHandle::is_finished)
    }

    /// Ends the lasting connections; when the last one did, if none was cut.
    pub(crate) fn end_kept(&mut self) -> Instant {
        self.stop_kept.store(true, SeqCst);
        let ended = self.kept.drain(..).map(|(server, asking)| {
            asking.join().unwrap().unwrap_or_else(|e| panic!("a lasting connection to server {server} was cut: {e}"))
        });
        ended.max().unwrap()
    }

    /// Ends the rest; nothing of it may have failed.
    pub(crate) fn end(self) -> Result {
        self.stop_new.store(true, SeqCst);
        let short = self.new.join().unwrap().into_iter();
        let short = short.map(|answer| answer.unwrap_or_else(|e| panic!("a short connection failed: {e}"))).collect();
        let downloads = self.downloads.into_iter();
        let downloads =
            downloads.map(|d| d.join().unwrap().unwrap_or_else(|e| panic!("a download was cut: {e}"))).collect();
        Result { short, downloads }
    }
}

/// Asks so often, each on a connection of its own; who answered.
pub(crate) fn answers(stage: &Stage, count: usize) -> Vec<usize> {
    (0..count).map(|_| Client::connect(stage, 80).and_then(|mut c| c.ask()).unwrap()).collect()
}
