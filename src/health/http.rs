//! What `HTTP_GET` and `SSL_GET` ask for, and what they expect.

use super::spec::Connection;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    pub to: Connection,
    /// None: `HTTP_GET`.
    pub tls: Option<Tls>,
    pub protocol: Protocol,
    /// At least one; each run asks for one of them.
    pub urls: Vec<Url>,
    /// No pauses between the URLs at the start and after a failure.
    pub fast_recovery: bool,
}

/// `http_protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    #[default]
    V10,
    /// HTTP/1.0 with `Connection: close`.
    V10Close,
    V11,
    /// HTTP/2 where the server takes it (ALPN), else HTTP/1.1. Not keepalived's.
    V2,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Url {
    pub path: String,
    /// The `Host` header; none: address and port.
    pub host: Option<String>,
    /// What TLS asks the server for (SNI); none: nothing.
    pub server_name: Option<String>,
    /// MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// Ranges of good status codes, both ends included.
    pub statuses: Vec<(u16, u16)>,
    pub regex: Option<Regex>,
}

impl Url {
    pub fn takes(&self, status: u16) -> bool {
        self.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

/// A PCRE2 pattern looked for in the body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regex {
    pub pattern: String,
    /// `regex_options`, as written.
    pub options: Vec<String>,
    /// A match is the failure.
    pub no_match: bool,
    /// Bytes of the body before which no match begins.
    pub min_offset: usize,
    /// The last byte at which a match may begin.
    pub max_offset: Option<usize>,
}

/// `SSL { }` and what the checker says of certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tls {
    pub verify: Verify,
    /// The authorities that count; none: this machine's.
    pub ca: Option<PathBuf>,
    /// Our own certificate, with its chain.
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

/// What of the server's certificate is looked at. keepalived looks at nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verify {
    #[default]
    Nothing,
    /// It is signed by an authority that counts, and valid today.
    Chain,
    /// And it is for the name that was asked for.
    Name,
}
