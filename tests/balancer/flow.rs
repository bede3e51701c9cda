//! Bytes and ends of stream, against a server that the test plays itself.

use crate::stage::{Stage, eventually};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use vipdeck::kernel::Scheduler;

struct Pair {
    stage: Stage,
    client: TcpStream,
    server: TcpStream,
    real: std::net::SocketAddr,
}

async fn pair() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let real = listener.local_addr().unwrap();
    let stage = Stage::start(Scheduler::Wlc, None, &[(real, 1)]).await;
    let client = TcpStream::connect(stage.vip).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    eventually("established", || stage.active(real) == 1).await;
    Pair { stage, client, server, real }
}

#[tokio::test]
async fn a_half_closed_connection_still_carries_the_answer() {
    let Pair { stage, mut client, mut server, real } = pair().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    eventually("closing", || (stage.active(real), stage.inactive(real)) == (0, 1)).await;
    server.write_all(b"answer").await.unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "answer");
    eventually("gone", || stage.inactive(real) == 0).await;
    let seen = stage.observed().counters;
    assert_eq!((seen.bytes_in, seen.bytes_out), (8, 6));
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    let Pair { stage, mut client, server, real } = pair().await;
    server.set_zero_linger().unwrap();
    drop(server);
    let error = client.read(&mut [0; 1]).await.expect_err("not an end of stream");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    eventually("gone", || stage.active(real) + stage.inactive(real) == 0).await;
}

#[tokio::test]
async fn a_slow_reader_stops_the_writer_and_loses_nothing() {
    let Pair { mut client, mut server, stage, .. } = pair().await;
    let total = 64 * 1024 * 1024;
    let writer = tokio::spawn(async move {
        let piece = vec![7u8; 1024 * 1024];
        for _ in 0..total / piece.len() {
            server.write_all(&piece).await.unwrap();
        }
    });
    // Nobody reads: what is under way is bounded by the sockets' buffers, so the count stands still far below the total.
    let mut before = 1;
    while before != stage.observed().counters.bytes_out {
        before = stage.observed().counters.bytes_out;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before < total as u64 / 2 && !writer.is_finished(), "{before} bytes went through");
    let mut received = 0;
    let mut buffer = vec![0; 1024 * 1024];
    loop {
        let count = timeout(Duration::from_secs(20), client.read(&mut buffer)).await.expect("goes on").unwrap();
        if count == 0 {
            break;
        }
        assert!(buffer[..count].iter().all(|b| *b == 7));
        received += count;
    }
    assert_eq!(received, total);
    writer.await.unwrap();
}
