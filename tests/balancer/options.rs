//! What a virtual service may ask for beside a scheduler.

use crate::stage::{Stage, Web, ask, eventually};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use vipdeck::balancer::{Balancer, Options, ProxyVersion};
use vipdeck::kernel::{
    Change, Destination, Forwarding, Persistence, Protocol, Scheduler, SchedulerFlags, Service, ServiceKey,
};

/// What arrives at the server when a client says something.
async fn first_bytes(version: ProxyVersion, length: usize) -> (Vec<u8>, SocketAddr, Stage) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let real = listener.local_addr().unwrap();
    let mut stage = Stage::free(Protocol::Tcp, Options::default()).await;
    let options = Options { proxy: [(stage.key(), version)].into(), ..Options::default() };
    stage.balancer = Balancer::start(options).unwrap();
    stage.set(Scheduler::Rr, None, &[(real, 1)]).await;
    let mut client = TcpStream::connect(stage.vip).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut got = vec![0; length];
    timeout(Duration::from_secs(5), server.read_exact(&mut got)).await.expect("in time").unwrap();
    eventually("counted", || stage.observed().counters.bytes_in == 5).await;
    (got, client.local_addr().unwrap(), stage)
}

#[tokio::test]
async fn a_real_server_is_told_who_the_client_is() {
    let before = "PROXY TCP4 127.0.0.1 127.0.0.1 00000 00000\r\nhello".len();
    let (got, client, stage) = first_bytes(ProxyVersion::V1, before).await;
    let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {}\r\nhello", client.port(), stage.vip.port());
    assert_eq!(String::from_utf8_lossy(&got), expected);

    let (got, client, stage) = first_bytes(ProxyVersion::V2, 28 + 5).await;
    assert_eq!(got[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(got[24..28], [client.port().to_be_bytes(), stage.vip.port().to_be_bytes()].concat());
    assert_eq!(&got[28..], b"hello");
}

#[tokio::test]
async fn a_server_at_its_upper_threshold_gets_no_more_until_it_is_below_the_lower() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let [limited, other] = [webs[0].address, webs[1].address];
    let stage = Stage::start(Scheduler::Fo, None, &[]).await;
    let first = Destination { upper: 3, lower: 2, ..Destination::new(Forwarding::Nat, 9) };
    let second = Destination::new(Forwarding::Nat, 1);
    let service = Service {
        scheduler: Scheduler::Fo,
        destinations: [(limited, first), (other, second)].into(),
        ..Service::default()
    };
    stage.set_service(service).await;
    let mut held = Vec::new();
    for count in 1..=5 {
        held.push(TcpStream::connect(stage.vip).await.unwrap());
        eventually("connected", || stage.active(limited) + stage.active(other) == count).await;
    }
    assert_eq!((stage.active(limited), stage.active(other)), (3, 2));
    held.remove(0);
    eventually("one left", || stage.active(limited) + stage.inactive(limited) == 2).await;
    assert_eq!(ask(stage.vip).await.as_deref(), Some("web2\n"), "two are not below two");
    held.remove(0);
    eventually("one more left", || stage.active(limited) + stage.inactive(limited) == 1).await;
    assert_eq!(ask(stage.vip).await.as_deref(), Some("web1\n"));
}

#[tokio::test]
async fn the_sorry_server_serves_when_it_alone_is_in_the_table() {
    let [web, sorry] = [Web::start("web1").await, Web::start("sorry").await];
    let stage = Stage::start(Scheduler::Wlc, None, &[(web.address, 1)]).await;
    let slow = tokio::spawn(crate::stage::ask_path(stage.vip, "/slow/1"));
    eventually("a connection", || stage.active(web.address) == 1).await;
    stage.set(Scheduler::Wlc, None, &[(sorry.address, 1)]).await;
    assert_eq!(ask(stage.vip).await.as_deref(), Some("sorry\n"));
    stage.set(Scheduler::Wlc, None, &[(web.address, 1)]).await;
    assert_eq!(ask(stage.vip).await.as_deref(), Some("web1\n"));
    assert_eq!(slow.await.unwrap().expect("a complete answer").lines().count(), 10);
}

#[tokio::test]
async fn a_reset_ends_what_is_left_of_one_server_alone() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let stage = Stage::start(Scheduler::Rr, None, &[(webs[0].address, 1), (webs[1].address, 1)]).await;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(TcpStream::connect(stage.vip).await.unwrap());
    }
    eventually("six", || stage.active(webs[0].address) + stage.active(webs[1].address) == 6).await;
    stage.set(Scheduler::Rr, None, &[(webs[0].address, 0), (webs[1].address, 1)]).await;
    assert_eq!(stage.balancer.reset(&stage.key(), webs[0].address), 3);
    eventually("ended", || stage.active(webs[0].address) + stage.inactive(webs[0].address) == 0).await;
    assert_eq!(stage.active(webs[1].address), 3, "the others go on");
    let mut resets = 0;
    for mut client in clients {
        if let Ok(Err(error)) = timeout(Duration::from_millis(100), client.read_u8()).await {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            resets += 1;
        }
    }
    assert_eq!(resets, 3);
    eventually("all gone", || stage.active(webs[1].address) + stage.inactive(webs[1].address) == 0).await;
    // Also those of a server that has left the table.
    let client = TcpStream::connect(stage.vip).await.unwrap();
    eventually("one", || stage.active(webs[1].address) == 1).await;
    stage.set(Scheduler::Rr, None, &[]).await;
    assert_eq!(stage.balancer.reset(&stage.key(), webs[1].address), 1);
    drop(client);
}

#[tokio::test]
async fn ipv6_is_served() {
    let listener = match TcpListener::bind("[::1]:0").await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("skipped: no IPv6 on loopback: {error}");
            return assert_ne!(std::env::var("CI").as_deref(), Ok("true"));
        }
    };
    let real = listener.local_addr().unwrap();
    tokio::spawn(vipdeck::lab::server::serve(listener, "web6".into()));
    let vip = TcpListener::bind("[::1]:0").await.unwrap().local_addr().unwrap();
    let stage = Stage::idle(vip);
    stage.set(Scheduler::Mh, None, &[(real, 1)]).await;
    assert_eq!(ask(vip).await.as_deref(), Some("web6\n"));
    assert_eq!(stage.connections(real), 1);
}

/// From an address of its own on loopback.
async fn ask_from(client: &str, vip: SocketAddr) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(client.parse().unwrap(), 0)).unwrap();
    let mut stream = socket.connect(vip).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.lines().last().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn persistence_goes_by_the_prefix_that_is_asked_for() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let stage = Stage::start(Scheduler::Rr, None, &[]).await;
    let persistence = Some(Persistence { granularity: 24, ..Persistence::of(&stage.key(), 300) });
    let reals = [(webs[0].address, 1), (webs[1].address, 1)];
    stage.set_service(Service { scheduler: Scheduler::Rr, persistence, ..Stage::service(&reals) }).await;
    let first = ask_from("127.0.1.1", stage.vip).await;
    assert_eq!(ask_from("127.0.1.77", stage.vip).await, first, "the same /24");
    let other = ask_from("127.0.2.1", stage.vip).await;
    assert_ne!(other, first, "the next one");
    assert_eq!(ask_from("127.0.2.200", stage.vip).await, other);
    assert!(webs.iter().all(|web| stage.real(web.address).persistent == 1));
}

#[tokio::test]
async fn source_hashing_refuses_the_clients_of_a_drained_server_unless_the_flag_is_set() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let reals = |weights: [u32; 2]| [(webs[0].address, weights[0]), (webs[1].address, weights[1])];
    let stage = Stage::start(Scheduler::Sh, None, &reals([1, 1])).await;
    let own = usize::from(ask(stage.vip).await.as_deref() == Some("web2\n"));
    let drained = if own == 0 { reals([0, 1]) } else { reals([1, 0]) };
    stage.set(Scheduler::Sh, None, &drained).await;
    assert_eq!(ask(stage.vip).await, None, "as IPVS has it");
    let flags = SchedulerFlags { first: true, ..SchedulerFlags::default() };
    stage.set_service(Service { scheduler: Scheduler::Sh, flags, ..Stage::service(&drained) }).await;
    assert_eq!(ask(stage.vip).await, Some(format!("web{}\n", 2 - own)));
}

#[tokio::test]
async fn what_cannot_be_listened_on_is_refused_with_the_reason() {
    let stage = Stage::free(Protocol::Tcp, Options::default()).await;
    for (key, reason) in [
        ("fwmark/7", "cannot listen on a firewall mark"),
        ("tcp/127.0.0.1:0", "cannot listen on all ports"),
        ("sctp/127.0.0.1:7", "serves TCP and UDP"),
    ] {
        let key: ServiceKey = key.parse().unwrap();
        let refused = stage.balancer.apply(&Change::AddService(key, Service::default())).await.unwrap_err();
        assert!(refused.reason.contains(reason) && refused.reason.contains("ip_vs"), "{refused}");
    }
    assert!(stage.balancer.read().services.is_empty());
}

/// A stream of large pieces goes through a pipe; not a byte is lost or turned, and small questions after it are
/// answered as before.
#[tokio::test]
async fn a_large_stream_is_the_same_on_the_other_side() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Stage::start(Scheduler::Rr, None, &[(listener.local_addr().unwrap(), 1)]).await;
    let mut client = TcpStream::connect(stage.vip).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let pattern: Vec<u8> = (0..1_000_003_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let rounds = 40;
    let sent = pattern.clone();
    let writer = tokio::spawn(async move {
        for _ in 0..rounds {
            server.write_all(&sent).await.unwrap();
        }
        server
    });
    let mut got = vec![0; pattern.len()];
    for round in 0..rounds {
        timeout(Duration::from_secs(30), client.read_exact(&mut got)).await.expect("goes on").unwrap();
        assert!(got == pattern, "round {round}");
    }
    let mut server = writer.await.unwrap();
    for _ in 0..20 {
        client.write_all(b"?").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'?');
        server.write_all(b"!").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'!');
    }
    drop(server);
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    let seen = stage.observed().counters;
    assert_eq!((seen.bytes_in, seen.bytes_out), (20, rounds as u64 * 1_000_003 + 20));
    drop(client);
    eventually("packets counted", || stage.observed().counters.packets_out > 40).await;
    assert!(stage.observed().counters.packets_in >= 20);
}
