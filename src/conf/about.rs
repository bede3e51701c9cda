//! What a configuration is, in few bytes: for telling whether two are the same, or agree where they must.
//!
//! No password and no key goes into any digest: short ones could be guessed from it.

use super::model::Config;
use super::origins::Origins;
use super::source::Sources;
use crate::kernel::VirtualLinkKind;
use crate::net::Family;
use crate::vrrp::{Auth, Hmac, HmacMode, Password, Peering, Spec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

/// Digests of one configuration, in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Of all that it means: files that differ in comments and order of lines only have the same.
    pub effective: String,
    /// Of the texts of all files, with secrets masked.
    pub texts: String,
    /// Of what the nodes of a cluster must have in common, by virtual router (`VRID 51 IPv4`) and virtual server.
    pub shared: BTreeMap<String, String>,
}

impl About {
    pub(super) fn new(config: &Config, sources: &Sources) -> Self {
        Self { effective: effective(config), texts: texts(sources), shared: shared(config) }
    }
}

fn effective(config: &Config) -> String {
    let mut plain = Config { origins: Origins::default(), about: About::default(), ..config.clone() };
    for spec in &mut plain.instances {
        spec.auth = without_secrets(&spec.auth);
    }
    of(&plain)
}

fn without_secrets(auth: &Auth) -> Auth {
    let none = Password([0; 8]);
    match auth {
        Auth::None => Auth::None,
        Auth::Pass(_) => Auth::Pass(none),
        Auth::Ah(_) => Auth::Ah(none),
        Auth::Hmac(hmac) => Auth::Hmac(Hmac { keys: Vec::new(), ..hmac.clone() }),
    }
}

fn texts(sources: &Sources) -> String {
    let files: Vec<_> = sources.files().map(|s| (s.path.display().to_string(), s.text.clone())).collect();
    let plain = super::secrets::masked(&files.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>()).texts;
    let named: Vec<_> = files.iter().map(|(path, _)| path).zip(plain).collect();
    of(&named)
}

/// What [`compare`](super::cluster_check::compare) calls an error if it differs, and what clients would see change.
fn shared(config: &Config) -> BTreeMap<String, String> {
    let routers = config.instances.iter().map(|spec| {
        let family = if spec.family == Family::V4 { "IPv4" } else { "IPv6" };
        (format!("VRID {} {family}", spec.vrid.get()), short(&router(spec)))
    });
    let services = config.services.iter().map(|spec| (spec.key.to_string(), short(spec)));
    let mut shared: BTreeMap<String, String> = BTreeMap::new();
    for (name, digest) in routers.chain(services) {
        // One VRID on several links has one name, for other nodes call their links otherwise.
        let all =
            shared.get(&name).map_or_else(|| digest.clone(), |other| short(&(other.min(&digest), other.max(&digest))));
        shared.insert(name, all);
    }
    shared
}

fn router(spec: &Spec) -> impl Serialize {
    let addresses: BTreeSet<IpAddr> = spec.all_addresses().map(|address| address.net.addr()).collect();
    let group = match &spec.peering {
        Peering::Multicast(group) => Some(*group),
        Peering::Unicast(_) => None,
    };
    let mac = spec.virtual_link.as_ref().and_then(|own| match &own.link.kind {
        VirtualLinkKind::Macvlan(mac) => Some(*mac),
        VirtualLinkKind::Ipvlan { .. } => None,
    });
    // While keys are rolled over the nodes may differ in how they sign.
    let auth = match &spec.auth {
        Auth::None => "none",
        Auth::Pass(_) => "PASS",
        Auth::Ah(_) => "AH",
        Auth::Hmac(hmac) if hmac.mode == HmacMode::ReceiveOnly => "none",
        Auth::Hmac(_) => "HMAC",
    };
    let accepts = spec.is_owner() || !spec.refuses_packets();
    (spec.version.number(), spec.interval, addresses, group, mac, auth, accepts)
}

fn of(value: &impl Serialize) -> String {
    // Everything in these types has a JSON.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Enough to tell the few things apart that share a name.
fn short(value: &impl Serialize) -> String {
    of(value).chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::{Environment, Memory, Sources, read};
    use std::path::Path;

    fn about(text: &str) -> About {
        read(Path::new("a.conf"), &Memory::one("a.conf", text), &Environment::default(), Sources::default()).about()
    }

    fn instance(priority: u8, pass: &str, more: &str) -> String {
        format!(
            "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n priority {priority}\n authentication {{\n \
             auth_type PASS\n auth_pass {pass}\n }}\n virtual_ipaddress {{\n 192.0.2.10/24\n {more}\n }}\n}}\n"
        )
    }

    #[test]
    fn comments_change_the_texts_and_not_what_they_mean() {
        let (a, b) = (about(&instance(100, "x", "")), about(&format!("# hello\n{}", instance(100, "x", ""))));
        assert_eq!((&a.effective, &a.shared), (&b.effective, &b.shared));
        assert_ne!(a.texts, b.texts);
        assert_eq!(a.effective.len(), 64);
    }

    #[test]
    fn a_priority_may_differ_and_an_address_may_not() {
        let (a, b) = (about(&instance(100, "x", "")), about(&instance(90, "x", "")));
        assert_ne!(a.effective, b.effective);
        assert_eq!(a.shared, b.shared);
        assert_ne!(a.shared, about(&instance(100, "x", "192.0.2.11/24")).shared);
        assert_eq!(a.shared.keys().collect::<Vec<_>>(), ["VRID 51 IPv4"]);
    }

    #[test]
    fn no_digest_depends_on_a_password() {
        assert_eq!(about(&instance(100, "secret1", "")), about(&instance(100, "other22", "")));
    }
}
