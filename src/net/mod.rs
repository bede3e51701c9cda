//! Link names and hardware addresses, checked when built. IP addresses are std's, prefixes are `ipnet`'s.

mod family;
mod link;
mod mac;

pub use family::Family;
pub use ipnet::{IpNet, Ipv4Net, Ipv6Net};
pub use link::{LinkName, LinkNameError};
pub use mac::{Mac, MacError};
