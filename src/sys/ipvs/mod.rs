//! The kernel's load balancer, over generic netlink.
//!
//! `codec` is bytes and attributes, `message` the IPVS objects in them, `socket` the conversation; all our own,
//! because no crate writes the whole of it. The calls block (each at most some seconds): use an [`Ipvs`] on a thread
//! of its own, in the namespace whose table is meant.

mod codec;
mod error;
mod message;
mod reset;
mod socket;
mod whole;

pub use codec::Malformed;
pub use error::{IpvsError, Refusal};

use crate::kernel::{Change, DestinationKey, ObservedDestination, ObservedService, ObservedTable, ServiceKey};
use crate::net::Family;
use crate::sys::Outcome;
use codec::Attributes;
use message::Command;
use socket::Socket;

/// The table of this network namespace.
#[derive(Debug)]
pub struct Ipvs {
    socket: Socket,
    /// This program made clients leave destinations of weight 0.
    templates_expire_by_us: bool,
}

impl Ipvs {
    /// Opens the table of this thread's network namespace. The kernel loads ip_vs by itself if it may and can.
    pub fn open() -> Result<Self, IpvsError> {
        Ok(Self { socket: Socket::open()?, templates_expire_by_us: false })
    }

    /// All services and their real servers with their counters.
    pub fn read(&mut self) -> Result<ObservedTable, IpvsError> {
        let mut table = ObservedTable::default();
        let answers = self.socket.dump(Command::GetService, &[]).map_err(|e| e.during("read the virtual services"))?;
        for answer in answers {
            let Some((key, mut service)) = message::read_service(&answer).map_err(IpvsError::Malformed)? else {
                continue;
            };
            self.read_destinations(&key, &mut service)?;
            table.services.insert(key, service);
        }
        self.read_whole(&mut table)?;
        table.fingerprint = Some(table.structure());
        Ok(table)
    }

    fn read_whole(&mut self, table: &mut ObservedTable) -> Result<(), IpvsError> {
        let answers = self.socket.dump(Command::GetDaemon, &[]).map_err(|e| e.during("read the sync daemons"))?;
        for answer in answers {
            table.daemons.extend(whole::read_daemon(&answer).map_err(IpvsError::Malformed)?);
        }
        let answers = self.socket.ask(Command::GetConfig).map_err(|e| e.during("read the timeouts"))?;
        let timeouts = answers.first().map(|answer| whole::read_timeouts(answer)).transpose();
        table.timeouts = timeouts.map_err(IpvsError::Malformed)?;
        Ok(())
    }

    fn read_destinations(&mut self, key: &ServiceKey, service: &mut ObservedService) -> Result<(), IpvsError> {
        let of = message::service_named(key);
        let answers = match self.socket.dump(Command::GetDestination, &of) {
            // The service went between the two requests.
            Err(socket::Failure::Errno(nix::errno::Errno::ESRCH)) => return Ok(()),
            other => other.map_err(|e| e.during(&format!("read the real servers of {key}")))?,
        };
        for answer in answers {
            let read = message::read_destination(&answer, key.family());
            let (to, destination) = read.map_err(IpvsError::Malformed)?;
            service.destinations.insert(to, destination);
        }
        Ok(())
    }

    /// Carries out one step. To remove what is gone is [`Outcome::AlreadySo`]; to add what is there is an error,
    /// because it may be there with other parameters: read the table again.
    pub fn apply(&mut self, change: &Change) -> Result<Outcome, IpvsError> {
        match change {
            Change::ResetConnections(key, to) => return self.reset(key, to),
            Change::ExpireTemplates(expire) => return self.expire_templates(*expire),
            _ => {}
        }
        let Some((command, attributes)) = message::request(change) else {
            return Err(IpvsError::NotATableChange(change.to_string()));
        };
        match self.socket.request(command, &attributes) {
            Ok(()) => Ok(Outcome::Done),
            Err(failure) => self.refused(change, failure),
        }
    }

    /// Carries out steps in their order, many with one system call. What failed, with the reason: the others are done.
    pub fn apply_all(&mut self, changes: Vec<Change>) -> Vec<(Change, IpvsError)> {
        let mut failed = Vec::new();
        let mut rest = changes.into_iter().peekable();
        while rest.peek().is_some() {
            let (mut together, mut requests) = (Vec::new(), Vec::new());
            while let Some(change) = rest.next_if(|change| !is_manifold(change)) {
                if let Some(request) = message::request(&change) {
                    together.push(change);
                    requests.push(request);
                } else {
                    let error = IpvsError::NotATableChange(change.to_string());
                    failed.push((change, error));
                }
            }
            failed.extend(self.apply_together(together, &requests));
            if let Some(change) = rest.next() {
                failed.extend(self.apply(&change).err().map(|error| (change, error)));
            }
        }
        failed
    }

    fn apply_together(&mut self, changes: Vec<Change>, requests: &[(Command, Attributes)]) -> Vec<(Change, IpvsError)> {
        match self.socket.request_all(requests) {
            Ok(answers) => {
                let refused = changes.into_iter().zip(answers).filter_map(|(change, errno)| Some((change, errno?)));
                refused
                    .filter_map(|(change, errno)| {
                        let error = self.refused(&change, socket::Failure::Errno(errno)).err()?;
                        Some((change, error))
                    })
                    .collect()
            }
            // Of those that have no answer it is not known what became of them: the next reading shows it.
            Err(failure) => {
                let text = failure.during("change the table").to_string();
                let error = |change: &Change| IpvsError::Io {
                    what: change.to_string(),
                    cause: std::io::Error::other(text.clone()),
                };
                changes.into_iter().map(|change| (change.clone(), error(&change))).collect()
            }
        }
    }

    fn refused(&mut self, change: &Change, failure: socket::Failure) -> Result<Outcome, IpvsError> {
        let socket::Failure::Errno(errno) = failure else {
            return Err(failure.during(&change.to_string()));
        };
        // Without the module the kernel also says ENOENT; then the family no longer resolves.
        if errno == nix::errno::Errno::ENOENT {
            self.socket.resolve()?;
        }
        match error::refusal(change, errno) {
            Refusal::Gone if removes(change) => Ok(Outcome::AlreadySo),
            refusal => Err(IpvsError::Refused { change: change.to_string(), refusal }),
        }
    }
}

/// More than one request, or none.
const fn is_manifold(change: &Change) -> bool {
    matches!(change, Change::ResetConnections(..) | Change::ExpireTemplates(_))
}

const fn removes(change: &Change) -> bool {
    matches!(change, Change::RemoveService(_) | Change::RemoveDestination(..) | Change::StopDaemon(_))
}

/// Reads bytes as [`Ipvs::read`] reads a datagram of the kernel: the services in the answers to request `sequence` of
/// the generic netlink family `family`. Pure, and safe on any bytes.
pub fn services_in(
    datagram: &[u8],
    sequence: u32,
    family: u16,
) -> Result<Vec<(ServiceKey, ObservedService)>, Malformed> {
    let answers = socket::answers(datagram, sequence, family)?;
    answers.iter().filter_map(|answer| message::read_service(answer).transpose()).collect()
}

/// Like [`services_in`], the real servers of a service of family `of`.
pub fn destinations_in(
    datagram: &[u8],
    sequence: u32,
    family: u16,
    of: Family,
) -> Result<Vec<(DestinationKey, ObservedDestination)>, Malformed> {
    let answers = socket::answers(datagram, sequence, family)?;
    answers.iter().map(|answer| message::read_destination(answer, of)).collect()
}
