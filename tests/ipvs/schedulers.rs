//! The kernel's schedulers next to ours: the same table, the same clients, one connection after the other. Each has to
//! come to the same real server.

use socket2::{Domain, Socket, Type};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;
use vipdeck::kernel::{
    Change, Destination, DestinationKey, Forwarding, Scheduler, SchedulerFlags, Service, ServiceKey,
};
use vipdeck::lvs::scheduler::{Edit, Request, Server, State};
use vipdeck::sys::ipvs::Ipvs;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));

/// Ours beside the kernel's; connections stay open, so that the loads are known.
struct Both {
    ipvs: Ipvs,
    key: ServiceKey,
    scheduler: Scheduler,
    flags: SchedulerFlags,
    state: State,
    /// The newest first.
    list: Vec<Real>,
    listeners: Vec<(DestinationKey, TcpListener)>,
    open: Vec<TcpStream>,
    clients: u16,
    /// Where ours picked another.
    other: Vec<String>,
}

struct Real {
    key: DestinationKey,
    weight: u32,
    last_weight: u32,
    active: u32,
    upper: u32,
}

impl Server for Real {
    fn key(&self) -> DestinationKey {
        self.key
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn last_weight(&self) -> u32 {
        self.last_weight
    }

    fn active(&self) -> u32 {
        self.active
    }

    fn inactive(&self) -> u32 {
        0
    }

    fn is_overloaded(&self) -> bool {
        self.upper > 0 && self.active >= self.upper
    }
}

fn real(n: u8) -> DestinationKey {
    SocketAddr::from(([10, 1, 0, n], 8080))
}

impl Both {
    fn new(port: u16, scheduler: Scheduler, flags: SchedulerFlags) -> Self {
        let (ipvs, key) = (Ipvs::open().unwrap(), ServiceKey::tcp(VIP, port));
        let listeners = (1..=5).map(|n| {
            let listener = TcpListener::bind(real(n)).unwrap();
            listener.set_nonblocking(true).unwrap();
            (real(n), listener)
        });
        let listeners = listeners.collect();
        let (list, open) = (Vec::new(), Vec::new());
        let mut both = Self {
            ipvs,
            key,
            scheduler,
            flags,
            state: State::new(1),
            list,
            listeners,
            open,
            clients: 0,
            other: Vec::new(),
        };
        both.apply(&Change::AddService(key, Service { scheduler, flags, ..Service::default() }));
        both
    }

    fn apply(&mut self, change: &Change) {
        self.ipvs.apply(change).unwrap_or_else(|error| panic!("{change}: {error}"));
    }

    fn add(&mut self, n: u8, weight: u32, upper: u32) {
        let destination = Destination { upper, ..Destination::new(Forwarding::Nat, weight) };
        self.apply(&Change::AddDestination(self.key, real(n), destination));
        self.list.insert(0, Real { key: real(n), weight, last_weight: weight, active: 0, upper });
        self.edited(Edit::Added);
    }

    fn weigh(&mut self, n: u8, weight: u32) {
        self.apply(&Change::EditDestination(self.key, real(n), Destination::new(Forwarding::Nat, weight)));
        let there = self.list.iter_mut().find(|there| there.key == real(n)).unwrap();
        (there.weight, there.upper) = (weight, 0);
        if weight > 0 {
            there.last_weight = weight;
        }
        self.edited(Edit::Weighed);
    }

    fn remove(&mut self, n: u8) {
        self.apply(&Change::RemoveDestination(self.key, real(n)));
        let place = self.list.iter().position(|there| there.key == real(n)).unwrap();
        self.list.remove(place);
        self.edited(Edit::Removed(place));
    }

    fn edited(&mut self, edit: Edit) {
        self.state.edited(edit, self.scheduler, self.list.iter().map(|there| there.weight));
    }

    /// So many new clients, each from an address and a port of its own.
    fn connect(&mut self, count: u16, after: &str) {
        for _ in 0..count {
            self.clients += 1;
            let [high, low] = self.clients.wrapping_mul(257).to_be_bytes();
            // No two connections of a whole run are between the same ends: the kernel would schedule twice.
            let net = self.key.port() as u8;
            let client = SocketAddr::from(([10, net, high, low], 20_000 + self.clients));
            let (client_ip, port) = (client.ip(), client.port());
            let (scheduler, flags) = (self.scheduler, self.flags);
            let request = Request { scheduler, flags, client: client_ip, port, target: VIP, except: &[] };
            let ours = self.state.pick(&self.list, &request);
            let theirs = self.ask_kernel(client);
            let ours = ours.map(|place| self.list[place].key);
            if ours != theirs {
                let number = self.clients;
                self.other.push(format!("{client} (number {number}) {after}: {ours:?}, the kernel's {theirs:?}"));
            }
            if let Some(there) = self.list.iter_mut().find(|there| Some(there.key) == theirs) {
                there.active += 1;
            }
        }
    }

    fn ask_kernel(&mut self, client: SocketAddr) -> Option<DestinationKey> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&client.into()).unwrap();
        let vip = self.key.address().unwrap();
        match socket.connect_timeout(&vip.into(), Duration::from_secs(5)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return None,
            Err(error) => panic!("{client}: {error}"),
        }
        self.open.push(socket.into());
        for _ in 0..2000 {
            for (key, listener) in &self.listeners {
                if let Ok((stream, _)) = listener.accept() {
                    self.open.push(stream);
                    return Some(*key);
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{client} is connected with nobody")
    }
}

/// Where ours differs.
fn compare(port: u16, scheduler: Scheduler, flags: SchedulerFlags) -> Vec<String> {
    let mut both = Both::new(port, scheduler, flags);
    both.add(1, 3, 0);
    both.add(2, 1, 0);
    both.add(3, 2, 0);
    both.connect(14, "of three");
    both.weigh(2, 4);
    both.connect(9, "after a weight rose");
    // The kernel's lblc and lblcr do not look at the threshold of a home.
    let upper = if [Scheduler::Lblc, Scheduler::Lblcr].contains(&scheduler) { 0 } else { 3 };
    both.add(4, 2, upper);
    both.connect(12, "after one came, with an upper threshold");
    both.remove(1);
    both.connect(7, "after one left");
    both.weigh(3, 0);
    both.connect(8, "after one was drained");
    both.weigh(3, 6);
    both.add(5, 5, 0);
    both.connect(16, "after it came back");
    // The kernel keeps the namespace, and with it the scheduler's module, while connections linger.
    both.apply(&Change::RemoveService(both.key));
    both.other
}

pub(crate) fn as_the_kernels() {
    for arguments in ["addr add 192.0.2.10/32 dev lo", "addr add 10.0.0.1/8 dev lo"] {
        let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
        assert!(status.success(), "ip {arguments}");
    }
    let fallback = SchedulerFlags { first: true, ..SchedulerFlags::default() };
    let by_port = SchedulerFlags { second: true, ..fallback };
    let plain = Scheduler::ALL.into_iter().filter(|scheduler| *scheduler != Scheduler::Twos);
    let plain = plain.map(|scheduler| (scheduler, SchedulerFlags::default()));
    let flagged = [Scheduler::Sh, Scheduler::Mh].into_iter().flat_map(|s| [(s, fallback), (s, by_port)]);
    let mut other = Vec::new();
    for (port, (scheduler, flags)) in (80..).zip(plain.chain(flagged)) {
        for line in compare(port, scheduler, flags) {
            other.push(format!("{scheduler} {}: {line}", flags.names(scheduler.name())));
        }
    }
    assert!(other.is_empty(), "ours and the kernel's differ:\n{}", other.join("\n"));
}
