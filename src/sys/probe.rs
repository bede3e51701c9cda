//! One run of one health check.

use crate::health::{Method, Outcome};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Talks to the real server once. It always ends: within the method's own timeout.
pub async fn run(method: &Method) -> Outcome {
    let start = Instant::now();
    let (good, detail) = match method {
        Method::Tcp { target, timeout } => connect(*target, *timeout, start).await,
    };
    Outcome { good, detail, took: start.elapsed() }
}

/// The connection is given up at once: it was only to see whether somebody answers.
async fn connect(target: SocketAddr, limit: Duration, start: Instant) -> (bool, String) {
    match timeout(limit, TcpStream::connect(target)).await {
        Ok(Ok(stream)) => {
            let took = start.elapsed();
            drop(stream);
            (true, format!("connected in {:.1} ms", took.as_secs_f64() * 1e3))
        }
        Ok(Err(error)) => (false, reason(&error)),
        Err(_elapsed) => (false, format!("no answer in {} s", limit.as_secs_f64())),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        // What the kernel says when nobody answers ARP, too.
        io::ErrorKind::HostUnreachable => "no route to host".into(),
        io::ErrorKind::NetworkUnreachable => "network unreachable".into(),
        io::ErrorKind::ConnectionReset => "connection reset".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn tcp(target: SocketAddr) -> Method {
        Method::Tcp { target, timeout: Duration::from_millis(200) }
    }

    #[tokio::test]
    async fn a_listening_server_is_good() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let outcome = run(&tcp(listener.local_addr().unwrap())).await;
        assert!(outcome.good);
        assert!(outcome.detail.starts_with("connected in ") && outcome.detail.ends_with(" ms"), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_closed_port_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let outcome = run(&tcp(address)).await;
        assert_eq!((outcome.good, outcome.detail.as_str()), (false, "connection refused"));
    }

    #[tokio::test]
    async fn a_server_that_does_not_answer_fails_after_its_timeout() {
        // A listener whose queue is full drops further SYNs: silence, on loopback.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let _fills_the_queue = TcpStream::connect(address).await.unwrap();
        let outcome = run(&tcp(address)).await;
        assert_eq!((outcome.good, outcome.detail.as_str()), (false, "no answer in 0.2 s"));
        assert!(outcome.took >= Duration::from_millis(200));
    }

    #[tokio::test]
    async fn an_unreachable_host_says_so() {
        let error = io::Error::from_raw_os_error(nix::libc::EHOSTUNREACH);
        assert_eq!(reason(&error), "no route to host");
    }
}
