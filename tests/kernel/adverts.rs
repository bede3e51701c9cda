//! Adverts and announcements over a cable.

use crate::namespaces::{Pair, inside, inside_async, wait_for};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read;
use std::net::Ipv4Addr;
use std::time::Duration;
use vipdeck::net::{Family, LinkName, Mac};
use vipdeck::sys::advert_socket::AdvertSocket;
use vipdeck::sys::announcement_socket::{AnnouncementSocket, Claim};
use vipdeck::sys::packet_socket::PacketSocket;
use vipdeck::sys::sysctl;
use vipdeck::wire::{arp, ipv4};

const A: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

fn index(link: &str) -> u32 {
    nix::net::if_::if_nametoindex(link).unwrap()
}

async fn any_readable(sockets: &[AdvertSocket]) {
    std::future::poll_fn(|context| {
        let ready = sockets.iter().filter(|s| s.poll_ready(context).is_ready()).count();
        if ready == 0 { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
}

fn open(link: &str) -> AdvertSocket {
    AdvertSocket::open(&LinkName::new(link).unwrap(), index(link), &[ipv4::VRRP_GROUP]).unwrap()
}

#[test]
fn an_advert_arrives_with_ttl_and_tos_only_where_it_should() {
    let Some(pair) = Pair::new() else { return };
    let (ready, wait) = tokio::sync::oneshot::channel();
    std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            inside_async(&pair.b, || async {
                let eth0 = open("eth0");
                let lo = open("lo");
                ready.send(()).unwrap();
                let mut buffer = [0; 2048];
                let got = eth0.recv(&mut buffer).await.unwrap();
                assert_eq!((got.source, got.destination), (A, ipv4::VRRP_GROUP));
                assert_eq!((got.ttl, got.tos, got.payload), (255, 0xc0, &b"first"[..]));
                // Both are one cable's order: once the last is here, the one between has come or never will.
                let next = eth0.recv(&mut buffer).await.unwrap();
                assert_eq!(next.payload, b"last", "unicast to another protocol or group must not be heard");
                assert_eq!(eth0.try_recv(&mut buffer).unwrap(), None);
                assert_eq!(lo.try_recv(&mut buffer).unwrap(), None, "bound to another link");
            });
        });
        inside_async(&pair.a, || async {
            let socket = open("eth0");
            wait.await.unwrap();
            let header = ipv4::Header::advert(A, ipv4::VRRP_GROUP, 255);
            socket.send(&ipv4::encode(&header, b"first").unwrap()).unwrap();
            let elsewhere = ipv4::Header { destination: Ipv4Addr::new(224, 0, 0, 1), ..header };
            socket.send(&ipv4::encode(&elsewhere, b"to all hosts").unwrap()).unwrap();
            socket.send(&ipv4::encode(&header, b"last").unwrap()).unwrap();
            assert_eq!(socket.try_recv(&mut [0; 2048]).unwrap(), None, "our own adverts do not come back");
            assert!(socket.send(b"not a packet").is_err());
        });
        receiver.join().unwrap();
    });
}

#[test]
fn several_sockets_are_waited_for_at_once_and_drained() {
    let Some(pair) = Pair::new() else { return };
    inside_async(&pair.b, || async {
        let sockets = [open("lo"), open("eth0")];
        let nothing = tokio::time::timeout(Duration::from_millis(50), any_readable(&sockets)).await;
        assert!(nothing.is_err());
        for round in 0..3u8 {
            inside_async(&pair.a, || async move {
                let socket = open("eth0");
                for number in 0..4 {
                    socket
                        .send(&ipv4::encode(&ipv4::Header::advert(A, ipv4::VRRP_GROUP, 255), &[round, number]).unwrap())
                        .unwrap();
                }
            });
            any_readable(&sockets).await;
            let mut buffer = [0; 2048];
            for number in 0..4 {
                let got = sockets[1].try_recv(&mut buffer).unwrap().unwrap();
                assert_eq!(got.payload, [round, number]);
            }
            assert_eq!(sockets[1].try_recv(&mut buffer).unwrap(), None);
            assert_eq!(sockets[0].try_recv(&mut buffer).unwrap(), None);
            let again = tokio::time::timeout(Duration::from_millis(50), any_readable(&sockets)).await;
            assert!(again.is_err(), "a drained socket wakes nobody");
        }
    });
}

#[test]
fn an_advert_socket_survives_a_link_that_goes_down_and_up() {
    let Some(pair) = Pair::new() else { return };
    inside_async(&pair.b, || async {
        let socket = open("eth0");
        pair.ip_b("link set eth0 down");
        pair.ip_b("link set eth0 up");
        let packet = ipv4::encode(&ipv4::Header::advert(A, ipv4::VRRP_GROUP, 255), b"again").unwrap();
        inside_async(&pair.a, || async {
            // The carrier of a veth follows its peer at once.
            open("eth0").send(&packet).unwrap();
        });
        let mut buffer = [0; 2048];
        assert_eq!(socket.recv(&mut buffer).await.unwrap().payload, b"again");
    });
}

#[test]
fn an_advert_on_a_link_that_is_down_is_an_error() {
    let Some(pair) = Pair::new() else { return };
    inside_async(&pair.a, || async {
        let socket = open("eth0");
        pair.ip_a("link set eth0 down");
        let error =
            socket.send(&ipv4::encode(&ipv4::Header::advert(A, ipv4::VRRP_GROUP, 255), b"x").unwrap()).unwrap_err();
        assert!([libc::ENETDOWN, libc::ENETUNREACH, libc::ENODEV].contains(&error.raw_os_error().unwrap()), "{error}");
    });
}

#[test]
fn an_announcement_is_heard_and_believed() {
    let Some(pair) = Pair::new() else { return };
    let vip = Ipv4Addr::new(10, 9, 0, 20);
    let mac = Mac([0x02, 0, 0x5e, 0, 1, 0x33]);
    let mut heard = inside(&pair.b, || {
        // A neighbour that is not known yet is learnt from an announcement only with this.
        sysctl::write(&sysctl::Key::new("net/ipv4/conf/eth0/arp_accept"), "1").unwrap();
        let protocol = Protocol::from(i32::from(arp::ETHERTYPE.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    });
    inside(&pair.a, || PacketSocket::open().unwrap().announce(index("eth0"), mac, vip).unwrap());
    let mut frame = [0; 2048];
    let expected = arp::announcement(mac, vip);
    loop {
        let length = heard.read(&mut frame).unwrap();
        if frame[..length].starts_with(&expected) {
            break;
        }
    }
    wait_for("the neighbour is known", 5, || pair.ip_b("neighbour show 10.9.0.20").contains(&mac.to_string()));
}

#[test]
fn what_others_say_of_our_addresses_is_heard_and_ordinary_arp_is_not() {
    let Some(pair) = Pair::new() else { return };
    inside_async(&pair.b, || async {
        let vip = Ipv4Addr::new(10, 9, 0, 77);
        let socket = AnnouncementSocket::open(index("eth0"), Family::V4, &[vip.into()].into()).unwrap();
        let mac = Mac([2, 0, 0, 0, 0, 7]);
        inside_async(&pair.a, || async move {
            let sender = PacketSocket::open().unwrap();
            let mut question = arp::announcement(mac, vip);
            question[41] ^= 1;
            sender.announce(index("eth0"), mac, Ipv4Addr::new(10, 9, 0, 78)).unwrap();
            sender.probe(index("eth0"), mac, vip).unwrap();
            sender.send(index("eth0"), arp::ETHERTYPE, Mac::BROADCAST, &question).unwrap();
            sender.announce(index("eth0"), mac, vip).unwrap();
        });
        std::future::poll_fn(|context| socket.poll_ready(context)).await;
        let claim = Claim { mac, address: vip.into(), is_announcement: false };
        assert_eq!(socket.try_recv().unwrap(), Some(claim), "whoever asks as the VIP claims it");
        assert_eq!(socket.try_recv().unwrap(), Some(Claim { is_announcement: true, ..claim }));
        assert_eq!(socket.try_recv().unwrap(), None, "neither other addresses nor probes wake anybody");
        let many = (0..2000_u16).map(|n| Ipv4Addr::from_bits(0x0a0a_0000 + u32::from(n)).into()).collect();
        socket.watch(&many).unwrap();
        inside_async(&pair.a, || async move {
            let sender = PacketSocket::open().unwrap();
            sender.probe(index("eth0"), mac, vip).unwrap();
            sender.announce(index("eth0"), mac, vip).unwrap();
        });
        std::future::poll_fn(|context| socket.poll_ready(context)).await;
        assert_eq!(socket.try_recv().unwrap(), Some(Claim { is_announcement: true, ..claim }), "too many to list");
        assert_eq!(socket.try_recv().unwrap(), None);
    });
}
