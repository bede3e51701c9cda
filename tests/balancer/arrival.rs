//! A virtual address that comes and goes, in a namespace of its own.

use crate::stage::{Stage, Web};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use vipdeck::kernel::Scheduler;
use vipdeck::sys::netns;
use vipdeck::sys::wiring::within;

/// Removed when dropped, also by a failing test.
struct Namespace(String);

impl Namespace {
    fn make(name: &str) -> Self {
        let name = format!("vdt-{name}-{}", std::process::id());
        netns::create(&name).expect("a namespace");
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        netns::remove(&self.0).expect("it is removed");
    }
}

fn ask(target: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&target, Duration::from_secs(2))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn an_address_answers_from_the_moment_it_arrives() {
    if !nix::unistd::geteuid().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "needs root");
        eprintln!("skipped: needs root to make a network namespace");
        return;
    }
    let namespace = Namespace::make("arrival");
    let vip: SocketAddr = "192.0.2.10:80".parse().unwrap();
    netns::inside(&namespace.0, || {
        // This thread's runtime and the balancer's thread both belong to the namespace.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        within(&namespace.0, async |links| links.set_up("lo").await)?;
        let (web, stage) = runtime.block_on(async {
            let web = Web::start("web1").await;
            let stage = Stage::idle(vip);
            assert_eq!(stage.try_set(Scheduler::Rr, None, &[(web.address, 1)]).await, []);
            (web, stage)
        });
        assert!(ask(vip).is_err(), "the address is not here yet");
        within(&namespace.0, async |links| links.add_address("lo", "192.0.2.10/32".parse()?).await)?;
        assert!(ask(vip)?.ends_with("web1\n"));
        assert_eq!(stage.connections(web.address), 1);
        Ok(())
    })
    .unwrap();
}
