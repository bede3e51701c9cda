//! Where a value says that something is a name.

use super::Privacy;
use serde_json::Value;

impl Privacy {
    /// Looks through a value; `list` is the name of the list, or of the member, that it stands in.
    pub(super) fn learn(&mut self, value: &Value, list: &str, key: &str) {
        match value {
            Value::String(text) => self.learn_text(text, list, key),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item, key, key)),
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::Array(items) => items.iter().for_each(|item| self.learn(item, name, name)),
                        Value::Object(_) => self.learn(value, name, name),
                        _ => self.learn(value, list, name),
                    }
                }
                if let Some(subject) = members.get("subject").and_then(Value::as_object) {
                    subject.iter().for_each(|(kind, name)| self.learn_subject(kind, name));
                }
            }
            _ => {}
        }
    }

    fn learn_text(&mut self, text: &str, list: &str, key: &str) {
        let kind = match (list, key) {
            ("instances", "name" | "group") | (_, "tracked_by" | "instance") => "instance",
            ("node" | "nodes", "name") | (_, "node") => "node",
            ("servers", "name") | (_, "answers") => "server",
            ("scripts", "name") => "script",
            ("files", "name") => "file",
            ("processes", "name") => "process",
            ("sessions", "name") => "bfd",
            ("group", "name") => "group",
            (_, "user") => "user",
            (_, "command") => "command",
            ("node", "config") | (_, "path") => "path",
            (_, "reason") => return self.withhold(text),
            _ => return,
        };
        // A demand of the API has its verb under the same word.
        let is_name = !(kind == "command" && list.is_empty());
        if is_name && !text.is_empty() {
            self.name(kind, text);
        }
    }

    fn learn_subject(&mut self, kind: &str, name: &Value) {
        let kind = match kind {
            "instance" => "instance",
            "script" => "script",
            "file" => "file",
            "process" => "process",
            "bfd" => "bfd",
            _ => return,
        };
        if let Some(name) = name.as_str() {
            self.name(kind, name);
        }
    }
}
