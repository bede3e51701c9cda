//! Texts: what in them is a name, an address, a path or a host's name.

use super::Privacy;

impl Privacy {
    /// A text with stand-ins.
    pub fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let mut before = None;
        while let Some(first) = rest.chars().next() {
            let is_start = before.is_none_or(|c: char| !is_word(c));
            let found = if is_start { self.stand_in(rest, before) } else { None };
            let length = if let Some((length, stand_in)) = found {
                out.push_str(&stand_in);
                length
            } else {
                out.push(first);
                first.len_utf8()
            };
            let (done, next) = rest.split_at(length);
            before = done.chars().next_back();
            rest = next;
        }
        out
    }

    /// What the text begins with, and what stands for it.
    fn stand_in(&mut self, rest: &str, before: Option<char>) -> Option<(usize, String)> {
        if let Some((name, stand_in)) = self.known(rest) {
            let domain =
                if stand_in.starts_with("node-") || stand_in.starts_with("host-") { domain(rest, name) } else { 0 };
            return Some((name + domain, stand_in));
        }
        let run = |is_part: fn(char) -> bool| {
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            rest.get(..end).unwrap_or_default().trim_end_matches(['.', ':', '-', '@'])
        };
        let address = run(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':'));
        if address.len() > 1
            && rest.get(address.len()..).is_none_or(|r| !r.starts_with(is_word))
            && let Some(stand_in) = self.addresses.replaced(address)
        {
            return Some((address.len(), stand_in));
        }
        let path = run(|c| is_word(c) || matches!(c, '/' | '.' | '-'));
        if path.starts_with('/') && path.len() > 1 && before.is_none_or(|c| !c.is_alphanumeric() && c != ']') {
            return path.chars().any(char::is_alphabetic).then(|| (path.len(), self.name("path", path)));
        }
        let host = run(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '@' | '_'));
        is_host(host).then(|| (host.len(), self.name("host", host)))
    }

    /// The longest name that the text begins with.
    fn known(&self, rest: &str) -> Option<(usize, String)> {
        let first = rest.chars().next()?;
        let names = self.names.range(first.to_string()..).take_while(|(name, _)| name.starts_with(first));
        let here = names.filter(|(name, _)| {
            rest.strip_prefix(name.as_str())
                .is_some_and(|after| !name.ends_with(is_word) || !after.starts_with(is_word))
        });
        here.max_by_key(|(name, _)| name.len()).map(|(name, stand_in)| (name.len(), stand_in.clone()))
    }
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

/// How long the domain is that follows a host's name.
fn domain(rest: &str, name: usize) -> usize {
    let after = rest.get(name..).unwrap_or_default();
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap_or(after.len());
    let domain = after.get(..end).unwrap_or_default().trim_end_matches(['.', '-']);
    let is_domain = domain.strip_prefix('.').is_some_and(|d| d.starts_with(|c: char| c.is_ascii_alphabetic()));
    if is_domain { domain.len() } else { 0 }
}

/// Labels with dots between, the last of them letters; or somebody's address there.
fn is_host(word: &str) -> bool {
    let place = word.rsplit_once('@').map_or(word, |(_, place)| place);
    let Some((labels, last)) = place.rsplit_once('.') else { return false };
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    last.len() >= 2 && last.chars().all(|c| c.is_ascii_alphabetic()) && labels.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_no_known_name_stays(text in "[ -~äß→]{0,80}") {
            let mut privacy = Privacy::default();
            let name = privacy.name("instance", "ä-web→1");
            let shown = privacy.text(&format!("{text} ä-web→1 {text}"));
            prop_assert!(shown.contains(&name));
            prop_assert!(!shown.contains("ä-web→1"));
        }
    }
}
