//! What the kernel does with connections whose real server takes no new ones.
//!
//! The kernel has no request to end connections. It ends those of a destination that leaves the table while
//! `net.ipv4.vs.expire_nodest_conn` is 1 (since 5.9; see Documentation/networking/ipvs-sysctl.rst), in a job of its
//! own; so the destination is taken out, and put back with weight 0.

use super::{Ipvs, IpvsError, Outcome};
use crate::kernel::{Change, Destination, DestinationKey, ServiceKey};
use crate::sys::sysctl::{self, Key};
use std::io;
use std::time::Duration;

/// For the kernel's job; doubled each time that it was not enough.
const FIRST_PAUSE: Duration = Duration::from_millis(30);
/// In all about two seconds.
const TRIES: u32 = 6;

const NO_DESTINATION: &str = "net/ipv4/vs/expire_nodest_conn";
const QUIESCENT: &str = "net/ipv4/vs/expire_quiescent_template";

impl Ipvs {
    /// Ends the connections of a destination. It stays in the table, with weight 0.
    pub(super) fn reset(&mut self, key: &ServiceKey, to: &DestinationKey) -> Result<Outcome, IpvsError> {
        let change = Change::ResetConnections(*key, *to).to_string();
        let switch = Key::new(NO_DESTINATION);
        let before = sysctl::read(&switch).map_err(|e| failed(&change, &e))?;
        sysctl::write(&switch, "1").map_err(|e| failed(&change, &e))?;
        let result = self.reset_with_switch(key, to, &change);
        if before != "1" {
            sysctl::write(&switch, &before).map_err(|e| failed(&change, &e))?;
        }
        result
    }

    fn reset_with_switch(&mut self, key: &ServiceKey, to: &DestinationKey, change: &str) -> Result<Outcome, IpvsError> {
        let Some(mut drained) = self.destination(key, to)? else { return Ok(Outcome::AlreadySo) };
        drained.weight = 0;
        let mut left = 0;
        for attempt in 0..TRIES {
            self.apply(&Change::RemoveDestination(*key, *to))?;
            std::thread::sleep(FIRST_PAUSE * 2_u32.pow(attempt));
            self.apply(&Change::AddDestination(*key, *to, drained))?;
            left = self.connections(key, to)?;
            if left == 0 {
                return Ok(Outcome::Done);
            }
        }
        let cause = io::Error::other(format!("the kernel still has {left} connections"));
        Err(IpvsError::Io { what: change.to_owned(), cause })
    }

    /// The destination as it could be added again.
    fn destination(&mut self, key: &ServiceKey, to: &DestinationKey) -> Result<Option<Destination>, IpvsError> {
        let mut service = super::ObservedService::default();
        self.read_destinations(key, &mut service)?;
        let seen = service.destinations.get(to);
        Ok(seen.and_then(|seen| {
            Some(Destination {
                forwarding: seen.forwarding?,
                weight: seen.weight,
                upper: seen.upper,
                lower: seen.lower,
            })
        }))
    }

    fn connections(&mut self, key: &ServiceKey, to: &DestinationKey) -> Result<u32, IpvsError> {
        let mut service = super::ObservedService::default();
        self.read_destinations(key, &mut service)?;
        Ok(service.destinations.get(to).map_or(0, |d| d.active + d.inactive + d.persistent))
    }

    /// Clients that stick to a destination of weight 0 are sent elsewhere; the kernel knows this for all of them alone.
    /// What was so before is left so in the end.
    pub(super) fn expire_templates(&mut self, expire: bool) -> Result<Outcome, IpvsError> {
        let change = Change::ExpireTemplates(expire).to_string();
        let switch = Key::new(QUIESCENT);
        let is_on = sysctl::read(&switch).map_err(|e| failed(&change, &e))? != "0";
        if is_on == expire || (!expire && !self.templates_expire_by_us) {
            return Ok(Outcome::AlreadySo);
        }
        sysctl::write(&switch, if expire { "1" } else { "0" }).map_err(|e| failed(&change, &e))?;
        self.templates_expire_by_us = expire;
        Ok(Outcome::Done)
    }
}

fn failed(change: &str, error: &sysctl::SysctlError) -> IpvsError {
    IpvsError::Io { what: change.to_owned(), cause: io::Error::other(error.to_string()) }
}
