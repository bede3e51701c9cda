//! Definitions put into a line.

use super::definitions::{self, Value};
use super::diagnostic::Diagnostic;
use super::reader::Reader;
use super::source::Span;
use super::suggest;
use super::text::Text;
use std::path::Path;

/// Definitions put in on one line: more is a definition that uses itself.
const MOST_USES: usize = 200;
/// A line with definitions put in is not longer than this.
pub(super) const LONGEST: usize = 16 * 1024;

impl Reader<'_> {
    /// Reports a problem with a range of a line, at its use and its definition.
    pub(super) fn report_in(&mut self, text: &Text, from: usize, to: usize, problem: Diagnostic, label: &str) {
        let origin = text.origin(from, to);
        self.diagnostics.push(match origin {
            Some(origin) => {
                let problem = problem.at(origin.written, label);
                match origin.defined {
                    Some(defined) => problem.at(defined, "comes from here"),
                    None => problem,
                }
            }
            None => problem,
        });
    }

    /// Puts definitions in, again and again until none is left; the lines after the first, if one has several.
    pub(super) fn put_in(&mut self, mut text: Text) -> (Text, Vec<Text>) {
        let (mut from, mut uses) = (0, 0);
        while let Some(found) = definitions::next_use(text.as_str(), from) {
            let directory = self.directory();
            let value = match self.definitions.value(&found, &directory) {
                Ok(Value::Unknown) => {
                    from = found.end;
                    continue;
                }
                Ok(Value::Own(value)) => value_text(&text, found.start, found.end, &value),
                Ok(Value::Lines(lines)) => lines,
                Err(why) => {
                    let problem = Diagnostic::error("bad-definition", format!("`{}`: {why}", found.name));
                    self.report_in(&text, found.start, found.end, problem, "stays as it is");
                    from = found.end;
                    continue;
                }
            };
            uses += 1;
            if uses > MOST_USES || text.as_str().len() > LONGEST {
                let message = format!("`${}` never ends: it uses itself", found.name);
                let problem = Diagnostic::error("definition-loop", message);
                self.report_in(&text, found.start, found.end, problem, "not put in any further");
                return (text, Vec::new());
            }
            let last_on_line = text.get(found.end, text.as_str().len()).trim().is_empty();
            if value.len() > 1 && !last_on_line {
                let message = format!("`${}` has {} lines, so nothing may follow it", found.name, value.len());
                let problem =
                    Diagnostic::error("definition-in-line", message).help("put what follows on a line of its own");
                self.report_in(&text, found.start, found.end, problem, "stays as it is, as in keepalived");
                from = found.end;
                continue;
            }
            let Some(origin) = text.origin(found.start, found.end) else { break };
            let mut lines = value.iter();
            let mut new = text.slice(0, found.start);
            if let Some(first) = lines.next() {
                new.append_defined(first, origin.written);
            }
            new.append(&text, found.end, text.as_str().len());
            from = found.start;
            text = new;
            let rest: Vec<Text> = lines.map(|line| used_at(line, origin.written)).collect();
            if !rest.is_empty() {
                return (text, rest);
            }
        }
        (text, Vec::new())
    }

    /// The directory of the file being read, absolute.
    fn directory(&self) -> String {
        let here = self.open.last().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        let whole = self.environment.directory.join(here);
        let text = whole.to_string_lossy();
        if text.len() > 1 { text.trim_end_matches('/').to_owned() } else { text.into_owned() }
    }

    /// Says which names nobody defined.
    pub(super) fn undefined(&mut self, text: &Text) {
        let (mut from, mut quoted) = (0, false);
        while let Some(found) = definitions::next_use(text.as_str(), from) {
            quoted ^= text.get(from, found.start).matches('"').count() % 2 == 1;
            from = found.end;
            if self.definitions.get(&found.name).is_some() || definitions::OWN.contains(&found.name.as_str()) {
                continue;
            }
            let message = format!("nothing defines `${}` before this line", found.name);
            let near = suggest::nearest(&found.name, self.definitions.names()).map(str::to_owned);
            let (mut problem, label) = match (quoted, found.braced) {
                // A command may mean a shell's variable.
                (true, _) => (Diagnostic::note("undefined", message), "stays as it is"),
                (false, false) => (Diagnostic::warning("undefined", message), "stays as it is, as in keepalived"),
                (false, true) => {
                    (Diagnostic::error("undefined", message), "keepalived would read its braces as a block")
                }
            };
            problem = match near {
                Some(near) => problem.help(format!("did you mean `${near}`?")),
                None => problem.help(format!("define it above: `${}=VALUE`", found.name)),
            };
            self.report_in(text, found.start, found.end, problem, label);
        }
    }
}

/// A predefined value in place of its use.
fn value_text(text: &Text, from: usize, to: usize, value: &str) -> Vec<Text> {
    text.origin(from, to).map(|origin| Text::value(value, origin.written)).into_iter().collect()
}

fn used_at(line: &Text, written: Span) -> Text {
    let mut new = Text::default();
    new.append_defined(line, written);
    new
}
