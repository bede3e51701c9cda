//! To be filled.

use crate::cli;
use std::io::Write;

pub fn run(
    _args: &cli::RealServerAction,
    _settings: &crate::settings::Settings,
    _out: &mut dyn Write,
) -> anyhow::Result<u8> {
    anyhow::bail!("not built yet")
}
