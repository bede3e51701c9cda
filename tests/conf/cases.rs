//! One folder for each case: `keepalived.conf` in, `diagnostics.txt` and `config.txt` out.
//!
//! `config.txt` holds what differs from the defaults, one value a line with its path.

use crate::{compare, root};
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use vipdeck::conf::{self, Config, Memory};
use vipdeck::kernel::Address;
use vipdeck::report::check::{Look, text};
use vipdeck::vrrp::Spec;

#[test]
fn every_case_gives_what_is_stored() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(root().join("tests/conf/cases")).unwrap() {
        names.push(entry.unwrap().path());
    }
    names.sort();
    assert!(names.len() > 10, "the cases are missing");
    for case in names {
        let (config, diagnostics, sources) = conf::parse(Path::new("keepalived.conf"), &files(&case));
        let shown = diagnostics.iter().map(|d| text(d, &sources, Path::new("keepalived.conf"), Look::Plain));
        compare(&case.join("diagnostics.txt"), &shown.collect::<String>());
        compare(&case.join("config.txt"), &differences(&config));
    }
}

/// The files of a case, without its results.
fn files(case: &Path) -> Memory {
    let mut memory = Memory::default();
    for entry in std::fs::read_dir(case).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "conf") {
            memory.0.insert(PathBuf::from(path.file_name().unwrap()), std::fs::read(&path).unwrap());
        }
    }
    memory
}

/// What the configuration says beyond the defaults; things without a default of their kind are shown whole.
fn differences(config: &Config) -> String {
    let plain = |config: &Config| {
        serde_json::to_value(Config { instances: Vec::new(), origins: conf::Origins::default(), ..config.clone() })
            .unwrap()
    };
    let mut text = String::new();
    differ("", &plain(config), &plain(&Config::default()), &mut text);
    for spec in &config.instances {
        instance(spec, &mut text);
    }
    text
}

fn instance(spec: &Spec, text: &mut String) {
    writeln!(text, "instance {}: interface {} vrid {}", spec.name, spec.link, spec.vrid).unwrap();
    let default = Spec {
        addresses: spec.addresses.clone(),
        excluded: spec.excluded.clone(),
        ..Spec::new(&spec.name, spec.link.clone(), spec.vrid)
    };
    differ("    ", &serde_json::to_value(spec).unwrap(), &serde_json::to_value(default).unwrap(), text);
    for (what, addresses) in [("address", &spec.addresses), ("excluded", &spec.excluded)] {
        for address in addresses {
            writeln!(text, "    {what} {address}").unwrap();
            let default = Address::new(address.link.clone(), address.net);
            let value = |address: &Address| serde_json::to_value(address).unwrap();
            differ("        ", &value(address), &value(&default), text);
        }
    }
}

/// Writes every leaf of `value` that is another one in `default`, with its path.
fn differ(path: &str, value: &Value, default: &Value, text: &mut String) {
    if value == default {
        return;
    }
    let below = |name: &str| if path.trim().is_empty() { format!("{path}{name}") } else { format!("{path}.{name}") };
    match (value, default) {
        (Value::Object(fields), _) if !fields.is_empty() => {
            for (name, field) in fields {
                differ(&below(name), field, default.get(name).unwrap_or(&Value::Null), text);
            }
        }
        (Value::Array(items), _) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                differ(&below(&index.to_string()), item, default.get(index).unwrap_or(&Value::Null), text);
            }
        }
        _ => writeln!(text, "{path} = {value}").unwrap(),
    }
}
