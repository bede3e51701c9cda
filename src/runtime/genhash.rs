//! `vipdeck genhash`: the digest of a page, as keepalived's genhash prints it.

use crate::cli;
use crate::health::{Connection, Http, Protocol, Tls, Url, hex};
use crate::sys::checks::{Shared, genhash};
use crate::time::Duration;
use anyhow::{Context, bail, ensure};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};

/// Exit status 0, or an error with the reason.
pub fn run(args: &cli::Genhash, out: &mut dyn Write) -> anyhow::Result<u8> {
    let timeout = Duration::try_from_secs_f64(args.timeout).unwrap_or_default();
    ensure!(!timeout.is_zero(), "--timeout {}: a number of seconds above 0", args.timeout);
    ensure!(args.url.starts_with('/') && !args.url.contains(char::is_whitespace), "--url {}: a path", args.url);
    let protocol = match args.protocol.as_str() {
        "1.0" => Protocol::V10,
        "1.0C" | "1.0c" => Protocol::V10Close,
        "1.1" => Protocol::V11,
        "2" => Protocol::V2,
        other => bail!("--protocol {other}: 1.0, 1.0C, 1.1 or 2"),
    };
    let name = args.use_virtualhost.as_ref().filter(|name| args.sni && name.parse::<IpAddr>().is_err());
    let to = Connection { mark: args.fwmark, ..Connection::to(SocketAddr::new(args.server, args.port), timeout) };
    let url = Url {
        path: args.url.clone(),
        host: args.use_virtualhost.clone(),
        server_name: name.cloned(),
        digest: None,
        statuses: Vec::new(),
        regex: None,
    };
    let http = Http { to, tls: args.use_ssl.then(Tls::default), protocol, urls: vec![url], fast_recovery: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start")?;
    let page = runtime.block_on(genhash(&http, &Shared::default())).map_err(anyhow::Error::msg)?;
    let digest = page.digests.first().map(|digest| hex(digest)).unwrap_or_default();
    if args.verbose {
        writeln!(out, "status {}, {} bytes", page.status, page.bytes)?;
    }
    writeln!(out, "{digest}")?;
    Ok(0)
}
