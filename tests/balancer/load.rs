//! Servers and clients for measurements: HTTP of the smallest kind, each on a thread with a runtime of its own.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use vipdeck::sys::netns;

pub(crate) const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: vip\r\n\r\n";
const LARGE: &[u8] = b"GET /large HTTP/1.1\r\nHost: vip\r\n\r\n";
/// With the server's number, one digit.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\nServer: web";
pub(crate) const ANSWER: usize = HEAD.len() + 5 + 100;
/// What a large answer has, without any head.
pub(crate) const LARGE_BYTES: usize = 64 * 1024 * 1024;

fn answer(number: u8) -> Vec<u8> {
    format!("{HEAD}{number}\r\n\r\n{}", "x".repeat(100)).into_bytes()
}

/// A thread in a network namespace (none: the test's own) that ends with its last task, or when it is dropped.
pub(crate) struct Side {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Side {
    /// Servers 1, 2, … at these addresses.
    pub(crate) fn servers(namespace: Option<&str>, addresses: &[SocketAddr]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (end, addresses, namespace) = (stop.clone(), addresses.to_vec(), namespace.map(str::to_owned));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            run(namespace.as_deref(), async {
                for (number, address) in (1..).zip(addresses) {
                    let listener = listen(address);
                    tokio::spawn(serve(listener, number));
                }
                ready.send(()).unwrap();
                while !end.load(Relaxed) {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        });
        is_ready.recv().expect("the servers listen");
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Runs a future on this thread, in the namespace.
pub(crate) fn run<T>(namespace: Option<&str>, work: impl Future<Output = T>) -> T {
    if let Some(namespace) = namespace {
        netns::enter(namespace).unwrap();
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// The same on a thread of its own.
pub(crate) fn run_apart<T: Send, F: Future<Output = T>>(namespace: Option<&str>, work: impl FnOnce() -> F + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| run(namespace, async { work().await }));
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket.listen(20_000).unwrap()
}

async fn serve(listener: TcpListener, number: u8) {
    let small: Arc<[u8]> = answer(number).into();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer_all(stream, small.clone()));
    }
}

async fn answer_all(mut stream: TcpStream, small: Arc<[u8]>) {
    let _ = stream.set_nodelay(true);
    let mut question = [0; 128];
    let mut length = 0;
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut question[length..]) {
            Ok(0) => return,
            Ok(more) => length += more,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        }
        if !question[..length].ends_with(b"\r\n\r\n") {
            continue;
        }
        let sent =
            if question[..length] == *LARGE { send_large(&mut stream).await } else { stream.write_all(&small).await };
        length = 0;
        if sent.is_err() {
            return;
        }
    }
}

async fn send_large(stream: &mut TcpStream) -> std::io::Result<()> {
    let piece = vec![b'y'; 1024 * 1024];
    for _ in 0..LARGE_BYTES / piece.len() {
        stream.write_all(&piece).await?;
    }
    Ok(())
}

/// One question on an open connection: the number of the server that answered.
pub(crate) async fn ask(stream: &mut TcpStream) -> std::io::Result<u8> {
    stream.write_all(QUESTION).await?;
    let mut got = [0; ANSWER];
    stream.read_exact(&mut got).await?;
    let number = got[HEAD.len()].wrapping_sub(b'0');
    if got[..] != answer(number)[..] {
        return Err(std::io::Error::other("another answer"));
    }
    Ok(number)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Each client asks again and again on its connection.
    KeepAlive,
    /// Each question on a connection of its own.
    Connections,
}

/// What came of a time of asking.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) time: Duration,
    /// Microseconds, unsorted.
    pub(crate) latencies: Vec<u32>,
    pub(crate) errors: Vec<String>,
}

impl Measured {
    pub(crate) fn add(&mut self, more: Self) {
        self.time += more.time;
        self.latencies.extend(more.latencies);
        self.errors.extend(more.errors);
    }

    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// Milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(place).copied().map_or(f64::NAN, |us| f64::from(us) / 1000.0)
    }
}

/// So many clients at once, each asking again as soon as it has its answer.
pub(crate) async fn press(target: SocketAddr, kind: Kind, clients: usize, time: Duration) -> Measured {
    let (begin, end) = (Instant::now(), Instant::now() + time);
    let tasks: Vec<_> = (0..clients).map(|_| tokio::spawn(one_client(target, kind, end))).collect();
    let mut all = Measured::default();
    for task in tasks {
        all.add(task.await.unwrap());
    }
    Measured { time: begin.elapsed(), ..all }
}

async fn one_client(target: SocketAddr, kind: Kind, end: Instant) -> Measured {
    let mut measured = Measured::default();
    let mut open: Option<TcpStream> = None;
    while Instant::now() < end {
        let begin = Instant::now();
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => match connect(target).await {
                Ok(stream) => stream,
                Err(error) => {
                    measured.errors.push(format!("connect: {error}"));
                    continue;
                }
            },
        };
        match ask(&mut stream).await {
            Ok(_) => measured.latencies.push(begin.elapsed().as_micros() as u32),
            Err(error) => {
                measured.errors.push(format!("ask: {error}"));
                continue;
            }
        }
        if kind == Kind::KeepAlive {
            open = Some(stream);
        }
    }
    measured
}

pub(crate) async fn connect(target: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Bytes per second of so many large answers at once.
pub(crate) async fn large(target: SocketAddr, clients: usize) -> f64 {
    let begin = Instant::now();
    let fetch = move || async move {
        let mut stream = connect(target).await.unwrap();
        stream.write_all(LARGE).await.unwrap();
        let mut buffer = vec![0; 256 * 1024];
        let mut left = LARGE_BYTES;
        while left > 0 {
            let more = stream.read(&mut buffer).await.unwrap();
            assert!(more > 0, "{left} bytes are missing");
            left -= more;
        }
    };
    let tasks: Vec<_> = (0..clients).map(|_| tokio::spawn(fetch())).collect();
    for task in tasks {
        task.await.unwrap();
    }
    (clients * LARGE_BYTES) as f64 / begin.elapsed().as_secs_f64()
}

/// So many connections, each of which has had one answer. At most 256 are being made at a time.
pub(crate) async fn crowd(target: SocketAddr, count: usize) -> Vec<TcpStream> {
    let at_once = Arc::new(Semaphore::new(256));
    let one = |at_once: Arc<Semaphore>| async move {
        let _permit = at_once.acquire_owned().await.unwrap();
        let mut stream = connect(target).await.unwrap();
        ask(&mut stream).await.unwrap();
        stream
    };
    let tasks: Vec<_> = (0..count).map(|_| tokio::spawn(one(at_once.clone()))).collect();
    let mut streams = Vec::with_capacity(count);
    for task in tasks {
        streams.push(task.await.expect("a connection with an answer"));
    }
    streams
}

/// Asks once on each, all at once; how many got their answer.
pub(crate) async fn ask_all(streams: &mut Vec<TcpStream>) -> usize {
    let good = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = std::mem::take(streams)
        .into_iter()
        .map(|mut stream| {
            let good = good.clone();
            tokio::spawn(async move {
                match ask(&mut stream).await {
                    Ok(_) => drop(good.fetch_add(1, Relaxed)),
                    Err(error) => eprintln!("lost: {error}"),
                }
                stream
            })
        })
        .collect();
    for task in tasks {
        streams.push(task.await.unwrap());
    }
    good.load(Relaxed) as usize
}
