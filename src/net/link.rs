//! The name of a network interface.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An interface name as the kernel accepts it: 1 to 15 bytes, no blank, no slash, not `.` or `..`
/// (`dev_valid_name` in Linux).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkName(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkNameError {
    #[error("an interface name cannot be empty")]
    Empty,
    #[error("interface name `{0}` is longer than 15 bytes")]
    TooLong(String),
    #[error("interface name `{0}` has a character the kernel refuses")]
    BadCharacter(String),
}

impl LinkName {
    pub fn new(name: &str) -> Result<Self, LinkNameError> {
        if name.is_empty() {
            return Err(LinkNameError::Empty);
        }
        if name.len() > 15 {
            return Err(LinkNameError::TooLong(name.to_owned()));
        }
        let refused = |c: char| c.is_whitespace() || c == '/' || c == ':' || c == '\0';
        if name.contains(refused) || name == "." || name == ".." {
            return Err(LinkNameError::BadCharacter(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LinkName {
    type Error = LinkNameError;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<LinkName> for String {
    fn from(name: LinkName) -> Self {
        name.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_kernel_refuses_are_refused() {
        assert_eq!(LinkName::new(""), Err(LinkNameError::Empty));
        assert!(matches!(LinkName::new("a-name-longer-than-15"), Err(LinkNameError::TooLong(_))));
        for bad in ["a b", "a/b", "..", "a:b"] {
            assert!(matches!(LinkName::new(bad), Err(LinkNameError::BadCharacter(_))), "{bad}");
        }
        assert_eq!(LinkName::new("eth0.100").map(|n| n.to_string()), Ok("eth0.100".into()));
    }
}
