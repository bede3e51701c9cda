//! Three nodes that report a thousand instances and ten thousand real servers, and change.

use crate::fixture::{self, at};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use vipdeck::control::server::{self, Server};
use vipdeck::control::{Access, Board};
use vipdeck::kernel::ServiceKey;
use vipdeck::status::{Event, Role, Snapshot, Subject};

pub(crate) const NODES: u8 = 3;
const INSTANCES: usize = 1000;
const SERVICES: usize = 100;
const REALS: usize = 100;
/// Four changes a second.
const PAUSE: Duration = Duration::from_millis(250);

pub(crate) struct Cluster {
    directory: tempfile::TempDir,
    servers: Vec<Server>,
    changing: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    /// Seconds that making the changes has taken: none of the link's.
    made: Arc<Mutex<f64>>,
    thread: Option<JoinHandle<()>>,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut servers = Vec::new();
        let mut nodes = Vec::new();
        for node in 1..=NODES {
            let board = Arc::new(Board::default());
            let snapshot = snapshot(node);
            board.record((1..=2000).map(|seq| event(node, seq)));
            board.publish(snapshot.clone());
            // Commands are not asked for here: the other end is dropped.
            let (requests, _) = tokio::sync::mpsc::channel(1);
            let path = directory.path().join(format!("lvs{node}.sock"));
            servers.push(server::serve(board.clone(), requests, &path, &Access::default()).unwrap());
            nodes.push((board, snapshot));
        }
        let (changing, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let made = Arc::new(Mutex::new(0.0));
        let thread = std::thread::spawn({
            let (changing, ended, made) = (changing.clone(), ended.clone(), made.clone());
            move || run(nodes, &changing, &ended, &made)
        });
        Self { directory, servers, changing, ended, made, thread: Some(thread) }
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        (1..=NODES).map(|n| self.directory.path().join(format!("lvs{n}.sock"))).collect()
    }

    pub(crate) fn begin(&self) {
        self.changing.store(true, Ordering::SeqCst);
    }

    /// Seconds that this process has taken for its sockets: all of it, without the terminal's end and the changes.
    pub(crate) fn cpu(&self) -> f64 {
        let mut sum = 0.0;
        for task in std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok) {
            let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
            if name.starts_with("control") {
                sum += crate::terminal::seconds(&task.path());
            }
        }
        assert!(!self.servers.is_empty() && *self.made.lock().unwrap() >= 0.0);
        sum
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Once a second each node says that it lives; while changing, four times a second each group has news: one instance in
/// twenty has sent or heard an advert, one server of each service has other counters, and one has another verdict.
fn run(mut nodes: Vec<(Arc<Board>, Snapshot)>, changing: &AtomicBool, ended: &AtomicBool, made: &Mutex<f64>) {
    let mut round = 0usize;
    while !ended.load(Ordering::SeqCst) {
        std::thread::sleep(PAUSE);
        round += 1;
        let changes = changing.load(Ordering::SeqCst);
        if !changes && !round.is_multiple_of(4) {
            continue;
        }
        let began = crate::terminal::thread_cpu();
        for (board, s) in &mut nodes {
            s.revision += 1;
            s.at = at(s.at.as_micros() + 250_000);
            s.wall_us += 250_000;
            if changes {
                change(s, round);
            }
            board.publish(s.clone());
        }
        *made.lock().unwrap() += crate::terminal::thread_cpu() - began;
    }
}

pub(crate) fn change(s: &mut Snapshot, round: usize) {
    for i in s.instances.iter_mut().skip(round % 20).step_by(20) {
        i.adverts_sent += 1;
        i.next_advert_at = i.next_advert_at.map(|_| at(s.at.as_micros() + 900_000));
        i.master_down_at = i.master_down_at.map(|_| at(s.at.as_micros() + 3_400_000));
    }
    for (n, service) in s.services.iter_mut().enumerate() {
        let count = service.reals.len();
        let real = &mut service.reals[(round + n) % count];
        real.active = real.active.map(|a| (a + 1) % 500);
        real.rate = Some(f64::from(round as u32 % 90));
        real.rates.remove(0);
        real.rates.push(round as u32 % 90);
        let other = &mut service.reals[(round * 7 + n) % count];
        other.health.failing = 1 - other.health.failing;
    }
}

pub(crate) fn event(node: u8, seq: u64) -> Event {
    let old = fixture::events(node).remove(1);
    let subject = Subject::Instance(format!("VI_{}", seq % INSTANCES as u64));
    Event { seq, subject, wall_us: old.wall_us - 2_000_000_000 + seq * 1_000_000, ..(*old).clone() }
}

pub(crate) fn snapshot(node: u8) -> Snapshot {
    let mut s = fixture::snapshot(1);
    let backup = fixture::snapshot(2).instances.remove(0);
    let master = s.instances.remove(0);
    s.node.name = format!("lvs{node}");
    s.last_event = 2000;
    s.instances = (0..INSTANCES)
        .map(|n| {
            let owns = n % usize::from(NODES) == usize::from(node) - 1;
            let mut i = if owns { master.clone() } else { backup.clone() };
            assert_eq!(i.state == Role::Master, owns);
            i.name = format!("VI_{n}");
            i.vrid = (n % 250 + 1) as u8;
            i.interface = vipdeck::net::LinkName::new(&format!("eth{}", n / 250)).unwrap();
            i.source = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, node)));
            let owner = IpAddr::V4(Ipv4Addr::new(10, 0, 0, (n % usize::from(NODES)) as u8 + 1));
            for heard in i.heard.iter_mut().chain(&mut i.master) {
                heard.address = owner;
            }
            let address = Ipv4Addr::from_bits(0x0a01_0000 + n as u32);
            i.vips[0].net = format!("{address}/32").parse().unwrap();
            i
        })
        .collect();
    let service = s.services.remove(0);
    s.services = (0..SERVICES)
        .map(|n| {
            let mut one = service.clone();
            one.id = ServiceKey::tcp(IpAddr::V4(Ipv4Addr::from_bits(0x0a01_0000 + n as u32)), 80);
            one.serving = Some(n % usize::from(NODES) == usize::from(node) - 1);
            let real = one.reals.remove(0);
            one.reals = (0..REALS)
                .map(|r| {
                    let address = Ipv4Addr::from_bits(0x0a80_0000 + (n * REALS + r) as u32);
                    let mut real = real.clone();
                    real.id = SocketAddr::new(IpAddr::V4(address), 80);
                    real
                })
                .collect();
            one
        })
        .collect();
    s
}
