//! Services over UDP.

use crate::stage::{Stage, eventually};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use vipdeck::balancer::Options;
use vipdeck::kernel::{Change, Protocol, Scheduler, Service, Timeouts};

/// Answers every datagram with its name and what it got.
struct Echo {
    address: SocketAddr,
    task: AbortHandle,
}

impl Echo {
    async fn start(name: &'static str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 65_535];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let answer = [name.as_bytes(), &buffer[..length]].concat();
                let _ = socket.send_to(&answer, from).await;
            }
        });
        Self { address, task: task.abort_handle() }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client that takes answers from the virtual address alone.
async fn client(stage: &Stage) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(stage.vip).await.unwrap();
    socket
}

/// None: no answer.
async fn ask(client: &UdpSocket, question: &str) -> Option<String> {
    client.send(question.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 65_535];
    let length = timeout(Duration::from_millis(500), client.recv(&mut buffer)).await.ok()?.unwrap();
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

async fn udp(reals: &[(SocketAddr, u32)]) -> Stage {
    let stage = Stage::free(Protocol::Udp, Options::default()).await;
    stage.set(Scheduler::Rr, None, reals).await;
    stage
}

#[tokio::test]
async fn a_client_keeps_its_server_and_others_get_the_next() {
    let echos = [Echo::start("a").await, Echo::start("b").await];
    let stage = udp(&[(echos[0].address, 1), (echos[1].address, 1)]).await;
    let mut servers = Vec::new();
    for _ in 0..4 {
        let client = client(&stage).await;
        let first = ask(&client, "1").await.expect("an answer");
        let second = ask(&client, "22").await.expect("an answer");
        assert_eq!(first.chars().next(), second.chars().next(), "the same server");
        servers.extend(first.chars().next());
    }
    assert!(servers[0] == servers[2] && servers[1] == servers[3] && servers[0] != servers[1], "{servers:?}");
    // What arrives may be counted a moment later.
    eventually("counted", || stage.observed().counters.packets_out == 8).await;
    let seen = stage.observed();
    let counters = seen.counters;
    assert_eq!((counters.connections, counters.packets_in, counters.bytes_in), (4, 8, 12));
    assert_eq!((counters.packets_out, counters.bytes_out), (8, 20));
    assert!(seen.destinations.values().all(|d| (d.active, d.inactive) == (0, 2)), "{seen:?}");
}

#[tokio::test]
async fn a_session_ends_after_silence() {
    let echo = Echo::start("a").await;
    let stage = udp(&[(echo.address, 1)]).await;
    let timeouts = Timeouts { udp: 1, ..Timeouts::default() };
    stage.balancer.apply(&Change::SetTimeouts(timeouts)).await.unwrap();
    let client = client(&stage).await;
    assert_eq!(ask(&client, "x").await.as_deref(), Some("ax"));
    assert_eq!(stage.inactive(echo.address), 1);
    eventually("gone", || stage.inactive(echo.address) == 0).await;
    assert_eq!(ask(&client, "x").await.as_deref(), Some("ax"), "and begins anew");
    assert_eq!(stage.connections(echo.address), 2);
}

#[tokio::test]
async fn a_server_that_refuses_or_leaves_loses_its_clients_to_the_others() {
    let echo = Echo::start("a").await;
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let stage = udp(&[(closed, 1), (echo.address, 1)]).await;
    let clients = [client(&stage).await, client(&stage).await];
    for client in &clients {
        let mut answers = 0;
        for _ in 0..4 {
            answers += usize::from(ask(client, "x").await.as_deref() == Some("ax"));
        }
        assert!(answers >= 3, "one datagram may be lost to find out");
    }
    let other = Echo::start("b").await;
    stage.set(Scheduler::Rr, None, &[(other.address, 1)]).await;
    for client in &clients {
        assert_eq!(ask(client, "x").await.as_deref(), Some("bx"));
    }
}

#[tokio::test]
async fn a_drained_server_keeps_its_sessions_and_gets_no_more() {
    let echos = [Echo::start("a").await, Echo::start("b").await];
    let stage = udp(&[(echos[0].address, 1), (echos[1].address, 1)]).await;
    let clients = [client(&stage).await, client(&stage).await];
    let mut before = Vec::new();
    for client in &clients {
        before.push(ask(client, "x").await.unwrap());
    }
    stage.set(Scheduler::Rr, None, &[(echos[0].address, 0), (echos[1].address, 1)]).await;
    for (client, before) in clients.iter().zip(&before) {
        assert_eq!(ask(client, "x").await.as_ref(), Some(before));
    }
    for _ in 0..3 {
        assert_eq!(ask(&client(&stage).await, "x").await.as_deref(), Some("bx"));
    }
    assert_eq!(stage.balancer.reset(&stage.key(), echos[0].address), 1);
    eventually("reset", || stage.inactive(echos[0].address) == 0).await;
    for client in &clients {
        assert_eq!(ask(client, "x").await.as_deref(), Some("bx"));
    }
}

#[tokio::test]
async fn one_packet_scheduling_schedules_each() {
    let echos = [Echo::start("a").await, Echo::start("b").await];
    let stage = Stage::free(Protocol::Udp, Options::default()).await;
    let reals = [(echos[0].address, 1), (echos[1].address, 1)];
    let service = Service { scheduler: Scheduler::Rr, one_packet: true, ..Stage::service(&reals) };
    stage.set_service(service).await;
    let client = client(&stage).await;
    let mut answers = String::new();
    for _ in 0..6 {
        answers += &ask(&client, "").await.unwrap();
    }
    assert!(["ababab", "bababa"].contains(&answers.as_str()), "{answers}");
    assert_eq!(stage.observed().counters.connections, 6);
}

#[tokio::test]
async fn the_address_is_free_as_soon_as_the_service_is_gone() {
    let echo = Echo::start("a").await;
    let stage = udp(&[(echo.address, 1)]).await;
    let client = client(&stage).await;
    for _ in 0..20 {
        assert_eq!(ask(&client, "x").await.as_deref(), Some("ax"));
        stage.clear().await;
        stage.set(Scheduler::Rr, None, &[(echo.address, 1)]).await;
    }
}
