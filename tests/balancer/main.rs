//! The embedded balancer with real servers and clients on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::explicit_write,
    clippy::unchecked_time_subtraction,
    clippy::disallowed_methods,
    reason = "test code"
)]

mod arrival;
#[path = "../common/capture.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod capture;
mod crowd;
mod datagrams;
#[path = "../common/engine.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod engine;
mod flow;
#[path = "../punctuality/gaps.rs"]
mod gaps;
#[path = "../common/guest.rs"]
mod guest;
mod load;
#[path = "../kernel/namespaces.rs"]
#[expect(dead_code, reason = "shared with other tests")]
mod namespaces;
mod options;
#[path = "../common/programs.rs"]
mod programs;
mod side;
mod stage;

use stage::{Stage, Web, ask, eventually};
use std::time::Duration;
use tokio::time::timeout;
use vipdeck::kernel::Scheduler;

#[tokio::test]
async fn round_robin_alternates() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let stage = Stage::start(Scheduler::Rr, None, &[(webs[0].address, 1), (webs[1].address, 1)]).await;
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(ask(stage.vip).await.expect("an answer"));
    }
    let first = answers[0].clone();
    let expected: Vec<_> = answers.iter().enumerate().map(|(i, _)| i % 2 == 0).collect();
    assert_eq!(answers.iter().map(|a| *a == first).collect::<Vec<_>>(), expected, "{answers:?}");
    let seen = stage.observed();
    assert_eq!(seen.counters.connections, 6);
    assert!(seen.destinations.values().all(|d| d.counters.connections == 3));
    assert_eq!(seen.counters.bytes_in, 6 * "GET / HTTP/1.0\r\n\r\n".len() as u64);
    eventually("bytes out", || stage.observed().counters.bytes_out > 6 * 20).await;
}

#[tokio::test]
async fn weights_give_shares() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let stage = Stage::start(Scheduler::Wrr, None, &[(webs[0].address, 3), (webs[1].address, 1)]).await;
    for _ in 0..40 {
        ask(stage.vip).await.expect("an answer");
    }
    assert_eq!(stage.connections(webs[0].address), 30);
    assert_eq!(stage.connections(webs[1].address), 10);
}

#[tokio::test]
async fn a_drain_loses_nothing_and_ends() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let stage = Stage::start(Scheduler::Rr, None, &[(webs[0].address, 1), (webs[1].address, 1)]).await;
    let slow: Vec<_> = (0..8).map(|_| tokio::spawn(stage::ask_path(stage.vip, "/slow/1"))).collect();
    eventually("8 connections", || stage.active(webs[0].address) + stage.active(webs[1].address) == 8).await;
    assert_eq!(stage.active(webs[0].address), 4);
    stage.set(Scheduler::Rr, None, &[(webs[0].address, 0), (webs[1].address, 1)]).await;
    for _ in 0..10 {
        assert_eq!(ask(stage.vip).await.as_deref(), Some("web2\n"));
    }
    assert_eq!(stage.active(webs[0].address), 4, "open connections go on");
    for answer in slow {
        let body = answer.await.unwrap().expect("a complete answer");
        assert_eq!(body.lines().count(), 10);
    }
    eventually("drained", || stage.active(webs[0].address) == 0).await;
}

#[tokio::test]
async fn connections_survive_the_removal_of_their_server_and_of_the_service() {
    let web = Web::start("web1").await;
    let stage = Stage::start(Scheduler::Rr, None, &[(web.address, 1)]).await;
    let slow = tokio::spawn(stage::ask_path(stage.vip, "/slow/1"));
    eventually("a connection", || stage.active(web.address) == 1).await;
    stage.set(Scheduler::Rr, None, &[]).await;
    assert_eq!(ask(stage.vip).await, None, "nobody is left to take it");
    stage.clear().await;
    assert_eq!(slow.await.unwrap().expect("a complete answer").lines().count(), 10);
    // The address is free again at once.
    stage.set(Scheduler::Rr, None, &[(web.address, 1)]).await;
    assert_eq!(ask(stage.vip).await.as_deref(), Some("web1\n"));
}

#[tokio::test]
async fn a_server_that_refuses_is_passed_over_once() {
    let web = Web::start("web1").await;
    let dead = stage::closed_port().await;
    let stage = Stage::start(Scheduler::Rr, None, &[(dead, 1), (web.address, 1)]).await;
    for _ in 0..6 {
        assert_eq!(ask(stage.vip).await.as_deref(), Some("web1\n"));
    }
    assert_eq!(stage.connections(dead), 0);
    let all_dead = Stage::start(Scheduler::Rr, None, &[(dead, 1)]).await;
    assert_eq!(ask(all_dead.vip).await, None);
}

#[tokio::test]
async fn an_address_in_use_is_reported_and_taken_when_it_is_free() {
    let web = Web::start("web1").await;
    let squatter = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let vip = squatter.local_addr().unwrap();
    let stage = Stage::idle(vip);
    let refused = stage.try_set(Scheduler::Rr, None, &[(web.address, 1)]).await;
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].to_string().contains("another program on this node listens there"), "{}", refused[0]);
    assert_eq!(stage.balancer.problems().len(), 1);
    drop(squatter);
    eventually("it listens", || stage.balancer.problems().is_empty()).await;
    assert_eq!(ask(vip).await.as_deref(), Some("web1\n"));
}

#[tokio::test]
async fn an_address_that_is_not_here_yet_can_be_listened_on() {
    // TEST-NET-1: never an address of this machine.
    let stage = Stage::idle("192.0.2.10:80".parse().unwrap());
    assert_eq!(stage.try_set(Scheduler::Rr, None, &[]).await, []);
}

#[tokio::test]
async fn a_thousand_connections_at_once() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let stage = Stage::start(Scheduler::Lc, None, &[(webs[0].address, 1), (webs[1].address, 1)]).await;
    let all: Vec<_> = (0..1000).map(|_| tokio::spawn(stage::ask_path(stage.vip, "/slow/2"))).collect();
    let mut complete = 0;
    for one in all {
        let answer = timeout(Duration::from_secs(60), one).await.expect("in time").unwrap();
        complete += usize::from(answer.is_some_and(|body| body.lines().count() == 20));
    }
    assert_eq!(complete, 1000);
    eventually("all closed", || webs.iter().all(|w| stage.active(w.address) + stage.inactive(w.address) == 0)).await;
    assert_eq!(stage.connections(webs[0].address) + stage.connections(webs[1].address), 1000);
}

#[tokio::test]
async fn a_client_sticks_to_its_server_while_it_is_persistent() {
    let webs = [Web::start("web1").await, Web::start("web2").await];
    let stage = Stage::start(Scheduler::Rr, Some(300), &[(webs[0].address, 1), (webs[1].address, 1)]).await;
    let first = ask(stage.vip).await;
    for _ in 0..5 {
        assert_eq!(ask(stage.vip).await, first);
    }
}
