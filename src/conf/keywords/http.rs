//! `HTTP_GET` and `SSL_GET`: what they have beside the common options; `url` and `SSL`.

use super::Takes::{Block, Line, Nothing, OneOf, Switch, Text, Whole};
use super::{Keyword, check, key, noted_why, root};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::conf::value;
use std::path::PathBuf;

#[derive(Default)]
pub(in crate::conf) struct Draft {
    pub urls: Vec<Url>,
    pub host: Option<String>,
    pub protocol: Option<&'static str>,
    pub sni: bool,
    pub sni_name: Option<String>,
    pub fast_recovery: bool,
    pub verify: Option<Spanned<&'static str>>,
}

pub(in crate::conf) struct Url {
    pub span: Span,
    pub path: Option<String>,
    pub digest: Option<[u8; 16]>,
    pub statuses: Vec<(u16, u16)>,
    pub host: Option<String>,
    pub regex: Option<Spanned<String>>,
    pub options: Vec<String>,
    pub no_match: bool,
    pub min_offset: Option<Spanned<i64>>,
    pub max_offset: Option<Spanned<i64>>,
    pub failed: bool,
}

/// `SSL { }`.
#[derive(Default)]
pub(in crate::conf) struct Ssl {
    pub password: Option<Spanned<String>>,
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

pub(in crate::conf) const OWN: &[Keyword<check::Draft>] = &[
    key("url", "required", "A page to ask for; several are asked for in turn", Block { head: "", lower: url }),
    key(
        "virtualhost",
        "the real server's",
        "The host that the pages are asked of",
        Text { what: "NAME", set: |d, v| d.http.host = Some(v.value) },
    ),
    key(
        "http_protocol",
        "1.0",
        "1.0C: HTTP/1.0 with Connection: close. 2: HTTP/2 where the server takes it, else 1.1 (only vipdeck's)",
        OneOf {
            words: &["1.0", "1.0C", "1.0c", "1.1", "2"],

            any_case: false,
            set: |d, v| d.http.protocol = Some(v.value),
        },
    ),
    key(
        "enable_sni",
        "off",
        "Tell the server which name is meant (TLS server name indication): that of virtualhost",
        Switch(|d, v| d.http.sni = v.value),
    ),
    key(
        "sni_name",
        "off",
        "Tell the server this name",
        Text { what: "NAME", set: |d, v| d.http.sni_name = Some(v.value) },
    ),
    key(
        "fast_recovery",
        "off",
        "No pauses between several pages at the start and after a failure",
        Switch(|d, v| d.http.fast_recovery = v.value),
    ),
    key(
        "verify_certificate",
        "off",
        "chain: the server's certificate is signed by the `ca` of SSL, or an authority of this machine, and valid; name: \
         and for the name asked for. keepalived never looks (only vipdeck's)",
        OneOf { words: &["off", "chain", "name"], any_case: false, set: |d, v| d.http.verify = Some(v) },
    ),
    noted_why("tls_compliant", "[on|off]", "How a TLS connection is closed", TLS_CLOSE),
];

const TLS_CLOSE: &str = "vipdeck always takes a connection that ends without a closing handshake";

fn url(cx: &mut Cx<'_>, draft: &mut check::Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let Some(first) = statement.words.first() else { return };
    let mut url = Url {
        span: first.span,
        path: None,
        digest: None,
        statuses: Vec::new(),
        host: None,
        regex: None,
        options: Vec::new(),
        no_match: false,
        min_offset: None,
        max_offset: None,
        failed: false,
    };
    url.failed = !walk(cx, "url", URL, &mut url, &body.statements).is_empty();
    draft.http.urls.push(url);
}

const LARGE: i64 = i32::MAX as i64;

pub(in crate::conf) const URL: &[Keyword<Url>] = &[
    key("path", "required", "What is asked for", Text { what: "PATH", set: |d, v| d.path = Some(v.value) }),
    key(
        "digest",
        "none",
        "The MD5 of the page, as `vipdeck genhash` and keepalived's genhash print it",
        Line { argument: "32 hexadecimal digits", read: digest },
    ),
    key("status_code", "200-299", "The good status codes", Line { argument: "CODE|FROM-TO...", read: statuses }),
    key(
        "virtualhost",
        "the checker's",
        "The host that the page is asked of",
        Text { what: "NAME", set: |d, v| d.host = Some(v.value) },
    ),
    key(
        "regex",
        "none",
        "PCRE2: it must be found in the page; in quotes a backslash is written twice",
        Line { argument: "\"PATTERN\"", read: regex },
    ),
    key("regex_no_match", "off", "It must not be found", Nothing(|d, _| d.no_match = true)),
    key("regex_options", "none", "How it is meant, see pcre2api(3)", Line { argument: "OPTION...", read: options }),
    key(
        "regex_min_offset",
        "0",
        "It is looked for from here on",
        Whole { min: 0, max: LARGE, unit: "bytes", bare: None, set: |d, v| d.min_offset = Some(v) },
    ),
    key(
        "regex_max_offset",
        "none",
        "It begins here at the latest",
        Whole { min: 0, max: LARGE, unit: "bytes", bare: None, set: |d, v| d.max_offset = Some(v) },
    ),
    noted_why("regex_stack", "START MAX", "Memory for it", "vipdeck gives a pattern what it needs, within a limit"),
    noted_why("tls_compliant", "[on|off]", "How a TLS connection is closed", TLS_CLOSE),
];

fn digest(cx: &mut Cx<'_>, url: &mut Url, statement: &Statement) -> Result<(), Diagnostic> {
    let word = check::argument(statement, "digest", "32 hexadecimal digits")?;
    let wrong = || {
        Diagnostic::error("bad-digest", "a digest has 32 hexadecimal digits")
            .at(word.span, format!("{} characters", word.text.chars().count()))
            .help("`vipdeck genhash --url URL` computes it")
    };
    let number = u128::from_str_radix(&word.text, 16).map_err(|_not_hex| wrong())?;
    if word.text.len() != 32 || word.text.starts_with('+') {
        return Err(wrong());
    }
    cx.no_more_words(statement, 2);
    url.digest = Some(number.to_be_bytes());
    Ok(())
}

fn statuses(_: &mut Cx<'_>, url: &mut Url, statement: &Statement) -> Result<(), Diagnostic> {
    check::argument(statement, "status_code", "codes and ranges, such as 200-299 404")?;
    for word in statement.words.iter().skip(1) {
        let (from, to) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
        match (from.parse::<u16>(), to.parse::<u16>()) {
            (Ok(from), Ok(to)) if (100..=599).contains(&from) && (from..=599).contains(&to) => {
                url.statuses.push((from, to));
            }
            _ => {
                return Err(Diagnostic::error("bad-status", format!("`{}` is no status code", word.text))
                    .at(word.span, "100 to 599, or a range such as 200-299"));
            }
        }
    }
    Ok(())
}

/// keepalived takes it apart as it does a command: with quotes and backslashes.
fn regex(cx: &mut Cx<'_>, url: &mut Url, statement: &Statement) -> Result<(), Diagnostic> {
    let first = check::argument(statement, "regex", "a pattern in quotes")?;
    let span = statement.words.last().map_or(first.span, |last| first.span.to(last.span));
    let words = value::argv(cx.sources.text(span))
        .map_err(|why| Diagnostic::error("bad-regex", format!("this pattern cannot be read: {why}")).at(span, ""))?;
    match <[String; 1]>::try_from(words) {
        Ok([pattern]) => {
            url.regex = Some(Spanned { value: pattern, span });
            Ok(())
        }
        Err(_) => Err(Diagnostic::error("bad-regex", "a pattern with blanks must be quoted")
            .at(span, "keepalived would pass over this line")),
    }
}

/// PCRE2's options as keepalived calls them, and whether vipdeck can have them.
const OPTIONS: &[(&str, bool)] = &[
    ("allow_empty_class", false),
    ("alt_bsux", false),
    ("auto_callout", true),
    ("caseless", true),
    ("dollar_endonly", false),
    ("dotall", true),
    ("dupnames", true),
    ("extended", true),
    ("firstline", true),
    ("match_unset_backref", false),
    ("multiline", true),
    ("never_ucp", true),
    ("never_utf", true),
    ("no_auto_capture", true),
    ("no_auto_possess", true),
    ("no_dotstar_anchor", true),
    ("no_start_optimize", true),
    ("ucp", true),
    ("ungreedy", true),
    ("utf", true),
    ("never_backslash_c", true),
    ("alt_circumflex", false),
    ("alt_verbnames", false),
    ("use_offset_limit", true),
];

fn options(_: &mut Cx<'_>, url: &mut Url, statement: &Statement) -> Result<(), Diagnostic> {
    check::argument(statement, "regex_options", "options of PCRE2")?;
    for word in statement.words.iter().skip(1) {
        match OPTIONS.iter().find(|(name, _)| *name == word.text) {
            Some((_, true)) => url.options.push(word.text.clone()),
            Some((_, false)) => {
                let message = format!("the option `{}` is keepalived's, vipdeck does not support it yet", word.text);
                return Err(Diagnostic::error("not-supported", message).at(word.span, "the pattern would mean another"));
            }
            None => {
                return Err(Diagnostic::error("bad-word", format!("`{}` is no option of PCRE2", word.text))
                    .at(word.span, "such as caseless, multiline, dotall, extended, utf"));
            }
        }
    }
    Ok(())
}

pub(super) fn ssl(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let mut draft = Ssl::default();
    walk(cx, "SSL", SSL, &mut draft, &body.statements);
    root.ssl = Some(draft);
}

pub(in crate::conf) const SSL: &[Keyword<Ssl>] = &[
    key("password", "none", "Of the key", Text { what: "PASSWORD", set: |d, v| d.password = Some(v) }),
    key(
        "ca",
        "this machine's",
        "The authorities that `verify_certificate` takes",
        Text { what: "FILE", set: |d, v| d.ca = Some(PathBuf::from(v.value)) },
    ),
    key(
        "certificate",
        "none",
        "The certificate that SSL_GET shows to servers that ask for one",
        Text { what: "FILE", set: |d, v| d.certificate = Some(PathBuf::from(v.value)) },
    ),
    key("key", "none", "Its key", Text { what: "FILE", set: |d, v| d.key = Some(PathBuf::from(v.value)) }),
];
