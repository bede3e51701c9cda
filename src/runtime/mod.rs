//! To be filled.

use crate::cli;
use crate::settings::Settings;

/// Runs the engine on this thread until a signal ends it.
pub fn run_headless(_args: &cli::Run, _settings: &Settings) -> anyhow::Result<u8> {
    anyhow::bail!("not built yet")
}
