//! Web servers, a balancer in front of them, and a client.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use vipdeck::balancer::{Balancer, Options, Refused};
use vipdeck::kernel::{
    Destination, Forwarding, ObservedDestination, ObservedService, Persistence, Protocol, Scheduler, Service,
    ServiceKey, Table,
};

pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    task: AbortHandle,
}

impl Web {
    pub(crate) async fn start(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(vipdeck::lab::server::serve(listener, name.to_owned())).abort_handle();
        Self { address, task }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) struct Stage {
    pub(crate) vip: SocketAddr,
    pub(crate) balancer: Balancer,
    protocol: Protocol,
}

impl Stage {
    pub(crate) fn idle(vip: SocketAddr) -> Self {
        Self { vip, balancer: Balancer::start(Options::default()).unwrap(), protocol: Protocol::Tcp }
    }

    /// On a free port of loopback, without a service yet.
    pub(crate) async fn free(protocol: Protocol, options: Options) -> Self {
        Self { vip: closed_port().await, balancer: Balancer::start(options).unwrap(), protocol }
    }

    /// On a free port of loopback.
    pub(crate) async fn start(scheduler: Scheduler, persistence: Option<u32>, reals: &[(SocketAddr, u32)]) -> Self {
        let stage = Self::free(Protocol::Tcp, Options::default()).await;
        stage.set(scheduler, persistence, reals).await;
        stage
    }

    pub(crate) async fn set(&self, scheduler: Scheduler, persistence: Option<u32>, reals: &[(SocketAddr, u32)]) {
        assert_eq!(self.try_set(scheduler, persistence, reals).await, []);
    }

    pub(crate) async fn try_set(
        &self,
        scheduler: Scheduler,
        persistence: Option<u32>,
        reals: &[(SocketAddr, u32)],
    ) -> Vec<Refused> {
        let persistence = persistence.map(|seconds| Persistence::of(&self.key(), seconds));
        let service = Service { scheduler, persistence, ..Self::service(reals) };
        self.balancer.set_table(&Table { services: [(self.key(), service)].into() }).await
    }

    pub(crate) async fn set_service(&self, service: Service) {
        let table = Table { services: [(self.key(), service)].into() };
        assert_eq!(self.balancer.set_table(&table).await, []);
    }

    /// With the default scheduler.
    pub(crate) fn service(reals: &[(SocketAddr, u32)]) -> Service {
        let entry = |(key, weight): &(SocketAddr, u32)| (*key, Destination::new(Forwarding::Nat, *weight));
        Service { destinations: reals.iter().map(entry).collect(), ..Service::default() }
    }

    pub(crate) async fn clear(&self) {
        assert_eq!(self.balancer.set_table(&Table::default()).await, []);
    }

    pub(crate) fn observed(&self) -> ObservedService {
        self.balancer.read().services.remove(&self.key()).expect("the service is there")
    }

    pub(crate) fn active(&self, real: SocketAddr) -> u32 {
        self.real(real).active
    }

    pub(crate) fn inactive(&self, real: SocketAddr) -> u32 {
        self.real(real).inactive
    }

    pub(crate) fn connections(&self, real: SocketAddr) -> u64 {
        self.real(real).counters.connections
    }

    pub(crate) fn real(&self, real: SocketAddr) -> ObservedDestination {
        self.observed().destinations[&real]
    }

    pub(crate) fn key(&self) -> ServiceKey {
        ServiceKey::new(self.protocol, self.vip)
    }
}

pub(crate) async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// One request on a connection of its own; none: no complete answer.
pub(crate) async fn ask(target: SocketAddr) -> Option<String> {
    ask_path(target, "/").await
}

/// HTTP/1.0, so that the body ends with the connection.
pub(crate) async fn ask_path(target: SocketAddr, path: &'static str) -> Option<String> {
    let mut stream = TcpStream::connect(target).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}
