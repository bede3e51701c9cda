//! What a page means: status, digest and pattern in keepalived's order.

use super::found::Found;
use super::http::Url;
use super::regex::Pattern;
use super::response::{KEPT_BODY, Page, Want};

impl Url {
    /// What of the body is needed to judge it.
    pub fn wants(&self) -> Want {
        Want { digest: self.digest.is_some(), keep: if self.regex.is_some() { KEPT_BODY } else { 0 } }
    }

    /// `pattern`: that of [`Url::regex`], compiled.
    pub fn judge(&self, page: &Page, pattern: Option<&Pattern>) -> Found {
        let found = |found: Found| Found { status: Some(page.status), bytes: Some(page.bytes), ..found };
        if !self.takes(page.status) {
            return found(Found::bad(format!("status {}, not {}", page.status, self.wanted())));
        }
        if let Some(wanted) = self.digest
            && !page.digests.contains(&wanted)
        {
            let is = page.digests.first().map(|digest| hex(digest)).unwrap_or_default();
            return found(Found::bad(format!("MD5 of {} bytes is {is}, not {}", page.bytes, hex(&wanted))));
        }
        if let (Some(regex), Some(pattern)) = (&self.regex, pattern) {
            match pattern.is_in(&page.body) {
                Err(why) => return found(Found::bad(format!("the pattern could not be looked for: {why}"))),
                Ok(is_in) if is_in == regex.no_match => {
                    let what = if is_in { "the pattern was found" } else { "the pattern was not found" };
                    let place = if page.bytes > KEPT_BODY as u64 { "the first MiB of " } else { "" };
                    return found(Found::bad(format!("{what} in {place}{} bytes", page.bytes)));
                }
                Ok(_) => {}
            }
        }
        let detail = if page.missing > 0 {
            format!("status {}; {} bytes less than announced", page.status, page.missing).into()
        } else {
            std::borrow::Cow::Borrowed("page is as expected")
        };
        found(Found::good(detail))
    }

    /// The good status codes, for people.
    fn wanted(&self) -> String {
        let range = |(from, to): &(u16, u16)| if from == to { from.to_string() } else { format!("{from}-{to}") };
        self.statuses.iter().map(range).collect::<Vec<_>>().join(" ")
    }
}

/// As genhash prints a digest.
pub fn hex(digest: &[u8]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
