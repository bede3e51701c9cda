//! Clusters by name: from the settings of this machine, or learned from an engine that knows its neighbours.

use super::target::{self, Place, Target};
use crate::settings::Settings;
use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// What an engine's settings say of the cluster that it belongs to: `GET /v1/nodes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeList {
    /// None: the settings there name no cluster, or several and not which one (`control.cluster`).
    pub cluster: Option<String>,
    /// As they are reached from that machine.
    pub nodes: Vec<String>,
}

impl From<&Settings> for NodeList {
    fn from(settings: &Settings) -> Self {
        let own = match (&settings.control.cluster, settings.cluster.len()) {
            (Some(name), _) => settings.cluster.get_key_value(name),
            (None, 1) => settings.cluster.first_key_value(),
            (None, _) => None,
        };
        own.map_or_else(Self::default, |(name, cluster)| Self {
            cluster: Some(name.clone()),
            nodes: cluster.nodes.iter().map(ToString::to_string).collect(),
        })
    }
}

impl NodeList {
    /// The nodes but the one that told of them, as they are reached from here.
    pub fn others(&self, told_by: &Target, own_host: &str) -> Vec<String> {
        let host = match &told_by.place {
            Place::Ssh { host, .. } => bare(host),
            Place::Socket(_) => own_host,
        };
        let seen = |word: &String| match (word.strip_prefix("ssh://"), &told_by.place) {
            (Some(rest), _) => (bare(rest) != host).then(|| word.clone()),
            // A socket of that machine; the one that told is behind it.
            (None, Place::Ssh { at: None, .. }) => None,
            (None, Place::Ssh { host, port, .. }) => {
                let port = port.map_or_else(String::new, |port| format!(":{port}"));
                word.starts_with('/').then(|| format!("ssh://{host}{port}{word}")).filter(|w| *w != told_by.label)
            }
            (None, Place::Socket(path)) => {
                (*word != path.display().to_string() && *word != told_by.label).then(|| word.clone())
            }
        };
        self.nodes.iter().filter_map(seen).collect()
    }
}

/// A host without user, port and socket.
fn bare(host: &str) -> &str {
    let host = host.split('/').next().unwrap_or(host);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or(host),
        None => host,
    }
}

/// The engines of these words, each a socket, a name, `ssh://HOST` or a cluster of the settings; without words, every
/// engine of this machine, or else the only cluster there is.
pub fn meant(words: &[String], settings: &Settings) -> anyhow::Result<Vec<Target>> {
    let directory = &settings.control.directory;
    if words.is_empty() {
        let here = target::engines(directory)?;
        return match settings.cluster.first_key_value() {
            Some((name, _)) if here.is_empty() => {
                ensure!(
                    settings.cluster.len() == 1,
                    "no engine is running here, and there are several clusters: say which one\n{}",
                    list(settings)
                );
                meant(&[name.clone()], settings)
            }
            _ => target::resolve(words, directory),
        };
    }
    let mut targets: Vec<Target> = Vec::new();
    for word in words {
        let found = match settings.cluster.get(word) {
            Some(cluster) => {
                let node = |node: &crate::settings::NodeWord| target::anywhere(&node.to_string(), directory);
                cluster.nodes.iter().map(node).collect::<anyhow::Result<Vec<_>>>()?
            }
            None => target::resolve(std::slice::from_ref(word), directory)?,
        };
        // Twice the same engine would be two nodes on the screen.
        for one in found {
            if targets.iter().all(|known| known.place != one.place) {
                targets.push(one);
            }
        }
    }
    Ok(targets)
}

/// The clusters of the settings, one a line.
pub fn list(settings: &Settings) -> String {
    let line = |(name, cluster): (&String, &crate::settings::Cluster)| {
        let nodes: Vec<_> = cluster.nodes.iter().map(ToString::to_string).collect();
        format!("{name}: {}", nodes.join(", "))
    };
    settings.cluster.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn one(word: &str) -> Target {
        target::anywhere(word, Path::new("/nonexistent")).unwrap()
    }

    #[test]
    fn whoever_told_is_not_among_the_others() {
        let nodes = ["ssh://lb-a", "ssh://ops@lb-b:2222", "/run/x.sock"].map(str::to_owned).to_vec();
        let list = NodeList { cluster: Some("web".into()), nodes };
        assert_eq!(list.others(&one("ssh://root@lb-a"), "desk"), ["ssh://ops@lb-b:2222"]);
        assert_eq!(list.others(&one("ssh://lb-b"), "desk"), ["ssh://lb-a"]);
        assert_eq!(list.others(&one("ssh://lb-c/run/y.sock"), "desk")[2], "ssh://lb-c/run/x.sock");
        assert_eq!(list.others(&one("/run/x.sock"), "lb-a"), ["ssh://ops@lb-b:2222"]);
        assert_eq!(bare("ops@[2001:db8::1]:22/run/x"), "2001:db8::1");
        assert_eq!(bare("2001:db8::1"), "2001:db8::1");
    }

    #[test]
    fn a_clusters_name_stands_for_its_nodes() {
        let text = "[control]\ndirectory = \"/nonexistent\"\n[cluster.web]\nnodes = [\"ssh://lb-a\", \"/run/x.sock\", \"lb-c\"]\n";
        let settings = crate::settings::parse(text).unwrap();
        let labels = |words: &[&str]| -> Vec<String> {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            meant(&words, &settings).unwrap().into_iter().map(|t| t.label).collect()
        };
        assert_eq!(labels(&["web"]), ["ssh://lb-a", "/run/x.sock", "lb-c"], "also those that do not run now");
        assert_eq!(labels(&["web", "ssh://lb-a", "ssh://lb-d"]).len(), 4);
        assert_eq!(labels(&[]).len(), 3, "nothing runs here, and there is one cluster");
        assert_eq!(NodeList::from(&settings).nodes.len(), 3);
        let two = crate::settings::parse(&format!("{text}[cluster.db]\nnodes = [\"ssh://db-a\"]\n")).unwrap();
        let error = meant(&[], &two).unwrap_err().to_string();
        assert!(error.contains("db: ssh://db-a\nweb: ssh://lb-a"), "{error}");
        assert_eq!(NodeList::from(&two).cluster, None);
    }
}
