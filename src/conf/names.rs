//! Names of routing tables, protocols and the like, as iproute2 keeps them: `rt_tables` and its kin.

use super::diagnostic::Diagnostic;
use super::lexer::Word;
use super::source::Loader;
use super::suggest;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One of iproute2's lists: its file, what its entries are, and those that need no file.
pub(super) struct List {
    file: &'static str,
    what: &'static str,
    built_in: &'static [(&'static str, u32)],
    largest: u32,
}

pub(super) const TABLES: List = List {
    file: "rt_tables",
    what: "routing table",
    built_in: &[("unspec", 0), ("default", 253), ("main", 254), ("local", 255)],
    largest: u32::MAX,
};
pub(super) const SCOPES: List = List {
    file: "rt_scopes",
    what: "scope",
    built_in: &[("global", 0), ("universe", 0), ("site", 200), ("link", 253), ("host", 254), ("nowhere", 255)],
    largest: 255,
};
pub(super) const PROTOCOLS: List = List {
    file: "rt_protos",
    what: "routing protocol",
    built_in: &[
        ("unspec", 0),
        ("redirect", 1),
        ("kernel", 2),
        ("boot", 3),
        ("static", 4),
        ("gated", 8),
        ("ra", 9),
        ("mrt", 10),
        ("zebra", 11),
        ("bird", 12),
        ("dnrouted", 13),
        ("xorp", 14),
        ("ntk", 15),
        ("dhcp", 16),
        ("keepalived", 18),
        ("babel", 42),
        ("bgp", 186),
        ("isis", 187),
        ("ospf", 188),
        ("rip", 189),
        ("eigrp", 192),
    ],
    largest: 255,
};
pub(super) const FIELDS: List = List { file: "rt_dsfield", what: "TOS", built_in: &[], largest: 255 };
pub(super) const REALMS: List = List { file: "rt_realms", what: "realm", built_in: &[("cosmos", 0)], largest: 65535 };
pub(super) const GROUPS: List =
    List { file: "group", what: "interface group", built_in: &[("default", 0)], largest: u32::MAX - 1 };

/// Looks names up where iproute2 does: its own files, then the administrator's.
pub(super) struct Names<'a> {
    loader: &'a dyn Loader,
    directories: [PathBuf; 2],
    read: RefCell<BTreeMap<&'static str, BTreeMap<String, u32>>>,
}

impl<'a> Names<'a> {
    pub(super) fn new(loader: &'a dyn Loader, usr: Option<&str>, etc: Option<&str>) -> Self {
        let directories = [usr.unwrap_or("/usr/share/iproute2"), etc.unwrap_or("/etc/iproute2")].map(PathBuf::from);
        Self { loader, directories, read: RefCell::default() }
    }

    /// The number of a name, or of what is written as one.
    pub(super) fn number(&self, list: &List, word: &Word) -> Result<u32, Diagnostic> {
        if let Some(number) = number(&word.text) {
            return if number <= list.largest {
                Ok(number)
            } else {
                let message = format!("{} {number} is out of range", list.what);
                Err(Diagnostic::error("out-of-range", message).at(word.span, format!("at most {}", list.largest)))
            };
        }
        let built_in = || list.built_in.iter().find(|(name, _)| *name == word.text).map(|(_, number)| *number);
        if let Some(number) = self.entry(list, &word.text).or_else(built_in) {
            return Ok(number);
        }
        let [_, etc] = &self.directories;
        let problem = Diagnostic::error("unknown-name", format!("there is no {} `{}`", list.what, word.text))
            .at(word.span, "a number, or a name")
            .help(format!("names stand in {}", etc.join(list.file).display()));
        let read = self.read.borrow();
        let names = read.get(list.file).into_iter().flat_map(|names| names.keys().map(String::as_str));
        let known = list.built_in.iter().map(|(name, _)| *name).chain(names);
        Err(match suggest::nearest(&word.text, known) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => problem,
        })
    }

    fn entry(&self, list: &List, name: &str) -> Option<u32> {
        let mut read = self.read.borrow_mut();
        let names = read.entry(list.file).or_insert_with(|| self.read_list(list.file));
        names.get(name).copied()
    }

    fn read_list(&self, file: &str) -> BTreeMap<String, u32> {
        let mut names = BTreeMap::new();
        for directory in &self.directories {
            let path = directory.join(file);
            self.read_file(&path, &mut names);
            let more = directory.join(format!("{file}.d"));
            let entries = self.loader.list(&more).unwrap_or_default();
            for entry in entries.iter().filter(|e| Path::new(&e.name).extension().is_some_and(|x| x == "conf")) {
                self.read_file(&more.join(&entry.name), &mut names);
            }
        }
        names
    }

    /// Lines of a number and a name; a list that is not there has none.
    fn read_file(&self, path: &Path, names: &mut BTreeMap<String, u32>) {
        let Ok(bytes) = self.loader.read(path) else { return };
        for line in String::from_utf8_lossy(&bytes).lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            if let (Some(of), Some(name)) = (words.next().and_then(number), words.next()) {
                names.insert(name.to_owned(), of);
            }
        }
    }
}

/// Decimal, or hexadecimal with 0x.
pub(super) fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
        None if text.starts_with('+') => None,
        None => text.parse().ok(),
    }
}
