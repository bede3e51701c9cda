//! What the kernel lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::io;

/// Raises the limit of open files to what the administrator allows (the soft limit to the hard one).
pub fn raise_open_files() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}
