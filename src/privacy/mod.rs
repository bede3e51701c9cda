//! Stand-ins for names and addresses, for projectors and bug reports: the same one each time, and nothing of the
//! original left. It works on JSON, so that a field of tomorrow is covered, too.
//!
//! Names are learned where a value says that they are one, and replaced wherever they stand; what looks like an
//! address, a path or a host's name is replaced anywhere. What people wrote (reasons, notes) is left out.

mod address;
mod learn;
mod text;

use address::Addresses;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is written instead of what people wrote.
const WITHHELD: &str = "(withheld)";

/// Everything that has been replaced so far.
#[derive(Clone, Debug, Default)]
pub struct Privacy {
    names: BTreeMap<String, String>,
    /// How many of each kind there are.
    kinds: BTreeMap<&'static str, usize>,
    addresses: Addresses,
}

impl Privacy {
    /// The same with stand-ins; an error is a value whose stand-in its type does not take.
    pub fn of<T: Serialize + DeserializeOwned>(&mut self, value: &T) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.value(serde_json::to_value(value)?))
    }

    /// A JSON value with stand-ins.
    pub fn value(&mut self, value: Value) -> Value {
        self.learn(&value, "", "");
        self.replaced(value, "", false)
    }

    /// What an operator called a node: a name, a socket's path, `ssh://USER@HOST`.
    pub fn label(&mut self, label: &str) -> String {
        let place = label.strip_prefix("ssh://").unwrap_or(label);
        let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
        let host = host.rsplit_once('/').map_or(host, |(_, file)| file);
        let name = host.strip_suffix(".sock").unwrap_or(host);
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        self.name("node", name)
    }

    /// The name of a cluster, or of something else that is no more than a title.
    pub fn title(&mut self, title: &str) -> String {
        let shown = self.text(title);
        if shown == title { self.name("cluster", title) } else { shown }
    }

    /// The stand-in of a name.
    fn name(&mut self, kind: &'static str, name: &str) -> String {
        if name.is_empty() || self.names.values().any(|stand_in| stand_in == name) {
            return name.to_owned();
        }
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let count = self.kinds.entry(kind).or_default();
        *count += 1;
        let stand_in = format!("{kind}-{count}");
        self.names.insert(name.to_owned(), stand_in.clone());
        // A host is also called by the first part of its name.
        let first = name.split_once('.').map_or("", |(first, _)| first);
        if matches!(kind, "node" | "host") && first.chars().any(char::is_alphabetic) {
            self.names.entry(first.to_owned()).or_insert_with(|| stand_in.clone());
        }
        stand_in
    }

    fn withhold(&mut self, text: &str) {
        if !text.trim().is_empty() {
            self.names.insert(text.to_owned(), WITHHELD.to_owned());
        }
    }

    fn replaced(&mut self, value: Value, key: &str, is_actor: bool) -> Value {
        match value {
            Value::String(text) => Value::String(self.string(&text, key, is_actor)),
            Value::Array(items) => items.into_iter().map(|item| self.replaced(item, key, is_actor)).collect(),
            Value::Object(members) => {
                let is_actor = members.contains_key("user");
                let kind = members.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
                let is_setting = members.contains_key("value") && members.contains_key("from");
                let is_written = matches!(kind.as_str(), "remark" | "mark");
                let members = members.into_iter().map(|(key, value)| {
                    let shown = match (&value, key.as_str()) {
                        (Value::String(text), "value") if is_setting => Value::String(self.setting(text)),
                        (Value::String(_), "name") if is_setting => value,
                        (Value::String(text), "text") if is_written && text != "marked" => WITHHELD.into(),
                        (Value::String(cause), "cause") if is_written || kind == "command" => {
                            Value::String(self.cause(cause))
                        }
                        _ => self.replaced(value, &key, is_actor),
                    };
                    (key, shown)
                });
                Value::Object(members.collect())
            }
            other => other,
        }
    }

    fn string(&mut self, text: &str, key: &str, is_actor: bool) -> String {
        match key {
            // Words of our own: a name that is one of them stays what it is there.
            "kind" | "state" | "severity" | "verdict" | "admin" | "present" | "forwarding" | "scheduler" | "then"
            | "method" | "remote_state" | "result" | "mode" | "version" | "order" | "to" | "vipdeck" => text.to_owned(),
            "from" if !is_actor => text.to_owned(),
            "reason" => WITHHELD.to_owned(),
            _ => self.text(text),
        }
    }

    /// "ops1 (local socket): reason — rejection": who it was stays, as a stand-in.
    fn cause(&mut self, cause: &str) -> String {
        match cause.split_once("): ") {
            Some((who, _)) => format!("{}): {WITHHELD}", self.text(who)),
            None => self.text(cause),
        }
    }

    /// A value of the configuration: numbers, switches and addresses stay; what else there is may be anything.
    fn setting(&mut self, text: &str) -> String {
        const SWITCHES: [&str; 8] = ["on", "off", "true", "false", "yes", "no", "none", "all"];
        let shown = self.text(text);
        let is_plain = |word: &str| {
            let is_number = word.chars().all(|c| c.is_ascii_digit() || ".:/-%sm".contains(c));
            is_number || SWITCHES.contains(&word) || self.names.values().any(|s| s == word) || address::is_one(word)
        };
        if shown.split_whitespace().all(is_plain) { shown } else { WITHHELD.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_name_has_the_same_stand_in_everywhere() {
        let mut privacy = Privacy::default();
        let shown = privacy.value(json!({
            "node": {"name": "lb-a.acme.example", "config": "/etc/acme/keepalived.conf"},
            "instances": [{"name": "acme-web", "state": "MASTER", "hold":
                {"by": {"user": "jane", "from": "ssh from 10.1.2.3"}, "reason": "patch for ACME"}}],
            "text": "acme-web on lb-a: patch for ACME, by jane; acme-website stays",
        }));
        assert_eq!(shown["node"]["name"], "node-1");
        assert_eq!(shown["instances"][0]["name"], "instance-1");
        assert_eq!(shown["instances"][0]["state"], "MASTER");
        assert_eq!(shown["instances"][0]["hold"]["by"]["user"], "user-1");
        assert_eq!(shown["instances"][0]["hold"]["reason"], WITHHELD);
        assert_eq!(shown["text"], "instance-1 on node-1: (withheld), by user-1; acme-website stays");
        assert!(!shown.to_string().contains("10.1.2.3") && !shown.to_string().contains("/etc/acme"));
    }

    #[test]
    fn networks_stay_together() {
        let mut privacy = Privacy::default();
        let mut show = |text: &str| privacy.text(text);
        assert_eq!(
            show("10.0.0.20/24 and 10.0.0.0/24, not 10.0.1.20:80."),
            "192.0.2.1/24 and 192.0.2.0/24, not 198.51.100.1:80."
        );
        assert_eq!(
            show("tcp/10.0.0.20:80 of [fd00:1::5]:443, fd00:1::6/64"),
            "tcp/192.0.2.1:80 of [2001:db8:0:1::1]:443, 2001:db8:0:1::2/64"
        );
        assert_eq!(
            show("224.0.0.18 127.0.0.1 :: ff02::12 00:00:5e:00:01:33"),
            "224.0.0.18 127.0.0.1 :: ff02::12 00:00:5e:00:01:33"
        );
        assert_eq!(show("52:54:00:ab:cd:ef again 52:54:00:AB:CD:EF"), "00:00:5e:00:53:01 again 00:00:5e:00:53:01");
        assert_eq!(show("12:04:31 3.609 s, 2.2.7, face"), "12:04:31 3.609 s, 2.2.7, face");
    }

    #[test]
    fn a_stand_in_is_no_address_that_was_seen() {
        let mut privacy = Privacy::default();
        assert_eq!(privacy.text("192.0.2.7"), "198.51.100.1");
        assert_eq!(privacy.text("10.0.0.7"), "203.0.113.1");
    }

    #[test]
    fn paths_and_hosts_go_wherever_they_stand() {
        let mut privacy = Privacy::default();
        let shown = privacy.text("/usr/local/acme/check --host db.acme.example:5432; mail to ops@acme.example");
        assert_eq!(shown, "path-1 --host host-1:5432; mail to host-2");
    }

    #[test]
    fn labels_are_known_by_what_they_name() {
        let mut privacy = Privacy::default();
        assert_eq!(privacy.label("ssh://root@lb-a:2222"), "node-1");
        assert_eq!(privacy.label("/run/vipdeck/lb-a.sock"), "node-1");
        assert_eq!(privacy.text("lb-a is gone"), "node-1 is gone");
        assert_eq!(privacy.title("lb-a"), "node-1");
        assert_eq!(privacy.title("prod edge"), "cluster-1");
    }
}
