//! Standard input and output joined to an engine's socket: what `ssh HOST vipdeck relay` runs.

use super::target::{self, Place};
use crate::cli;
use anyhow::{Context, bail};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// Copies both ways until the engine ends the connection.
pub fn run(args: &cli::At, settings: &crate::settings::Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let stream = open(args, settings)?;
    let mut to_engine = stream.try_clone().context("the engine's socket")?;
    std::thread::Builder::new()
        .name("relay".into())
        .spawn(move || {
            // The end of the input is the end of the client: the engine is told, and ends the connection.
            let _ = copy(&mut std::io::stdin().lock(), &mut to_engine);
            let _ = to_engine.shutdown(Shutdown::Write);
        })
        .context("start a thread")?;
    match copy(&mut &stream, out) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("relay"),
        Ok(()) | Err(_) => Ok(0),
    }
}

fn open(args: &cli::At, settings: &crate::settings::Settings) -> anyhow::Result<UnixStream> {
    let words: Vec<String> = args.target.iter().cloned().collect();
    let mut open = Vec::new();
    let mut failed = None;
    for target in target::resolve(&words, &settings.control.directory)? {
        let Place::Socket(path) = &target.place else { bail!("`{target}` is not on this machine") };
        match UnixStream::connect(path) {
            Ok(stream) => open.push((target, stream)),
            Err(error) => failed = Some((path.clone(), error)),
        }
    }
    if open.len() > 1 {
        let names: Vec<_> = open.iter().map(|(t, _)| t.label.as_str()).collect();
        bail!("several engines run here: name a socket, as in ssh://HOST/PATH; there are {}", names.join(", "));
    }
    match (open.pop(), failed) {
        (Some((_, stream)), _) => Ok(stream),
        (None, Some((path, error))) => Err(error).with_context(|| format!("open {}", path.display())),
        (None, None) => bail!("no engine is running here"),
    }
}

/// What has arrived is passed on at once: neither side may wait for a full buffer.
fn copy(from: &mut dyn Read, to: &mut dyn Write) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let count = match from.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(bytes.get(..count).unwrap_or_default())?;
        to.flush()?;
    }
}
