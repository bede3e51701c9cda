//! An HTTP/1 response as it comes in, piece by piece, with bounds on everything.

use md5::{Digest, Md5};
use std::fmt;

/// The longest head; keepalived gives up at 4 KiB.
pub const HEAD: usize = 64 * 1024;
/// The most header lines.
const LINES: usize = 256;
/// The most of a body that is kept to look for a pattern.
pub const KEPT_BODY: usize = 1024 * 1024;
/// The longest body.
pub const BODY: u64 = 256 * 1024 * 1024;

/// What of the body is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Want {
    pub digest: bool,
    /// So many bytes from its start.
    pub keep: usize,
}

/// What a response came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub status: u16,
    /// Of the body, if it was wanted; where it came in chunks also of the bytes with their framing, which keepalived
    /// takes for the body.
    pub digests: Vec<[u8; 16]>,
    /// The start of the body, as far as it was wanted.
    pub body: Vec<u8>,
    pub bytes: u64,
    /// So many bytes of `Content-Length` did not come.
    pub missing: u64,
}

/// Why what came in is no response that can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The connection ended before anything came.
    Nothing,
    EndsInHead(usize),
    LongHead,
    ManyLines,
    NotHttp(String),
    LongBody,
    BadChunk,
    EndsInChunk(u64),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("the server closed the connection without an answer"),
            Self::EndsInHead(bytes) => write!(f, "the connection ended within the headers, after {bytes} bytes"),
            Self::LongHead => write!(f, "the headers have more than {} KiB", HEAD / 1024),
            Self::ManyLines => write!(f, "more than {LINES} header lines"),
            Self::NotHttp(what) => write!(f, "no HTTP answer: {what}"),
            Self::LongBody => write!(f, "the page has more than {} MiB", BODY / 1024 / 1024),
            Self::BadChunk => f.write_str("the chunks of the page are wrong"),
            Self::EndsInChunk(bytes) => write!(f, "the connection ended within the page, after {bytes} bytes"),
        }
    }
}

/// The reader.
#[derive(Debug)]
pub struct Response {
    want: Want,
    head: Vec<u8>,
    status: u16,
    body: Body,
    page: Collected,
    /// Bytes with the framing of chunks.
    framed: Option<Md5>,
}

#[derive(Debug)]
enum Body {
    Head,
    Length(u64),
    Chunks(Chunk),
    UntilClose,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    /// The size so far, how many digits it has, and whether they are over.
    Size {
        size: u64,
        digits: u32,
        over: bool,
    },
    Data(u64),
    /// The line end after the data.
    End,
    /// Lines after the last chunk, and how long the present one is; in all so many bytes.
    Trailer {
        line: usize,
        all: usize,
    },
}

#[derive(Debug)]
struct Collected {
    keep: usize,
    md5: Option<Md5>,
    body: Vec<u8>,
    bytes: u64,
}

impl Collected {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.bytes += bytes.len() as u64;
        if self.bytes > BODY {
            return Err(Problem::LongBody);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        let room = self.keep.saturating_sub(self.body.len()).min(bytes.len());
        self.body.extend_from_slice(bytes.get(..room).unwrap_or_default());
        Ok(())
    }
}

impl Response {
    pub fn new(want: Want) -> Self {
        Self {
            want,
            head: Vec::new(),
            status: 0,
            body: Body::Head,
            page: Collected {
                keep: want.keep.min(KEPT_BODY),
                md5: want.digest.then(Md5::new),
                body: Vec::new(),
                bytes: 0,
            },
            framed: None,
        }
    }

    /// 0 before the head is complete.
    pub const fn status(&self) -> u16 {
        self.status
    }

    pub const fn bytes(&self) -> u64 {
        self.page.bytes
    }

    /// Takes what came in; true once the response is complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<bool, Problem> {
        if matches!(self.body, Body::Head) {
            self.head.extend_from_slice(bytes);
            let Some(end) = self.head()? else { return Ok(false) };
            let rest = self.head.split_off(end);
            self.head = Vec::new();
            self.body(&rest)?;
        } else {
            self.body(bytes)?;
        }
        Ok(matches!(self.body, Body::Done))
    }

    /// The connection has ended.
    pub fn end(self) -> Result<Page, Problem> {
        let missing = match self.body {
            Body::Head if self.head.is_empty() => return Err(Problem::Nothing),
            Body::Head => return Err(Problem::EndsInHead(self.head.len())),
            Body::Chunks(Chunk::Trailer { .. }) | Body::UntilClose | Body::Done => 0,
            Body::Chunks(_) => return Err(Problem::EndsInChunk(self.page.bytes)),
            Body::Length(missing) => missing,
        };
        let digests = self.page.md5.into_iter().chain(self.framed).map(|md5| md5.finalize().into());
        Ok(Page {
            status: self.status,
            digests: digests.collect(),
            body: self.page.body,
            bytes: self.page.bytes,
            missing,
        })
    }

    /// Reads the head if it is complete, and says where it ends. Interim responses are passed over.
    fn head(&mut self) -> Result<Option<usize>, Problem> {
        let mut start = 0;
        loop {
            let mut lines = [httparse::EMPTY_HEADER; LINES];
            let mut response = httparse::Response::new(&mut lines);
            let mut rules = httparse::ParserConfig::default();
            rules.allow_spaces_after_header_name_in_responses(true);
            rules.allow_obsolete_multiline_headers_in_responses(true);
            rules.allow_multiple_spaces_in_response_status_delimiters(true);
            rules.ignore_invalid_headers_in_responses(true);
            let unread = self.head.get(start..).unwrap_or_default();
            let length = match rules.parse_response(&mut response, unread) {
                Ok(httparse::Status::Complete(length)) => length,
                Ok(httparse::Status::Partial) if self.head.len() > HEAD => return Err(Problem::LongHead),
                Ok(httparse::Status::Partial) => return Ok(None),
                Err(httparse::Error::TooManyHeaders) => return Err(Problem::ManyLines),
                Err(error) => return Err(Problem::NotHttp(format!("{error}, it begins {}", beginning(unread)))),
            };
            start += length;
            self.status = response.code.unwrap_or(0);
            if (100..200).contains(&self.status) && self.status != 101 {
                continue;
            }
            self.body = body_of(self.status, response.headers);
            if matches!(self.body, Body::Chunks(_)) && self.want.digest {
                self.framed = Some(Md5::new());
            }
            return Ok(Some(start));
        }
    }

    fn body(&mut self, mut bytes: &[u8]) -> Result<(), Problem> {
        while !bytes.is_empty() {
            match &mut self.body {
                Body::Head | Body::Done => return Ok(()),
                Body::UntilClose => return self.page.add(bytes),
                Body::Length(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    let (now, _more_than_announced) = bytes.split_at_checked(take).unwrap_or((bytes, &[]));
                    *left -= now.len() as u64;
                    if *left == 0 {
                        self.body = Body::Done;
                    }
                    return self.page.add(now);
                }
                Body::Chunks(chunk) => {
                    let used = match chunk {
                        Chunk::Data(left) => {
                            let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                            *left -= take as u64;
                            let is_over = *left == 0;
                            self.page.add(bytes.get(..take).unwrap_or_default())?;
                            if is_over {
                                *chunk = Chunk::End;
                            }
                            take
                        }
                        framing @ (Chunk::Size { .. } | Chunk::End | Chunk::Trailer { .. }) => {
                            let byte = bytes.first().copied().unwrap_or(b'\n');
                            match framing.step(byte)? {
                                Some(next) => *framing = next,
                                None => self.body = Body::Done,
                            }
                            1
                        }
                    };
                    let (now, later) = bytes.split_at_checked(used).unwrap_or((bytes, &[]));
                    if let Some(md5) = &mut self.framed {
                        md5.update(now);
                    }
                    bytes = later;
                }
            }
        }
        if matches!(self.body, Body::Length(0)) {
            self.body = Body::Done;
        }
        Ok(())
    }
}

impl Chunk {
    const START: Self = Self::Size { size: 0, digits: 0, over: false };

    /// What follows after one byte of the framing; none: the body is over.
    fn step(self, byte: u8) -> Result<Option<Self>, Problem> {
        let next = match (self, byte) {
            (Self::Size { digits: 0, .. }, b'\n') => return Err(Problem::BadChunk),
            (Self::Size { size: 0, .. }, b'\n') => Self::Trailer { line: 0, all: 0 },
            (Self::Size { size, .. }, b'\n') => Self::Data(size),
            (Self::Size { digits, .. }, _) if digits > 4096 => return Err(Problem::BadChunk),
            // What follows the digits is an extension.
            (Self::Size { size, digits, over: true }, _) => Self::Size { size, digits: digits + 1, over: true },
            (Self::Size { size, digits, over: false }, byte) => match char::from(byte).to_digit(16) {
                Some(_) if digits >= 16 => return Err(Problem::BadChunk),
                Some(digit) => Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1, over: false },
                None if digits == 0 => return Err(Problem::BadChunk),
                None => Self::Size { size, digits, over: true },
            },
            (Self::End, b'\r') => Self::End,
            (Self::End, b'\n') => Self::START,
            (Self::End, _) => return Err(Problem::BadChunk),
            (Self::Trailer { line: 0, .. }, b'\n') => return Ok(None),
            (Self::Trailer { all, .. }, _) if all > HEAD => return Err(Problem::LongHead),
            (Self::Trailer { all, .. }, b'\n') => Self::Trailer { line: 0, all: all + 1 },
            (Self::Trailer { line, all }, b'\r') => Self::Trailer { line, all: all + 1 },
            (Self::Trailer { line, all }, _) => Self::Trailer { line: line + 1, all: all + 1 },
            // Not framing.
            (data @ Self::Data(_), _) => data,
        };
        Ok(Some(next))
    }
}

/// How the body ends (RFC 9112, 6.3).
fn body_of(status: u16, headers: &[httparse::Header<'_>]) -> Body {
    if matches!(status, 204 | 304) {
        return Body::Done;
    }
    let value = |name: &str| {
        let found = headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok().map(str::trim)
    };
    let last_coding = value("transfer-encoding").and_then(|codings| codings.rsplit(',').next().map(str::trim));
    if last_coding.is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Body::Chunks(Chunk::START);
    }
    match value("content-length").and_then(|length| length.parse().ok()) {
        Some(0) => Body::Done,
        Some(length) => Body::Length(length),
        None => Body::UntilClose,
    }
}

/// The first bytes, for people.
pub fn beginning(bytes: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(bytes.get(..24).unwrap_or(bytes)).escape_debug().collect();
    format!("`{text}`")
}

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
