use super::*;
use crate::health::{Connection, Dns, DnsType, Http, Misc, Protocol, Reply, Tls, Udp, Url, Verify, Weight};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

fn to(target: SocketAddr) -> Connection {
    Connection::to(target, Duration::from_millis(300))
}

async fn once(method: &Method) -> Found {
    run(method, 0, &Shared::default()).await
}

/// A server that does this with its connections.
async fn server<F, R>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// A web server that answers every request with these bytes, and closes.
async fn web(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    server(move |mut stream| {
        let answer = answer.clone();
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&answer).await;
        }
    })
    .await
}

fn url() -> Url {
    Url { path: "/".into(), host: None, server_name: None, digest: None, statuses: vec![(200, 299)], regex: None }
}

fn page(target: SocketAddr, url: Url) -> Method {
    let http = Http { to: to(target), tls: None, protocol: Protocol::V10, urls: vec![url], fast_recovery: false };
    Method::Http(Arc::new(http))
}

#[tokio::test]
async fn a_listening_server_is_good() {
    let address = server(|_| async {}).await;
    let found = once(&Method::Tcp(to(address))).await;
    assert!(found.good);
    assert!(found.text().starts_with("connected in ") && found.text().ends_with(" ms"), "{found:?}");
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let found = once(&Method::Tcp(to(address))).await;
    assert_eq!((found.good, found.text().as_str()), (false, "connection refused"));
    assert_eq!(found.errno, Some(nix::libc::ECONNREFUSED));
}

#[tokio::test]
async fn a_server_that_does_not_answer_fails_after_its_timeout() {
    // A listener whose queue is full drops further SYNs: silence, on loopback.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let _fills_the_queue = TcpStream::connect(address).await.unwrap();
    let found = once(&Method::Tcp(to(address))).await;
    assert_eq!((found.good, found.text().as_str()), (false, "no answer in 0.3 s"));
    assert!(found.took >= Duration::from_millis(300));
}

#[tokio::test]
async fn an_unreachable_host_says_so() {
    let error = io::Error::from_raw_os_error(nix::libc::EHOSTUNREACH);
    assert_eq!(reason(&error), "no route to host");
}

#[tokio::test]
async fn a_page_is_judged_by_status_digest_and_pattern() {
    let address = web("HTTP/1.0 200 OK\r\n\r\nhello").await;
    let good = once(&page(address, url())).await;
    assert_eq!((good.good, good.status, good.bytes), (true, Some(200), Some(5)), "{good:?}");
    let digest = Some(*b"\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92");
    assert!(once(&page(address, Url { digest, ..url() })).await.good);
    let wrong = once(&page(address, Url { digest: Some([0; 16]), ..url() })).await;
    assert!(wrong.text().starts_with("MD5 of 5 bytes is 5d41402abc4b2a76b9719d911017c592"), "{wrong:?}");
    let regex = |pattern: &str, no_match| {
        let regex = crate::health::Regex {
            pattern: pattern.into(),
            options: Vec::new(),
            no_match,
            min_offset: 0,
            max_offset: None,
        };
        Url { regex: Some(regex), ..url() }
    };
    assert!(once(&page(address, regex("^hel+o$", false))).await.good);
    assert_eq!(once(&page(address, regex("bye", false))).await.text(), "the pattern was not found in 5 bytes");
    assert_eq!(once(&page(address, regex("ell", true))).await.text(), "the pattern was found in 5 bytes");
    let address = web("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(once(&page(address, url())).await.text(), "status 503, not 200-299");
}

#[tokio::test]
async fn the_request_is_keepalived_s() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let address = server(move |mut stream| {
        let tell = tell.clone();
        async move {
            let mut room = [0; 4096];
            let count = stream.read(&mut room).await.unwrap();
            tell.send(String::from_utf8_lossy(&room[..count]).into_owned()).unwrap();
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.unwrap();
        }
    })
    .await;
    for (protocol, host, expected) in [
        (Protocol::V10, None, format!("GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: {address}\r\n\r\n")),
        (
            Protocol::V10Close,
            Some("www.example"),
            "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example\r\n\r\n".into(),
        ),
        (
            Protocol::V11,
            Some("www.example:81"),
            "GET / HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example:81\r\n\r\n".into(),
        ),
    ] {
        let url = Url { host: host.map(str::to_owned), ..url() };
        let http = Http { to: to(address), tls: None, protocol, urls: vec![url], fast_recovery: false };
        assert!(once(&Method::Http(Arc::new(http))).await.good);
        assert_eq!(told.recv().await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_half_open_server_a_slow_one_and_one_without_end_all_end_in_time() {
    let silent = server(|stream| async move {
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(stream);
    })
    .await;
    let found = once(&page(silent, url())).await;
    assert_eq!(found.text(), "connected, and no answer in 0.3 s");
    let slow = server(|mut stream| async move {
        for byte in b"HTTP/1.0 200 OK\r\n".iter().chain(std::iter::repeat(&b'a')) {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let found = once(&page(slow, url())).await;
    assert_eq!(found.text(), "the answer is not complete after 0.3 s");
    let endless = server(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'a'; 1000]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let found = once(&page(endless, url())).await;
    assert!(found.text().starts_with("status 200, and the page is not complete after 0.3 s, "), "{found:?}");
    assert!(found.took < Duration::from_millis(600), "{found:?}");
}

#[tokio::test]
async fn garbage_is_no_tls_and_no_answer() {
    let garbage = server(|mut stream| async move {
        let _ = stream.write_all(&[0x55; 4000]).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    })
    .await;
    let http = Http {
        to: to(garbage),
        tls: Some(Tls { verify: Verify::Nothing, ..Tls::default() }),
        protocol: Protocol::V10,
        urls: vec![url()],
        fast_recovery: false,
    };
    let found = once(&Method::Http(Arc::new(http))).await;
    assert!(!found.good && found.text().starts_with("TLS handshake: "), "{found:?}");
    assert!(once(&page(garbage, url())).await.text().starts_with("no HTTP answer: "));
}

#[tokio::test]
async fn a_mail_server_greets_and_takes_helo() {
    let mail = |greeting: &'static str, helo: &'static str| {
        server(move |mut stream| async move {
            let _ = stream.write_all(greeting.as_bytes()).await;
            let mut room = [0; 200];
            let count = stream.read(&mut room).await.unwrap_or(0);
            if room[..count] == *b"HELO me.example\r\n" {
                let _ = stream.write_all(helo.as_bytes()).await;
                let _ = stream.read(&mut room).await;
                let _ = stream.write_all(b"221 bye\r\n").await;
            }
        })
    };
    let check = |address| Method::Smtp { to: to(address), helo: "me.example".into() };
    assert!(once(&check(mail("220-x\r\n220 y\r\n", "250 hello\r\n").await)).await.good);
    let found = once(&check(mail("554 no\r\n", "").await)).await;
    assert_eq!((found.text().as_str(), found.status), ("its greeting is 554, not 220: no", Some(554)));
    let found = once(&check(mail("220 y\r\n", "502 what?\r\n").await)).await;
    assert_eq!(found.text(), "its answer to HELO is 502, not 250: what?");
}

type Answer = fn(&[u8]) -> Vec<u8>;

/// A UDP server that answers each datagram with this; none: never.
async fn udp(answer: Option<Answer>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut room = [0; 2000];
        while let Ok((count, from)) = socket.recv_from(&mut room).await {
            if let Some(answer) = answer {
                let _ = socket.send_to(&answer(&room[..count]), from).await;
            }
        }
    });
    address
}

async fn closed() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_name_server_answers() {
    fn code(query: &[u8], code: u8) -> Vec<u8> {
        [&query[..2], &[0x81, 0x80 | code], &query[4..]].concat()
    }
    let check = |address| Method::Dns(Arc::new(Dns { to: to(address), name: "example.".into(), kind: DnsType::Soa }));
    let found = once(&check(udp(Some(|q| code(q, 0))).await)).await;
    assert_eq!((found.good, found.status), (true, Some(0)));
    assert_eq!(once(&check(udp(Some(|q| code(q, 2))).await)).await.text(), "answers SERVFAIL (2)");
    assert_eq!(once(&check(closed().await)).await.text(), "port unreachable");
    assert_eq!(once(&check(udp(Some(|_| vec![0; 40])).await)).await.text(), "connected, and no answer in 0.3 s");
}

#[tokio::test]
async fn udp_is_good_unless_something_says_otherwise() {
    let check = |address, payload: Option<&[u8]>, reply| {
        let payload = payload.map(<[u8]>::to_vec);
        Method::Udp(Arc::new(Udp { to: to(address), payload, reply }))
    };
    assert!(once(&check(udp(None).await, None, None)).await.good);
    assert_eq!(once(&check(closed().await, None, None)).await.text(), "port unreachable");
    let wanted = |pattern: &[(u8, u8)]| Some(Reply { pattern: pattern.to_vec(), min_length: 2, max_length: 4 });
    let echo = udp(Some(<[u8]>::to_vec)).await;
    assert!(once(&check(echo, Some(b"abc"), wanted(&[(b'a', 0xff), (0, 0)]))).await.good);
    let found = once(&check(echo, Some(b"abc"), wanted(&[(b'a', 0xff), (0, 0xff)]))).await;
    assert_eq!(found.text(), "its reply differs at byte 1");
    assert_eq!(once(&check(echo, Some(b"abcde"), wanted(&[]))).await.text(), "its reply has 5 bytes, not 2 to 4");
    assert!(!once(&check(udp(None).await, None, wanted(&[]))).await.good);
}

#[tokio::test]
async fn an_exit_status_is_a_verdict_and_perhaps_a_weight() {
    let misc = |command: &str, dynamic| {
        let argv = vec!["/bin/sh".into(), "-c".into(), command.into()];
        let timeout = Duration::from_secs(5);
        Method::Misc(Arc::new(Misc { argv, user: None, group: None, timeout, dynamic }))
    };
    assert!(once(&misc("exit 0", false)).await.good);
    let found = once(&misc("echo it is full >&2; exit 1", true)).await;
    assert_eq!((found.good, found.text().as_str()), (false, "exit status 1: it is full"));
    let found = once(&misc("exit 200", true)).await;
    assert_eq!((found.good, found.weight), (true, Weight::Is(198)));
    assert!(!once(&misc("exit 200", false)).await.good);
}

#[tokio::test]
async fn loopback_answers_echo_requests() {
    for target in ["127.0.0.1:0", "[::1]:0"] {
        let found = once(&Method::Ping(to(target.parse().unwrap()))).await;
        assert!(found.good, "{target}: {found:?}");
    }
}
