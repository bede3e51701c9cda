//! Configurations of nodes as they are shown, masked, and compared with each other.

use crate::conf::cluster_check::{Node, compare};
use crate::conf::{self, Config, Diagnostic, Environment, Memory, Read, SourceId, Sources, Span, secrets};
use crate::status::{ConfigFile, ConfigReport, ConfigText, Gravity, Place, Problem};
use std::path::Path;

/// So many files of one node are shown, with so many bytes in all; what is more is counted.
const FILES: usize = 256;
const BYTES: usize = 2 * 1024 * 1024;
/// So many diagnostics.
const PROBLEMS: usize = 1000;

/// A configuration as it was read, with all its secrets.
pub fn text(read: &Read, main: &Path) -> ConfigText {
    let mut room = BYTES;
    let mut files = Vec::new();
    let mut left_out = 0;
    for source in read.sources.files() {
        if files.len() < FILES && source.text.len() <= room {
            room -= source.text.len();
            files.push(ConfigFile { path: source.path.display().to_string(), text: source.text.clone() });
        } else {
            left_out += 1;
        }
    }
    let problems = read.diagnostics.iter().take(PROBLEMS).map(|d| problem(d, &read.sources, main)).collect();
    let conf::About { effective, texts, .. } = read.about();
    ConfigText { effective, texts, files, left_out, problems }
}

/// One diagnostic as data; `main` is the file of what has no place.
pub fn problem(diagnostic: &Diagnostic, sources: &Sources, main: &Path) -> Problem {
    Problem {
        id: diagnostic.id.to_owned(),
        severity: gravity(diagnostic.severity),
        message: diagnostic.message.clone(),
        blocks: diagnostic.blocks.clone(),
        labels: diagnostic.labels.iter().map(|label| place(label, sources, main)).collect(),
        help: diagnostic.help.clone(),
    }
}

const fn gravity(severity: conf::Severity) -> Gravity {
    match severity {
        conf::Severity::Note => Gravity::Note,
        conf::Severity::Warning => Gravity::Warning,
        conf::Severity::Error => Gravity::Error,
    }
}

fn place(label: &conf::Label, sources: &Sources, main: &Path) -> Place {
    let Span { source, start, end } = label.span;
    let (start, end) = (sources.position(source, start), sources.position(source, end));
    Place {
        file: sources.get(source).map_or(main, |s| s.path.as_path()).display().to_string(),
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
        text: label.text.clone(),
    }
}

/// The same for those who may look and not operate.
pub fn masked(report: &ConfigReport) -> ConfigReport {
    ConfigReport {
        masked: true,
        running: without_secrets(&report.running),
        disk: report.disk.as_ref().map(without_secrets),
        ..report.clone()
    }
}

fn without_secrets(text: &ConfigText) -> ConfigText {
    let texts: Vec<&str> = text.files.iter().map(|f| f.text.as_str()).collect();
    let masked = secrets::masked(&texts);
    let problem = |p: &Problem| Problem {
        message: masked.message(&p.message),
        blocks: p.blocks.iter().map(|b| masked.message(b)).collect(),
        labels: p.labels.iter().map(|l| Place { text: masked.message(&l.text), ..l.clone() }).collect(),
        help: p.help.iter().map(|h| masked.message(h)).collect(),
        ..p.clone()
    };
    ConfigText {
        problems: text.problems.iter().map(problem).collect(),
        files: text
            .files
            .iter()
            .zip(masked.texts.iter())
            .map(|(f, t)| ConfigFile { text: t.clone(), path: f.path.clone() })
            .collect(),
        ..text.clone()
    }
}

/// What differs between the configurations of nodes and must not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    pub problems: Vec<Found>,
    /// What this comparison cannot know, in sentences.
    pub notes: Vec<String>,
}

/// One difference, and whose files its places are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub problem: Problem,
    /// For each label the place of its report in the list that was compared.
    pub nodes: Vec<usize>,
}

/// Compares what runs on several nodes, as their reports say.
pub fn compared(reports: &[&ConfigReport]) -> Comparison {
    let mut sources = Sources::default();
    let mut nodes = Vec::new();
    // The number of the first source behind each node's.
    let mut ends = Vec::new();
    for report in reports {
        let files = report.running.files.iter().map(|f| ((&f.path).into(), f.text.clone().into_bytes()));
        let environment = Environment { config_id: report.config_id.clone(), ..Environment::default() };
        let read = conf::read(Path::new(&report.main), &Memory(files.collect()), &environment, sources);
        let read = read.with_about();
        sources = read.sources;
        ends.push(sources.iter().count());
        nodes.push(Node { name: report.node.clone(), config: read.config, index: read.index });
    }
    let whose = |SourceId(id): SourceId| ends.partition_point(|end| *end <= id);
    let found = |d: Diagnostic| Found {
        nodes: d.labels.iter().map(|label| whose(label.span.source)).collect(),
        problem: problem(&d, &sources, Path::new("")),
    };
    let problems = compare(&nodes).into_iter().map(found).collect();
    Comparison { problems, notes: notes(reports, &nodes) }
}

fn notes(reports: &[&ConfigReport], nodes: &[Node]) -> Vec<String> {
    let mut notes = Vec::new();
    let has_password = |config: &Config| config.instances.iter().any(|i| i.auth != crate::vrrp::Auth::None);
    for (report, node) in reports.iter().zip(nodes) {
        if let Some(note) = &report.note {
            notes.push(format!("{}: {note}", report.node));
        } else if report.running.left_out > 0 {
            notes.push(format!("{}: {} of its files are not here", report.node, report.running.left_out));
        } else if report.running.effective != node.config.about.effective {
            notes.push(format!(
                "{}: its files depend on its machine, read here they may mean something else",
                report.node
            ));
        }
        if report.masked && has_password(&node.config) {
            notes.push(format!("{}: its passwords are hidden, whether they agree is not known here", report.node));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(node: &str, text: &str) -> ConfigReport {
        let main = Path::new("/etc/keepalived/keepalived.conf");
        let memory = Memory::one(main, text);
        let read = conf::read(main, &memory, &Environment::default(), Sources::default());
        ConfigReport {
            node: node.into(),
            main: main.display().to_string(),
            config_id: String::new(),
            loaded_us: 0,
            masked: false,
            running: super::text(&read, main),
            note: None,
            looked_us: None,
            state: None,
            disk: None,
        }
    }

    fn file(priority: u8, pass: &str, address: &str) -> String {
        format!(
            "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n priority {priority}\n authentication {{\n  \
             auth_type PASS\n  auth_pass {pass}\n }}\n virtual_ipaddress {{\n  {address}\n }}\n}}\n"
        )
    }

    #[test]
    fn nodes_that_agree_have_nothing_to_say_and_others_have_their_places() {
        let (a, b) = (report("a", &file(150, "abc", "192.0.2.1/24")), report("b", &file(100, "abc", "192.0.2.1/24")));
        assert_eq!(compared(&[&a, &b]), Comparison::default());
        let b = report("b", &file(100, "abd", "192.0.2.2/24"));
        let found = compared(&[&a, &b]);
        let ids: Vec<_> = found.problems.iter().map(|f| f.problem.id.as_str()).collect();
        assert_eq!(ids, ["authentication-differs", "addresses-differ"]);
        assert_eq!(found.problems[0].nodes, [1, 0]);
        assert_eq!(found.problems[0].problem.labels[0].line, 5);
    }

    #[test]
    fn a_masked_report_holds_no_secret_and_says_what_it_cannot_know() {
        let long = "verylongsecret";
        let (a, b) = (report("a", &file(150, long, "192.0.2.1/24")), report("b", &file(100, "x", "192.0.2.1/24")));
        assert!(a.running.problems.iter().any(|p| p.id.contains("pass") || !p.message.is_empty()));
        let (a, b) = (masked(&a), masked(&b));
        assert!(!serde_json::to_string(&a).unwrap().contains("verylong"), "{a:?}");
        let found = compared(&[&a, &b]);
        assert!(found.problems.is_empty(), "{found:?}");
        assert!(found.notes[0].contains("passwords are hidden"), "{found:?}");
    }
}
