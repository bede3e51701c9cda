//! `vipdeck metrics`: what an engine tells Prometheus, for a look and for collectors that read files.

use super::engines::{self, until_closed};
use super::exit;
use crate::cli;
use crate::control::client;
use crate::settings::Settings;
use std::io::Write;

/// Prints the metrics of one engine: the format knows no second one in the same text.
pub fn run(args: &cli::Metrics, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    engines::runtime()?.block_on(async {
        let at = cli::Ats { targets: args.at.target.iter().cloned().collect() };
        let targets = engines::meant(&at, settings).await?;
        for target in &targets {
            until_closed(out.write_all(client::metrics(target).await?.as_bytes()))?;
        }
        Ok(exit::DONE)
    })
}
