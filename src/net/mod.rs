//! Link names and hardware addresses, checked when built. IP addresses are std's, prefixes are `ipnet`'s.

mod link;
mod mac;

pub use ipnet::{IpNet, Ipv4Net};
pub use link::{LinkName, LinkNameError};
pub use mac::{Mac, MacError};
