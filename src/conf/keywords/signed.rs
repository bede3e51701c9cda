//! `auth_hmac` (keepalived 2.4): signed adverts.

use super::Takes::{Line, OneOf, Whole};
use super::{Keyword, instance, key};
use crate::conf::diagnostic::Diagnostic;
use crate::conf::lexer::Word;
use crate::conf::lower::{Cx, Failed, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::conf::value;
use crate::vrrp::{AntiReplay, HmacKey, HmacMode};
use std::path::Path;

/// The bytes of a key (RFC 2104, 3: no fewer than the digest has; more than a block are no stronger).
const KEY_LEN: std::ops::RangeInclusive<usize> = 32..=64;

#[derive(Default)]
pub(in crate::conf) struct Signed {
    pub span: Option<Span>,
    pub keys: Vec<Spanned<HmacKey>>,
    pub active: Option<Spanned<i64>>,
    pub anti_replay: AntiReplay,
    /// Seconds.
    pub window: Option<i64>,
    pub mode: Option<Spanned<HmacMode>>,
    pub failed: Failed,
}

pub(super) fn lower(cx: &mut Cx<'_>, draft: &mut instance::Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let mut signed = Signed { span: statement.span(), ..Signed::default() };
    signed.failed = walk(cx, "auth_hmac", TABLE, &mut signed, &body.statements);
    draft.signed = Some(signed);
}

pub(in crate::conf) const TABLE: &[Keyword<Signed>] = &[
    key(
        "key",
        "required",
        "A key of 32 to 64 bytes, the same on all nodes; several while one replaces another",
        Line { argument: "1..255 TEXT|hex:DIGITS|file:PATH", read: read_key },
    ),
    key(
        "active_key",
        "the only key",
        "The key that signs; adverts signed with any of the keys are accepted",
        Whole { min: 1, max: 255, unit: "", bare: None, set: |d, v| d.active = Some(v) },
    ),
    key(
        "anti_replay",
        "time",
        "time: adverts must be within time_window of the clock and newer than the last; monotonic: only newer",
        OneOf {
            words: &["time", "monotonic"],

            any_case: false,
            set: |d, v| {
                d.anti_replay = if v.value == "time" { AntiReplay::Time } else { AntiReplay::Monotonic };
            },
        },
    ),
    key(
        "time_window",
        "3 adverts, at least 5",
        "How far the clock of the sender may be from ours",
        Whole { min: 1, max: 300, unit: "seconds", bare: None, set: |d, v| d.window = Some(v.value) },
    ),
    key(
        "mode",
        "enforce",
        "enforce: sign, and drop what is not signed; permissive: sign, and accept it; receive-only: do not sign yet",
        OneOf {
            words: &["enforce", "permissive", "receive-only"],

            any_case: false,
            set: |d, v| {
                let value = match v.value {
                    "permissive" => HmacMode::Permissive,
                    "receive-only" => HmacMode::ReceiveOnly,
                    _ => HmacMode::Enforce,
                };
                d.mode = Some(Spanned { value, span: v.span });
            },
        },
    ),
];

/// `key ID SECRET`.
fn read_key(cx: &mut Cx<'_>, draft: &mut Signed, statement: &Statement) -> Result<(), Diagnostic> {
    cx.no_more_words(statement, 3);
    let (Some(id), Some(secret)) = (statement.words.get(1), statement.words.get(2)) else {
        let span = statement.words.first().map(|word| word.span);
        let problem = Diagnostic::error("missing-argument", "`key` needs a number and a key")
            .help("write `key 1 file:/etc/keepalived/vrrp.key`");
        return Err(span.map_or(problem.clone(), |span| problem.at(span, "takes 1..255 and TEXT, hex:… or file:…")));
    };
    let number = value::whole("key", id, 1, 255)?;
    let span = id.span.to(secret.span);
    if let Some(other) = draft.keys.iter().find(|other| i64::from(other.value.id) == number) {
        return Err(Diagnostic::error("duplicate-key", format!("there are two keys {number}"))
            .at(span, "this is the second")
            .at(other.span, "this is the first"));
    }
    let bytes = secret_of(cx, secret)?;
    if !KEY_LEN.contains(&bytes.len()) {
        let message = format!("a key has 32 to 64 bytes, this one {}", bytes.len());
        return Err(Diagnostic::error("bad-key", message)
            .at(secret.span, "")
            .help("`openssl rand -hex 32` makes one: write it after `hex:`, or into a file of its own"));
    }
    let id = u8::try_from(number).unwrap_or(u8::MAX);
    draft.keys.push(Spanned { value: HmacKey { id, secret: bytes }, span });
    Ok(())
}

fn secret_of(cx: &mut Cx<'_>, word: &Word) -> Result<Vec<u8>, Diagnostic> {
    let Some(path) = word.text.strip_prefix("file:") else { return decoded(&word.text, word) };
    let path = Path::new(path);
    if !path.is_absolute() {
        return Err(Diagnostic::error("bad-path", "the file of a key needs an absolute path").at(word.span, ""));
    }
    let text = cx.loader.read(path).map_err(|error| {
        let message = format!("the key in {} cannot be read: {error}", path.display());
        Diagnostic::error("bad-key", message).at(word.span, "")
    })?;
    if cx.loader.is_private(path) == Some(false) {
        let message = format!("others than its owner may read or write the key in {}", path.display());
        cx.report(
            Diagnostic::warning("key-not-private", message)
                .at(word.span, "")
                .help(format!("chmod 600 {}", path.display())),
        );
    }
    match String::from_utf8(text) {
        Ok(text) => decoded(text.trim(), word),
        Err(_not_text) => Err(Diagnostic::error("bad-key", format!("{} holds no text", path.display()))
            .at(word.span, "write the key as text, or as hex: and digits")),
    }
}

fn decoded(text: &str, word: &Word) -> Result<Vec<u8>, Diagnostic> {
    let Some(digits) = text.strip_prefix("hex:") else { return Ok(text.as_bytes().to_vec()) };
    let bad = || {
        Diagnostic::error("bad-key", "after `hex:` come pairs of hexadecimal digits").at(word.span, "0 to 9 and a to f")
    };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return Err(bad());
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect::<Option<Vec<_>>>().ok_or_else(bad)
}
