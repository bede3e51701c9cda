//! What a configuration may depend on besides its files.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a configuration may depend on besides its files. Parsing the same files in the same environment gives the same
/// result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// What `@ID` lines compare with and `${_INSTANCE}` gives (keepalived(8), --config-id); empty: no id matches.
    pub config_id: String,
    /// What `${_ENV NAME}` gives.
    pub variables: BTreeMap<String, String>,
    /// The working directory, from which relative file names start; `${_PWD}` is absolute because of it.
    pub directory: PathBuf,
    /// Where `${_RANDOM}` starts, unless `random_seed` says it.
    pub seed: u64,
    /// Every include is checked as `includea` is (keepalived(8), --all-config).
    pub check_includes: bool,
}
