//! The world: everything that is going to happen, in order of time.

use super::client::Client;
use super::host::{Host, Incarnation};
use super::lan::Lan;
use crate::conf::{Config, FileSpec, ProcessSpec};
use crate::engine::{Advert, CheckId, Counted, Effect, Engine, FileReading, Input, Legacy, Packet, Random, Setup};
use crate::health::{Found, Method, Outcome};
use crate::kernel::{Change, DestinationKey, Protocol, Routing, RoutingNews, ServiceKey};
use crate::net::{LinkName, Mac};
use crate::status::{Ask, Command, Event, Reply, ServerState, Snapshot};
use crate::time::{Duration, Instant};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The kernel's table is read so often.
const TABLE_READ: Duration = Duration::from_secs(1);
/// For a guard to start the next engine.
const RESTARTED: Duration = Duration::from_millis(20);
/// A neighbour entry that does not work is asked for anew after so many requests.
const GIVE_UP_NEIGHBOUR: u32 = 20;

/// A web server.
#[derive(Clone, Debug)]
pub struct Server {
    pub name: String,
    pub address: DestinationKey,
    pub state: ServerState,
}

/// Hosts, servers and clients on one wire.
#[derive(Clone, Debug)]
pub struct World {
    now: Instant,
    queue: BTreeMap<(Instant, u64), Happening>,
    queued: u64,
    random: Random,
    /// Of who asks for addresses and who answers, so that nothing else depends on it.
    asking: Random,
    wall_zero_us: u64,
    pub lan: Lan,
    pub hosts: Vec<Host>,
    pub servers: Vec<Server>,
    pub clients: Vec<Client>,
    /// Who answers for an address, as the client believes.
    neighbours: BTreeMap<IpAddr, usize>,
    /// Scripts that fail, by host and name.
    pub failing_scripts: std::collections::BTreeSet<(usize, String)>,
    /// Numbers in tracked files that are not 0, by host and name.
    pub files: std::collections::BTreeMap<(usize, String), i64>,
    /// How many processes run, by host and name, where it is not the quorum.
    pub processes: std::collections::BTreeMap<(usize, String), u32>,
}

#[derive(Clone, Debug)]
enum Happening {
    /// The engine's deadline, as it was when this was noted.
    Wake {
        host: usize,
        life: u64,
    },
    Packet {
        host: usize,
        packet: Packet,
    },
    /// Another machine hears a gratuitous ARP.
    Announced {
        host: usize,
        link: LinkName,
        address: IpAddr,
        mac: Mac,
    },
    /// Another machine is asked for an address.
    Asked {
        host: usize,
        from: usize,
        link: LinkName,
        address: IpAddr,
    },
    /// Its answer arrives.
    Claimed {
        host: usize,
        link: LinkName,
        address: IpAddr,
        mac: Mac,
    },
    /// The client hears a gratuitous ARP.
    Neighbour {
        host: usize,
        address: IpAddr,
    },
    TableDone {
        host: usize,
        life: u64,
    },
    ReadTable {
        host: usize,
        life: u64,
    },
    Checked {
        host: usize,
        life: u64,
        id: CheckId,
        found: Found,
    },
    ScriptDone {
        host: usize,
        life: u64,
        name: String,
        outcome: Outcome,
    },
    Ask {
        client: usize,
    },
    Close {
        host: usize,
        service: ServiceKey,
        real: DestinationKey,
    },
    Resume {
        host: usize,
    },
    /// A guard starts the next engine.
    GoOn {
        host: usize,
        life: u64,
        ended_at: Instant,
    },
}

impl World {
    pub fn new(seed: u64, wall_zero_us: u64) -> Self {
        Self {
            now: Instant::ZERO,
            queue: BTreeMap::new(),
            queued: 0,
            random: Random::new(seed),
            asking: Random::new(!seed),
            wall_zero_us,
            lan: Lan::default(),
            hosts: Vec::new(),
            servers: Vec::new(),
            clients: Vec::new(),
            neighbours: BTreeMap::new(),
            failing_scripts: std::collections::BTreeSet::new(),
            files: std::collections::BTreeMap::new(),
            processes: std::collections::BTreeMap::new(),
        }
    }

    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Adds a machine and starts its engine.
    pub fn add_host(&mut self, address: Ipv4Addr, link: LinkName, setup: Setup) -> usize {
        let index = self.hosts.len();
        self.hosts.push(Host::new(index, address, link, setup));
        self.start(index);
        index
    }

    pub fn add_server(&mut self, name: &str, address: DestinationKey) {
        self.servers.push(Server { name: name.to_owned(), address, state: ServerState::Running });
    }

    /// A client that asks `target` every `interval`, first at a random point within one.
    pub fn add_client(&mut self, target: SocketAddr, interval: Duration) {
        let client = self.clients.len();
        self.clients.push(Client::new(target, interval));
        let first = interval.mul_f64(self.random.fraction());
        self.later(first, Happening::Ask { client });
    }

    /// When the next thing happens.
    pub fn next_at(&self) -> Option<Instant> {
        self.queue.keys().next().map(|(at, _)| *at)
    }

    /// Lets everything happen up to `until`.
    pub fn run_until(&mut self, until: Instant) {
        while self.next_at().is_some_and(|at| at <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Lets the next thing happen; false if it came to nothing (a deadline that had moved on).
    pub fn step(&mut self) -> bool {
        let Some(((at, _), happening)) = self.queue.pop_first() else { return false };
        self.now = self.now.max(at);
        if let Happening::Wake { host, life } = happening {
            return self.wake(host, life);
        }
        self.happen(happening);
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake { host, life } => {
                self.wake(host, life);
            }
            Happening::Packet { host, packet } => self.deliver(host, packet),
            Happening::Announced { host, link, address, mac } => {
                if self.hosts.get(host).is_some_and(|h| !h.paused) {
                    self.feed(host, Input::Announced { link, address, mac });
                }
            }
            Happening::Asked { host, from, link, address } => {
                let holder = self.hosts.get(host).filter(|h| h.link_up && h.holds(address)).map(|h| h.mac);
                let Some(mac) = holder else { return };
                for delay in self.lan.arrivals(host, from, &mut self.asking) {
                    self.later(delay, Happening::Claimed { host: from, link: link.clone(), address, mac });
                }
            }
            Happening::Claimed { host, link, address, mac } => {
                if self.hosts.get(host).is_some_and(|h| !h.paused) {
                    self.feed(host, Input::Claimed { link, address, mac });
                }
            }
            Happening::Neighbour { host, address } => {
                self.neighbours.insert(address, host);
            }
            Happening::TableDone { host, life } => {
                self.feed_life(host, life, Input::TableDone(Vec::new()));
                self.read_table(host, life);
            }
            Happening::ReadTable { host, life } => {
                self.read_table(host, life);
                if self.hosts.get(host).is_some_and(|h| h.life == life) {
                    self.later(TABLE_READ, Happening::ReadTable { host, life });
                }
            }
            Happening::Checked { host, life, id, found } => {
                self.feed_life(host, life, Input::Checked { id, found });
            }
            Happening::ScriptDone { host, life, name, outcome } => {
                self.feed_life(host, life, Input::ScriptDone { name, outcome });
            }
            Happening::Ask { client } => self.ask(client),
            Happening::Close { host, service, real } => {
                if let Some(h) = self.hosts.get_mut(host) {
                    h.close(service, real);
                }
            }
            Happening::Resume { host } => self.resume(host),
            Happening::GoOn { host, life, ended_at } => self.go_on(host, life, ended_at),
        }
    }

    /// Starts an engine on a machine that is on.
    pub fn start(&mut self, host: usize) {
        let Some(h) = self.hosts.get_mut(host) else { return };
        if h.engine.is_some() {
            return;
        }
        h.life += 1;
        h.records.clear();
        let seed = self.random.next_u64();
        let wall_zero_us = self.wall_zero_us + self.now.as_micros();
        let setup = Setup { seed, wall_zero_us, ..h.setup.clone() };
        (h.running, h.before) = (Some(Box::new(setup.config.clone())), None);
        let mut engine = Engine::new(setup);
        engine.keep_configurations();
        h.engine = Some(Incarnation { engine, born: self.now });
        let life = h.life;
        let link = h.link_state();
        self.feed(host, Input::Link(link));
        self.feed(host, Input::LinksRead);
        self.tell_trackers(host);
        self.feed(host, Input::LinksRead);
        self.later(Duration::ZERO, Happening::ReadTable { host, life });
    }

    /// A tracked file of a host gets another number.
    pub fn set_file(&mut self, host: usize, name: &str, number: i64) {
        self.files.insert((host, name.to_owned()), number);
        self.tell_trackers(host);
    }

    /// So many tracked processes run on a host.
    pub fn set_processes(&mut self, host: usize, name: &str, count: u32) {
        self.processes.insert((host, name.to_owned()), count);
        self.tell_trackers(host);
    }

    /// A paused engine is told when it goes on.
    fn tell_trackers(&mut self, host: usize) {
        if self.hosts.get(host).is_some_and(|h| h.paused) {
            return;
        }
        for input in self.trackers_of(host) {
            self.feed(host, input);
        }
    }

    /// What the virtual machine's files and processes say to its engine.
    fn trackers_of(&self, host: usize) -> Vec<Input> {
        let Some(engine) = self.hosts.get(host).and_then(|h| h.engine.as_ref()).map(|e| &e.engine) else {
            return Vec::new();
        };
        let (files, processes) = (engine.watched_files(), engine.watched_processes());
        let read = |spec: FileSpec| {
            let value = self.files.get(&(host, spec.name.clone())).copied().unwrap_or(0);
            let reading = FileReading { value: Some(value), note: None, polled: None };
            Input::FileRead { name: spec.name, reading }
        };
        let mut inputs: Vec<Input> = files.into_iter().map(read).collect();
        let count = |spec: ProcessSpec| {
            let count = self.processes.get(&(host, spec.name.clone())).copied().unwrap_or(spec.quorum);
            (spec.name, count)
        };
        let counts: Vec<_> = processes.into_iter().map(count).collect();
        if !counts.is_empty() {
            inputs.push(Input::ProcessesCounted { counts, by: Counted::Exec });
        }
        inputs
    }

    /// The machine dies at once, without a word.
    pub fn crash(&mut self, host: usize) {
        if let Some(h) = self.hosts.get_mut(host) {
            h.engine = None;
            h.life += 1;
            h.boot();
            h.addresses.clear();
        }
    }

    /// The engine is killed, and after `gap` its guard starts the next one, which goes on where it was.
    pub fn end_engine(&mut self, host: usize, gap: Duration) {
        let Some(h) = self.hosts.get_mut(host).filter(|h| h.engine.is_some()) else { return };
        h.life += 1;
        h.born = h.engine.take().map(|e| e.born);
        let (life, ended_at) = (h.life, self.now);
        self.later(gap, Happening::GoOn { host, life, ended_at });
    }

    fn go_on(&mut self, host: usize, life: u64, ended_at: Instant) {
        let Some(h) = self.hosts.get_mut(host).filter(|h| h.life == life) else { return };
        let Some(born) = h.born.take() else { return };
        let seed = self.random.next_u64();
        let legacy = Legacy {
            routers: std::mem::take(&mut h.records).into_values().collect(),
            node: std::mem::take(&mut h.node_record),
            silence: self.now.since(ended_at),
            now: Instant::from_micros(self.now.as_micros().saturating_sub(born.as_micros())),
            lives: 1,
            planned: false,
        };
        let wall_zero_us = self.wall_zero_us + born.as_micros();
        let config = h.running.as_deref().cloned().unwrap_or_default();
        let setup = Setup { seed, wall_zero_us, legacy: Some(legacy), config, ..h.setup.clone() };
        let mut engine = Engine::new(setup);
        engine.keep_configurations();
        h.engine = Some(Incarnation { engine, born });
        let link = h.link_state();
        self.feed(host, Input::Link(link));
        self.later(Duration::ZERO, Happening::ReadTable { host, life });
    }

    /// The machine is switched on again and its engine started.
    pub fn revive(&mut self, host: usize) {
        if self.hosts.get(host).is_some_and(|h| h.engine.is_none()) {
            if let Some(h) = self.hosts.get_mut(host) {
                h.boot();
            }
            self.start(host);
        }
    }

    /// The engine is asked to end (SIGTERM).
    pub fn stop(&mut self, host: usize) {
        self.feed(host, Input::Stop);
    }

    /// The engine is stopped for a while (SIGSTOP, a paused machine): its timers pass unnoticed.
    pub fn pause(&mut self, host: usize, span: Duration) {
        if let Some(h) = self.hosts.get_mut(host)
            && !h.paused
        {
            h.paused = true;
            self.later(span, Happening::Resume { host });
        }
    }

    /// What a machine's engine reads when it is started or told to reload.
    pub fn set_configuration(&mut self, host: usize, config: Config) {
        if let Some(h) = self.hosts.get_mut(host) {
            h.setup.config = config;
        }
    }

    /// Gives a command to an engine; the reply, or none if no engine runs there.
    pub fn command(&mut self, host: usize, ask: Ask) -> Option<Reply> {
        self.feed(host, Input::Command { id: 0, ask });
        self.hosts.get_mut(host)?.replies.pop().map(|(_, reply)| reply)
    }

    /// The snapshot of a running engine.
    pub fn snapshot(&mut self, host: usize) -> Option<Snapshot> {
        let now = self.now;
        let life = self.hosts.get_mut(host)?.engine.as_mut()?;
        let local = life.local(now);
        Some(life.engine.snapshot(local))
    }

    /// The events of a machine's engines since the last call.
    pub fn take_events(&mut self, host: usize) -> Vec<Event> {
        self.hosts.get_mut(host).map(|h| std::mem::take(&mut h.events)).unwrap_or_default()
    }

    pub fn toggle_server(&mut self, name: &str) -> Option<ServerState> {
        let server = self.servers.iter_mut().find(|s| s.name == name)?;
        server.state = match server.state {
            ServerState::Running => ServerState::Stopped,
            ServerState::Stopped => ServerState::Running,
        };
        Some(server.state)
    }

    fn later(&mut self, span: Duration, happening: Happening) {
        self.queued += 1;
        self.queue.insert((self.now + span, self.queued), happening);
    }

    fn wake(&mut self, host: usize, life: u64) -> bool {
        let Some(h) = self.hosts.get(host).filter(|h| h.life == life && !h.paused) else { return false };
        let Some(living) = &h.engine else { return false };
        let due = living.engine.deadline().is_some_and(|at| at <= living.local(self.now));
        if due {
            self.feed(host, Input::Deadline);
        }
        due
    }

    fn deliver(&mut self, host: usize, packet: Packet) {
        let Some(h) = self.hosts.get_mut(host) else { return };
        if h.paused {
            h.waiting.push_back(packet);
        } else {
            self.feed(host, Input::Packet(packet));
        }
    }

    /// What arrived is read before a deadline is believed.
    fn resume(&mut self, host: usize) {
        let Some(h) = self.hosts.get_mut(host) else { return };
        h.paused = false;
        let waiting = std::mem::take(&mut h.waiting);
        let late = h.engine.as_ref().and_then(|e| e.engine.deadline().map(|at| e.local(self.now).since(at)));
        if let Some(by) = late.filter(|by| *by > Duration::from_millis(50)) {
            self.feed(host, Input::Late(by));
        }
        for packet in waiting {
            self.feed(host, Input::Packet(packet));
        }
        self.tell_trackers(host);
        self.feed(host, Input::Deadline);
    }

    fn feed_life(&mut self, host: usize, life: u64, input: Input) {
        if self.hosts.get(host).is_some_and(|h| h.life == life) {
            self.feed(host, input);
        }
    }

    /// One input to one engine, and everything that follows from it at once.
    fn feed(&mut self, host: usize, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let Some(h) = self.hosts.get_mut(host) else { return };
            let Some(living) = &mut h.engine else { return };
            let local = living.local(self.now);
            let effects = living.engine.handle(local, input);
            h.events.extend(living.engine.take_events());
            h.records.extend(living.engine.take_records());
            h.node_record = living.engine.take_node_record().unwrap_or_else(|| std::mem::take(&mut h.node_record));
            for effect in effects {
                self.perform(host, effect, &mut inputs);
            }
        }
        self.note_deadline(host);
    }

    fn note_deadline(&mut self, host: usize) {
        let Some(h) = self.hosts.get(host) else { return };
        let Some(living) = &h.engine else { return };
        if let Some(at) = living.engine.deadline() {
            let life = h.life;
            let span = living.local(self.now).until(at);
            self.later(span, Happening::Wake { host, life });
        }
    }

    fn perform(&mut self, host: usize, effect: Effect, inputs: &mut std::collections::VecDeque<Input>) {
        let Some(life) = self.hosts.get(host).map(|h| h.life) else { return };
        match effect {
            Effect::Send(advert) => self.send(host, &advert),
            Effect::Apply(change) => {
                let Some(h) = self.hosts.get_mut(host) else { return };
                h.apply_address(&change);
                inputs.extend(routing_news(&change).map(Input::Routing));
                inputs.push_back(Input::Applied { change, result: Ok(()) });
            }
            Effect::ReadConfiguration { id, ask } => {
                let read = self.hosts.get(host).map(|h| match ask.command {
                    Command::Undo { .. } => h.before.clone().ok_or("no configuration of before is kept".to_owned()),
                    _ => Ok(Box::new(h.setup.config.clone())),
                });
                inputs.push_back(Input::Configured { id, ask, read: read.unwrap_or_else(|| Err(String::new())) });
            }
            Effect::KeepConfiguration(config) => {
                if let Some(h) = self.hosts.get_mut(host) {
                    h.before = h.running.replace(config);
                }
            }
            Effect::PrepareRestart { id } => inputs.push_back(Input::Restartable { id, able: Ok(()) }),
            Effect::Restart => self.end_engine(host, RESTARTED),
            Effect::Relisten => inputs.extend(self.trackers_of(host)),
            // Nothing of a virtual machine outlives it.
            Effect::Notify(_) | Effect::Tell(..) | Effect::Mail(_) | Effect::KeepIntents { .. } => {}
            Effect::Announce { link, address } => self.announce(host, &link, address),
            Effect::Probe { link, address, .. } => self.probe(host, &link, address),
            Effect::Table(steps) => {
                let Some(h) = self.hosts.get_mut(host) else { return };
                for step in &steps {
                    h.apply_table(step);
                }
                self.later(Duration::from_micros(200), Happening::TableDone { host, life });
            }
            Effect::Check { id, method, .. } => self.check(host, life, id, &method),
            Effect::RunScript(spec) => {
                let fails = self.failing_scripts.contains(&(host, spec.name.clone()));
                let detail = if fails { "exit status 1" } else { "exit status 0" };
                let took = Duration::from_millis(5);
                let outcome = Outcome { good: !fails, detail: detail.into(), took };
                self.later(took, Happening::ScriptDone { host, life, name: spec.name, outcome });
            }
            Effect::Reply { id, reply } => {
                if let Some(h) = self.hosts.get_mut(host) {
                    h.replies.push((id, reply));
                }
            }
            Effect::Exit => {
                if let Some(h) = self.hosts.get_mut(host) {
                    h.engine = None;
                    h.life += 1;
                }
            }
        }
    }

    fn send(&mut self, from: usize, advert: &Advert) {
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            let group = advert.destination.is_multicast();
            let hears = |h: &Host| h.link_up && h.engine.is_some() && (group || h.holds(advert.destination));
            if !self.hosts.get(to).is_some_and(hears) {
                continue;
            }
            for delay in self.lan.arrivals(from, to, &mut self.random) {
                let packet = Packet {
                    link: advert.link.clone(),
                    source: advert.source,
                    destination: advert.destination,
                    hop_limit: advert.hop_limit,
                    carrier: advert.carrier,
                    payload: advert.payload.to_vec(),
                };
                self.later(delay, Happening::Packet { host: to, packet });
            }
        }
    }

    /// To the client, and to the other machines.
    fn announce(&mut self, from: usize, link: &LinkName, address: IpAddr) {
        let Some(mac) = self.hosts.get(from).map(|h| h.mac) else { return };
        if !self.lan.cut.contains(&from) {
            let delay = self.lan.delay(&mut self.random);
            self.later(delay, Happening::Neighbour { host: from, address });
        }
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            for delay in self.lan.arrivals(from, to, &mut self.random) {
                self.later(delay, Happening::Announced { host: to, link: link.clone(), address, mac });
            }
        }
    }

    /// Every machine that has the address answers, whatever its engine does.
    fn probe(&mut self, from: usize, link: &LinkName, address: IpAddr) {
        for to in (0..self.hosts.len()).filter(|to| *to != from) {
            for delay in self.lan.arrivals(from, to, &mut self.asking) {
                self.later(delay, Happening::Asked { host: to, from, link: link.clone(), address });
            }
        }
    }

    fn check(&mut self, host: usize, life: u64, id: CheckId, method: &Method) {
        // A server of this world answers every kind of check that connects, as long as it runs.
        let Some(to) = method.connection() else {
            let found = Found::bad(format!("there is no {} in a simulation", method.name()));
            return self.later(Duration::from_millis(1), Happening::Checked { host, life, id, found });
        };
        let server = self.servers.iter().find(|s| s.address == to.target);
        let reachable = !self.lan.cut.contains(&host) && server.is_some();
        let (good, detail, took) = match server.map(|s| s.state) {
            Some(ServerState::Running) if reachable => {
                (true, "connected".to_owned(), self.lan.delay(&mut self.random) * 2)
            }
            Some(ServerState::Stopped) if reachable => {
                (false, "connection refused".to_owned(), self.lan.delay(&mut self.random) * 2)
            }
            _ => (false, format!("no answer in {} s", to.timeout.as_secs_f64()), to.timeout),
        };
        let found = if good { Found::good(detail) } else { Found::bad(detail) };
        self.later(took, Happening::Checked { host, life, id, found: Found { took, ..found } });
    }

    fn read_table(&mut self, host: usize, life: u64) {
        let Some(table) = self.hosts.get(host).map(|h| h.table.clone()) else { return };
        self.feed_life(host, life, Input::Table(table));
    }

    /// One request: to whom the client believes to have the address, through its table, to a web server.
    fn ask(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let (target, interval) = (client.target, client.interval);
        client.ask(self.now);
        if client.unanswered > 0 && client.unanswered.is_multiple_of(GIVE_UP_NEIGHBOUR) {
            self.neighbours.remove(&target.ip());
        }
        self.later(interval, Happening::Ask { client: index });
        let answer = self.request(target);
        if let Some(client) = self.clients.get_mut(index) {
            match answer {
                Some(name) => client.hear(self.now, &name),
                None => client.miss(),
            }
        }
    }

    /// Who answers for an address: as remembered, or as a broadcast ARP request finds out.
    fn resolve(&mut self, address: IpAddr) -> Option<usize> {
        if let Some(known) = self.neighbours.get(&address) {
            return Some(*known);
        }
        let answers = |i: &usize| !self.lan.cut.contains(i) && self.hosts.get(*i).is_some_and(|h| h.holds(address));
        let found = (0..self.hosts.len()).find(answers)?;
        self.neighbours.insert(address, found);
        Some(found)
    }

    fn request(&mut self, target: SocketAddr) -> Option<String> {
        let address = target.ip();
        let director = self.resolve(address)?;
        if self.lan.cut.contains(&director) {
            return None;
        }
        let client = IpAddr::V4(Ipv4Addr::new(192, 168, 10, 100));
        let host = self.hosts.get_mut(director).filter(|h| h.link_up && h.holds(address))?;
        if host.serves_itself() {
            return Some(host.name.clone());
        }
        let target = ServiceKey::new(Protocol::Tcp, target);
        let real = host.open(target, client)?;
        let server = self.servers.iter().find(|s| s.address == real && s.state == ServerState::Running);
        let name = server.map(|s| s.name.clone());
        // Most answers are short; one in sixteen is a download.
        let long = self.random.chance(1.0 / 16.0);
        let seconds = if long { 2.0 + 6.0 * self.random.fraction() } else { 0.05 + 0.3 * self.random.fraction() };
        let open = if name.is_some() { Duration::from_secs_f64(seconds) } else { Duration::ZERO };
        self.later(open, Happening::Close { host: director, service: target, real });
        name
    }
}

/// What a kernel says of a step with routes and rules.
fn routing_news(change: &Change) -> Option<RoutingNews> {
    let Change::Routing(step) = change else { return None };
    match step {
        Routing::AddRoute(route) | Routing::RemoveRoute(route) => {
            Some(RoutingNews::Route(route.clone(), matches!(step, Routing::AddRoute(_))))
        }
        Routing::AddRule(rule) | Routing::RemoveRule(rule) => {
            Some(RoutingNews::Rule(rule.clone(), matches!(step, Routing::AddRule(_))))
        }
        Routing::PromoteSecondaries(..) => None,
    }
}
