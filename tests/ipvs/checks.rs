//! What is checked, each in a namespace of its own.

use crate::ipvsadm::{as_saved, ipvsadm, saved};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};
use vipdeck::kernel::{
    Change, Checksum, Counters, Destination, Forwarding, Persistence, Scheduler, SchedulerFlags, Service, ServiceKey,
    Table, Tunnel, plan_table,
};
use vipdeck::sys::Outcome;
use vipdeck::sys::ipvs::{Ipvs, IpvsError, Refusal};

type Check = (&'static str, fn());

pub(crate) const ALL: &[Check] = &[
    ("the balancer's schedulers pick as the kernel's do", crate::schedulers::as_the_kernels),
    ("every kind of entry is written and read back", every_kind_of_entry),
    ("every option is written and read back", every_option),
    ("entries are edited in place", edits),
    ("a refusal says what was refused and why", refusals),
    ("what others wrote is read", foreign_entries),
    ("a big table converges in one pass", a_big_table),
    ("connections are counted", counters),
];

fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

fn to(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn service(scheduler: Scheduler, persistence: Option<u32>, reals: &[(&str, Forwarding, u32)]) -> Service {
    let real = |(at, forwarding, weight): &(&str, Forwarding, u32)| (to(at), Destination::new(*forwarding, *weight));
    let bits = if reals.first().is_some_and(|(at, ..)| at.starts_with('[')) { 128 } else { 32 };
    let persistence = persistence.map(|timeout| Persistence { timeout, granularity: bits, engine: None });
    Service { scheduler, persistence, destinations: reals.iter().map(real).collect(), ..Service::default() }
}

/// Makes the kernel's table the desired one, and sees that it is.
fn converge(ipvs: &mut Ipvs, desired: &Table) {
    for change in plan_table(desired, &ipvs.read().unwrap(), |_| true) {
        assert_eq!(ipvs.apply(&change).unwrap(), Outcome::Done, "{change}");
    }
    let observed = ipvs.read().unwrap();
    assert_eq!(plan_table(desired, &observed, |_| true), [], "{observed:#?}");
    assert_eq!(as_saved(&observed), saved());
}

fn table(entries: &[(&str, Service)]) -> Table {
    Table { services: entries.iter().map(|(name, service)| (key(name), service.clone())).collect() }
}

fn every_kind_of_entry() {
    use Forwarding::{Dr, Nat, Tun};
    let mut ipvs = Ipvs::open().unwrap();
    assert!(ipvs.read().unwrap().services.is_empty());
    let desired = table(&[
        ("tcp/192.0.2.10:80", service(Scheduler::Rr, None, &[("10.0.0.11:80", Dr, 1), ("10.0.0.12:80", Dr, 0)])),
        ("udp/192.0.2.10:80", service(Scheduler::Wrr, None, &[("10.0.0.11:8080", Nat, 65_535)])),
        ("tcp/192.0.2.10:443", service(Scheduler::Lc, Some(50), &[])),
        ("tcp/[2001:db8::10]:80", service(Scheduler::Wlc, Some(300), &[("[2001:db8::11]:80", Dr, 5)])),
        ("udp/[2001:db8::10]:53", service(Scheduler::Sh, None, &[("[2001:db8::11]:5353", Nat, 1)])),
        ("sctp/192.0.2.10:80", service(Scheduler::Mh, None, &[("10.0.0.11:80", Dr, 1)])),
        ("tcp/192.0.2.12:0", service(Scheduler::Rr, Some(360), &[("10.0.0.11:0", Nat, 1)])),
        ("fwmark/7", service(Scheduler::Rr, None, &[("10.0.0.11:0", Dr, 1), ("10.0.0.12:0", Tun(Tunnel::Ipip), 2)])),
        ("fwmark6/7", service(Scheduler::Rr, None, &[("[2001:db8::11]:0", Dr, 1)])),
    ]);
    converge(&mut ipvs, &desired);
    assert_eq!(saved().len(), 9 + 10);
    converge(&mut ipvs, &Table::default());
    assert_eq!(saved(), [""; 0]);
}

/// Every scheduler of this kernel, with every set of flags, and everything else that a service can have.
fn every_option() {
    let mut ipvs = Ipvs::open().unwrap();
    let web = key("tcp/192.0.2.10:80");
    let mut converge = |service: Service| converge(&mut ipvs, &Table { services: [(web, service)].into() });
    for scheduler in Scheduler::ALL.into_iter().filter(|s| *s != Scheduler::Twos) {
        // To these two ipvsadm has no name for the third.
        let sets = if matches!(scheduler, Scheduler::Sh | Scheduler::Mh) { 4 } else { 8 };
        for flags in (1..sets).step_by(2).chain([0]) {
            let flags = SchedulerFlags { first: flags & 1 != 0, second: flags & 2 != 0, third: flags & 4 != 0 };
            converge(Service { scheduler, flags, ..Service::default() });
        }
    }
    for granularity in [32, 24, 1] {
        let persistence = Some(Persistence { timeout: 77, granularity, engine: None });
        converge(Service { persistence, ..Service::default() });
    }
    converge(Service::default());
    let checksums = [Checksum::No, Checksum::Yes, Checksum::Remote];
    let gue = checksums.map(|checksum| Forwarding::Tun(Tunnel::Gue { port: 6080, checksum }));
    let gre = [Checksum::No, Checksum::Yes].map(|checksum| Forwarding::Tun(Tunnel::Gre { checksum }));
    for forwarding in gue.into_iter().chain(gre) {
        for (upper, lower) in [(0, 0), (100, 0), (100, 50)] {
            let one = Destination { forwarding, weight: 3, upper, lower };
            let destinations = [(to("10.0.0.11:80"), one), (to("[2001:db8::11]:80"), Destination { weight: 0, ..one })];
            converge(Service { destinations: destinations.into(), ..Service::default() });
        }
    }
    let sip = Persistence { timeout: 60, granularity: 32, engine: Some("sip".into()) };
    for (one_packet, persistence) in [(true, None), (false, Some(sip)), (false, None)] {
        let service = Service { one_packet, persistence, ..Service::default() };
        self::converge(&mut Ipvs::open().unwrap(), &Table { services: [(key("udp/192.0.2.10:5060"), service)].into() });
    }
}

fn edits() {
    use Forwarding::{Dr, Nat};
    let mut ipvs = Ipvs::open().unwrap();
    let with = |scheduler, persistence, forwarding, weight| {
        table(&[("tcp/192.0.2.10:80", service(scheduler, persistence, &[("10.0.0.11:80", forwarding, weight)]))])
    };
    converge(&mut ipvs, &with(Scheduler::Wlc, None, Dr, 1));
    converge(&mut ipvs, &with(Scheduler::Rr, Some(60), Dr, 0));
    converge(&mut ipvs, &with(Scheduler::Rr, Some(120), Nat, 7));
    converge(&mut ipvs, &with(Scheduler::Sh, None, Nat, 7));
    assert_eq!(saved(), ["-A -t 192.0.2.10:80 -s sh", "-a -t 192.0.2.10:80 -r 10.0.0.11:80 -m -w 7"]);
}

fn refused(ipvs: &mut Ipvs, change: &Change) -> Refusal {
    match ipvs.apply(change) {
        Err(IpvsError::Refused { refusal, .. }) => refusal,
        other => panic!("{change}: {other:?}"),
    }
}

fn refusals() {
    let mut ipvs = Ipvs::open().unwrap();
    let web = key("tcp/192.0.2.10:80");
    let one = Destination::new(Forwarding::Dr, 1);
    let add = Change::AddService(web, service(Scheduler::Wlc, None, &[]));
    assert_eq!(ipvs.apply(&add).unwrap(), Outcome::Done);
    assert_eq!(refused(&mut ipvs, &add), Refusal::Present);
    let add = Change::AddDestination(web, to("10.0.0.11:80"), one);
    assert_eq!(ipvs.apply(&add).unwrap(), Outcome::Done);
    assert_eq!(refused(&mut ipvs, &add), Refusal::Present);
    let error = ipvs.apply(&add).unwrap_err().to_string();
    assert_eq!(error, "add real server 10.0.0.11:80 to tcp/192.0.2.10:80, DR weight 1: it is there already");

    let other = key("tcp/192.0.2.99:80");
    assert_eq!(refused(&mut ipvs, &Change::AddDestination(other, to("10.0.0.11:80"), one)), Refusal::Gone);
    assert_eq!(refused(&mut ipvs, &Change::EditDestination(web, to("10.0.0.99:80"), one)), Refusal::Gone);
    let edit = Change::EditService(other, service(Scheduler::Wlc, None, &[]));
    assert_eq!(refused(&mut ipvs, &edit), Refusal::Gone);
    for gone in [
        Change::RemoveService(other),
        Change::RemoveDestination(other, to("10.0.0.11:80")),
        Change::RemoveDestination(web, to("10.0.0.99:80")),
    ] {
        assert_eq!(ipvs.apply(&gone).unwrap(), Outcome::AlreadySo, "{gone}");
    }
    assert_eq!(saved().len(), 2, "a refused step changes nothing");
}

fn foreign_entries() {
    ipvsadm("-A -t 192.0.2.10:80 -s wrr -p 77");
    ipvsadm("-a -t 192.0.2.10:80 -r 10.0.0.11:80 -i -w 4");
    ipvsadm("-A -u 192.0.2.10:53 -s dh");
    ipvsadm("-A -f 7 -s rr");
    ipvsadm("-a -f 7 -r 10.0.0.11:0 -g -w 1");
    let observed = Ipvs::open().unwrap().read().unwrap();
    assert_eq!(observed.services.len(), 3, "{observed:#?}");
    let web = &observed.services[&key("tcp/192.0.2.10:80")];
    let persistence = Persistence { timeout: 77, granularity: 32, engine: None };
    assert_eq!((web.scheduler.as_str(), web.persistence.as_ref()), ("wrr", Some(&persistence)));
    let tunnel = &web.destinations[&to("10.0.0.11:80")];
    assert_eq!((tunnel.forwarding, tunnel.weight), (Some(Forwarding::Tun(Tunnel::Ipip)), 4));
    let marked = &observed.services[&key("fwmark/7")];
    assert_eq!(marked.destinations[&to("10.0.0.11:0")].weight, 1);
    assert_eq!(observed.services[&key("udp/192.0.2.10:53")].scheduler, "dh");
}

/// More than one datagram of services, and of real servers.
fn a_big_table() {
    let mut ipvs = Ipvs::open().unwrap();
    let mut desired = Table::default();
    for port in 1..=150 {
        let one = Destination::new(Forwarding::Dr, u32::from(port));
        let reals = if port == 1 { 250 } else { 1 };
        let destinations = (1..=reals).map(|i| (SocketAddr::from(([10, 0, 1, i], 80)), one)).collect();
        let service = Service { destinations, ..Service::default() };
        desired.services.insert(ServiceKey::tcp([192, 0, 2, 10].into(), port), service);
    }
    converge(&mut ipvs, &desired);
    assert_eq!(saved().len(), 150 + 250 + 149);
}

fn counters() {
    run("ip", "address add 192.0.2.10/32 dev lo");
    run("ip", "address add 192.0.2.11/32 dev lo");
    let mut ipvs = Ipvs::open().unwrap();
    let web = key("tcp/192.0.2.10:80");
    // A real server of this machine gets the packet as it is, with the VIP in it.
    let desired = service(Scheduler::Rr, None, &[]);
    ipvs.apply(&Change::AddService(web, desired)).unwrap();
    let one = Destination::new(Forwarding::Dr, 1);
    ipvs.apply(&Change::AddDestination(web, to("192.0.2.11:80"), one)).unwrap();
    let listener = TcpListener::bind(web.address().unwrap()).unwrap();
    let mut client = TcpStream::connect(web.address().unwrap()).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.write_all(b"hello").unwrap();
    server.read_exact(&mut [0; 5]).unwrap();

    let real_of = |ipvs: &mut Ipvs| ipvs.read().unwrap().services[&web].destinations[&to("192.0.2.11:80")];
    let now = real_of(&mut ipvs);
    assert_eq!((now.active, now.inactive), (1, 0), "{now:?}");
    // Also for an address of its own the kernel reports the method that was asked for, not "local".
    assert_eq!(now.forwarding, Some(Forwarding::Dr));
    // It adds the other counters up every two seconds.
    let end = Instant::now() + Duration::from_secs(10);
    let counted = loop {
        let counted = real_of(&mut ipvs).counters;
        if counted.connections == 1 && counted.bytes_in > 100 && counted.packets_in >= 3 {
            break counted;
        }
        assert!(Instant::now() < end, "{counted:?}");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(ipvs.read().unwrap().services[&web].counters.connections, 1);
    let listed = ipvsadm("-Ln --stats --exact");
    let line = listed.lines().find(|line| line.contains("192.0.2.11:80")).unwrap();
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let Counters { connections, packets_in, packets_out, bytes_in, bytes_out } = counted;
    assert_eq!(numbers, [connections, packets_in, packets_out, bytes_in, bytes_out], "{listed}");
}

pub(crate) fn a_missing_scheduler_is_named() {
    run("rmmod", "ip_vs_sh");
    let change = Change::AddService(key("tcp/192.0.2.10:80"), service(Scheduler::Sh, None, &[]));
    let error = Ipvs::open().unwrap().apply(&change).unwrap_err().to_string();
    let expected =
        "add virtual service tcp/192.0.2.10:80 sh: the kernel has no scheduler sh\nload it with: modprobe ip_vs_sh";
    assert_eq!(error, expected);
}

pub(crate) fn a_missing_module_is_told() {
    let mut open = Ipvs::open().unwrap();
    // The namespaces of the checks before are taken down in the background, and with them what uses the modules.
    let end = Instant::now() + Duration::from_secs(20);
    let gone = || {
        for scheduler in Scheduler::ALL {
            let _ = Command::new("rmmod").arg(format!("ip_vs_{scheduler}")).output();
        }
        let _ = Command::new("rmmod").args(["ip_vs_pe_sip", "nf_conntrack_sip"]).output();
        Command::new("rmmod").arg("ip_vs").output().unwrap().status.success()
    };
    while !gone() {
        assert!(Instant::now() < end, "ip_vs stays loaded");
        std::thread::sleep(Duration::from_millis(100));
    }
    let error = Ipvs::open().unwrap_err();
    assert!(matches!(error, IpvsError::NoModule), "{error}");
    assert!(error.to_string().contains("modprobe ip_vs"), "{error}");
    let change = Change::AddService(key("tcp/192.0.2.10:80"), service(Scheduler::Rr, None, &[]));
    let error = open.apply(&change).unwrap_err();
    assert!(matches!(error, IpvsError::NoModule), "{error}");
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
