//! Which engines are meant: a socket's path, a name, `ssh://HOST`, or all of this machine.

use anyhow::{Context, bail, ensure};
use std::fmt;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// One engine, as the operator named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What to call it until its snapshots say its name.
    pub label: String,
    pub place: Place,
}

/// Where an engine listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Socket(PathBuf),
    /// Through `ssh`, which runs `vipdeck relay` there.
    Ssh {
        host: String,
        port: Option<u16>,
        at: Option<String>,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.label)
    }
}

/// The targets of these words; without words, every engine of this machine, which is an error if there is none.
pub fn resolve(words: &[String], directory: &Path) -> anyhow::Result<Vec<Target>> {
    if !words.is_empty() {
        return words.iter().map(|word| target(word, directory)).collect();
    }
    let found = engines(directory)?;
    ensure!(
        !found.is_empty(),
        "no engine is running here: looked in {} for *.sock; start one with vipdeck run -f FILE",
        directory.display()
    );
    Ok(found)
}

/// The sockets below `directory`, a lab's folder included, by label.
pub fn engines(directory: &Path) -> anyhow::Result<Vec<Target>> {
    let mut found = sockets(directory, "")?;
    for (name, path) in entries(directory)? {
        if path.is_dir() {
            found.extend(sockets(&path, &format!("{name}/")).unwrap_or_default());
        }
    }
    found.sort_by(|a, b| a.label.cmp(&b.label));
    Ok(found)
}

fn sockets(directory: &Path, prefix: &str) -> anyhow::Result<Vec<Target>> {
    let found = entries(directory)?.into_iter().filter_map(|(name, path)| {
        let name = name.strip_suffix(".sock")?;
        let is_socket = fs::metadata(&path).is_ok_and(|m| m.file_type().is_socket());
        is_socket.then(|| Target { label: format!("{prefix}{name}"), place: Place::Socket(path) })
    });
    Ok(found.collect())
}

/// The names and paths in a directory; one that does not exist is empty.
fn entries(directory: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("look for engines in {}", directory.display()))?,
    };
    Ok(entries.flatten().filter_map(|e| Some((e.file_name().into_string().ok()?, e.path()))).collect())
}

/// The same of one word, whether or not something listens there now.
pub(super) fn anywhere(word: &str, directory: &Path) -> anyhow::Result<Target> {
    if word.starts_with("ssh://") || word.starts_with(['/', '.']) {
        return target(word, directory);
    }
    let path = directory.join(format!("{}.sock", word.strip_suffix(".sock").unwrap_or(word)));
    Ok(Target { label: word.to_owned(), place: Place::Socket(path) })
}

fn target(word: &str, directory: &Path) -> anyhow::Result<Target> {
    ensure!(!word.is_empty(), "an engine's name cannot be empty");
    let socket = |path: PathBuf| Target { label: word.to_owned(), place: Place::Socket(path) };
    if let Some(rest) = word.strip_prefix("ssh://") {
        return Ok(Target { label: word.to_owned(), place: ssh(word, rest)? });
    }
    if let Some((scheme, _)) = word.split_once("://") {
        bail!("`{word}`: {scheme}:// is not known; a socket's path, a name or ssh://HOST");
    }
    let below = directory.join(format!("{}.sock", word.strip_suffix(".sock").unwrap_or(word)));
    // A lab's engines are called `lab/node`, so a slash alone does not make it a path.
    let is_path = word.starts_with(['/', '.']) || word.contains('/') && !below.exists();
    if is_path {
        return Ok(socket(PathBuf::from(word)));
    }
    if !below.exists() {
        let known: Vec<_> = engines(directory).unwrap_or_default().into_iter().map(|t| t.label).collect();
        let known =
            if known.is_empty() { "no engine is".to_owned() } else { format!("there are {}", known.join(", ")) };
        bail!(
            "no engine `{word}` is running here: {} does not exist; {known} in {}",
            below.display(),
            directory.display()
        );
    }
    Ok(socket(below))
}

/// `[user@]HOST[:PORT][/SOCKET]`.
fn ssh(word: &str, rest: &str) -> anyhow::Result<Place> {
    let (host, at) = match rest.split_once('/') {
        Some((host, path)) => (host, (!path.is_empty()).then(|| format!("/{path}"))),
        None => (rest, None),
    };
    let bracketed = host.rfind(']').unwrap_or(0);
    let (host, port) = match host.rfind(':').filter(|colon| *colon > bracketed) {
        Some(colon) => {
            let (host, port) = host.split_at(colon);
            let port = port.trim_start_matches(':');
            (host, Some(port.parse().with_context(|| format!("`{word}`: `{port}` is not a port"))?))
        }
        None => (host, None),
    };
    let host = host.replace(['[', ']'], "");
    // It becomes an argument of ssh: it must not be taken for an option.
    let refused = |c: char| c.is_whitespace() || c.is_control();
    if host.is_empty() || host.starts_with('-') || host.ends_with('@') || host.contains(refused) {
        bail!("`{word}` names no host: ssh://[USER@]HOST[:PORT][/SOCKET]");
    }
    Ok(Place::Ssh { host, port, at })
}

/// Where the engine of this name listens unless told otherwise.
pub fn default_socket(directory: &Path, name: &str) -> PathBuf {
    // A name is one file name: neither hidden nor in another directory.
    let safe = |c: char| if c.is_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = name.trim_start_matches('.').chars().map(safe).take(60).collect();
    let name = if name.is_empty() { "vipdeck" } else { name.as_str() };
    directory.join(format!("{name}.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn one(word: &str, directory: &Path) -> anyhow::Result<Place> {
        resolve(&[word.to_owned()], directory).map(|mut t| t.remove(0).place)
    }

    #[test]
    fn a_host_may_have_a_user_a_port_and_a_socket() {
        let directory = Path::new("/nonexistent");
        let table = [
            ("ssh://lb1", ("lb1", None, None)),
            ("ssh://ops@lb1/", ("ops@lb1", None, None)),
            ("ssh://lb1:2222/run/vipdeck/a.sock", ("lb1", Some(2222), Some("/run/vipdeck/a.sock"))),
            ("ssh://ops@[2001:db8::1]:22", ("ops@2001:db8::1", Some(22), None)),
            ("ssh://[2001:db8::1]", ("2001:db8::1", None, None)),
        ];
        for (word, (host, port, at)) in table {
            let expected = Place::Ssh { host: host.into(), port, at: at.map(Into::into) };
            assert_eq!(one(word, directory).unwrap(), expected, "{word}");
        }
        for word in ["ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://a:b", "ssh://u@", "http://a", ""] {
            assert!(one(word, directory).is_err(), "{word}");
        }
    }

    #[test]
    fn without_words_every_socket_is_meant_also_those_of_a_lab() {
        let directory = tempfile::tempdir().unwrap();
        let error = resolve(&[], directory.path()).unwrap_err().to_string();
        assert!(error.contains("no engine is running here") && error.contains("vipdeck run -f FILE"), "{error}");
        fs::create_dir(directory.path().join("lab-1")).unwrap();
        let _sockets: Vec<_> = ["b.sock", "a.sock", "lab-1/lvs1.sock"]
            .iter()
            .map(|name| UnixListener::bind(directory.path().join(name)).unwrap())
            .collect();
        fs::write(directory.path().join("c.sock"), "no socket").unwrap();
        let labels: Vec<_> = resolve(&[], directory.path()).unwrap().into_iter().map(|t| t.label).collect();
        assert_eq!(labels, ["a", "b", "lab-1/lvs1"]);
        let lab = Place::Socket(directory.path().join("lab-1/lvs1.sock"));
        assert_eq!(one("lab-1/lvs1", directory.path()).unwrap(), lab);
        let error = one("z", directory.path()).unwrap_err().to_string();
        assert!(error.contains("there are a, b, lab-1/lvs1"), "{error}");
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        let table = [("lvs1", "lvs1"), ("a/b", "a_b"), ("../../etc", "_.._etc"), ("..", "vipdeck"), ("", "vipdeck")];
        for (name, file) in table {
            assert_eq!(
                default_socket(Path::new("/run/vipdeck"), name),
                Path::new("/run/vipdeck").join(format!("{file}.sock")),
                "{name}"
            );
        }
    }
}
