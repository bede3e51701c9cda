//! Kernel settings below /proc/sys, in the network namespace of the calling thread.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;

/// A setting by its path below /proc/sys, such as `net/ipv4/conf/lo/arp_ignore`. Slashes, not dots: an interface name
/// may have dots. Prints as sysctl(8) names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

#[derive(Debug, thiserror::Error)]
pub enum SysctlError {
    #[error("read {key}: {cause}")]
    Read { key: Key, cause: io::Error },
    #[error("set {key} to {value}: {cause}")]
    Write { key: Key, value: String, cause: io::Error },
}

impl Key {
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from("/proc/sys").join(&self.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // sysctl(8) swaps the two, so that a dot in an interface name survives.
        let swapped: String = self
            .0
            .chars()
            .map(|c| {
                if c == '/' {
                    '.'
                } else if c == '.' {
                    '/'
                } else {
                    c
                }
            })
            .collect();
        f.pad(&swapped)
    }
}

/// The value without its newline.
pub fn read(key: &Key) -> Result<String, SysctlError> {
    match fs::read_to_string(key.path()) {
        Ok(text) => Ok(text.trim_end().to_owned()),
        Err(cause) => Err(SysctlError::Read { key: key.clone(), cause }),
    }
}

pub fn write(key: &Key, value: &str) -> Result<(), SysctlError> {
    fs::write(key.path(), value).map_err(|cause| SysctlError::Write {
        key: key.clone(),
        value: value.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_prints_as_sysctl_names_it() {
        assert_eq!(Key::new("net/ipv4/conf/eth0.5/arp_ignore").to_string(), "net.ipv4.conf.eth0/5.arp_ignore");
    }

    #[test]
    fn an_error_names_the_setting_and_the_cause() {
        let key = Key::new("net/ipv4/no_such_thing");
        let error = read(&key).unwrap_err().to_string();
        assert_eq!(error, "read net.ipv4.no_such_thing: No such file or directory (os error 2)");
        assert!(write(&key, "1").is_err());
    }

    #[test]
    fn a_value_is_read_without_its_newline() {
        let value = read(&Key::new("kernel/ostype")).unwrap();
        assert_eq!(value, "Linux");
    }
}
