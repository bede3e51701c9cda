//! Why the table could not be read or changed.

use super::codec::Malformed;
use crate::kernel::{Change, Scheduler};
use nix::errno::Errno;
use std::fmt;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum IpvsError {
    /// The kernel has no IPVS: this text says what is missing and how to load it; the caller says what serves instead.
    #[error("this kernel has no IPVS: the module ip_vs is not loaded\nload it with: modprobe ip_vs")]
    NoModule,
    #[error("{change}: {refusal}")]
    Refused { change: String, refusal: Refusal },
    #[error("{what}: {cause}")]
    Io { what: String, cause: io::Error },
    #[error("IPVS answered with something unexpected: {0}")]
    Malformed(Malformed),
    #[error("{0}: this belongs to a link, not to the load balancer")]
    NotATableChange(String),
}

/// The kernel's answer to one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The entry is there already.
    Present,
    /// The service or the real server is not there.
    Gone,
    /// The module of the scheduler, or of the persistence engine if there is one, is not loaded: the kernel does not
    /// say which.
    NoModule {
        scheduler: Scheduler,
        engine: Option<String>,
    },
    Other(Errno),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present => f.write_str("it is there already"),
            Self::Gone => f.write_str("it is not there"),
            Self::NoModule { scheduler, engine: None } => {
                write!(f, "the kernel has no scheduler {scheduler}\nload it with: modprobe ip_vs_{scheduler}")
            }
            Self::NoModule { scheduler, engine: Some(engine) } => write!(
                f,
                "the kernel has no scheduler {scheduler}, or no persistence engine {engine}\n\
                 load them with: modprobe -a ip_vs_{scheduler} ip_vs_pe_{engine}"
            ),
            Self::Other(Errno::EPERM) => f.write_str("not permitted; it takes root (CAP_NET_ADMIN)"),
            Self::Other(errno) => f.write_str(errno.desc()),
        }
    }
}

/// What an errno means for this step: IPVS uses ENOENT for an unknown scheduler and for an unknown real server, ESRCH
/// for an unknown service.
pub(super) fn refusal(change: &Change, errno: Errno) -> Refusal {
    match (change, errno) {
        (Change::AddService(_, service) | Change::EditService(_, service), Errno::ENOENT) => {
            let engine = service.persistence.as_ref().and_then(|p| p.engine.clone());
            Refusal::NoModule { scheduler: service.scheduler, engine }
        }
        (_, Errno::ENOENT | Errno::ESRCH) => Refusal::Gone,
        (_, Errno::EEXIST) => Refusal::Present,
        (_, other) => Refusal::Other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Service, ServiceKey};

    #[test]
    fn a_missing_scheduler_is_named_with_its_module() {
        let key: ServiceKey = "tcp/192.0.2.10:80".parse().unwrap();
        let service = Service { scheduler: Scheduler::Rr, ..Service::default() };
        let change = Change::AddService(key, service);
        let error = IpvsError::Refused { change: change.to_string(), refusal: refusal(&change, Errno::ENOENT) };
        assert_eq!(
            error.to_string(),
            "add virtual service tcp/192.0.2.10:80 rr: the kernel has no scheduler rr\nload it with: modprobe ip_vs_rr"
        );
    }

    #[test]
    fn a_missing_module_is_named_with_the_command_that_loads_it() {
        let text = IpvsError::NoModule.to_string();
        assert!(text.contains("module ip_vs ") && text.contains("modprobe ip_vs"), "{text}");
    }

    #[test]
    fn an_errno_is_read_in_the_light_of_the_step() {
        let key: ServiceKey = "tcp/192.0.2.10:80".parse().unwrap();
        let gone = Change::RemoveDestination(key, "10.0.0.1:80".parse().unwrap());
        assert_eq!(refusal(&gone, Errno::ENOENT), Refusal::Gone);
        assert_eq!(refusal(&gone, Errno::ESRCH), Refusal::Gone);
        assert_eq!(refusal(&gone, Errno::EEXIST), Refusal::Present);
        assert_eq!(refusal(&gone, Errno::EPERM), Refusal::Other(Errno::EPERM));
    }
}
