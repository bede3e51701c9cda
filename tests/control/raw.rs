//! HTTP by hand, to see the bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

pub(crate) fn open(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

/// The status code and the body.
pub(crate) fn exchange(path: &Path, request: &[u8]) -> (u16, String) {
    let mut stream = open(path);
    // A server that has refused already may have closed: its answer is there all the same.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let code = head.split(' ').nth(1).and_then(|c| c.parse().ok()).unwrap_or(0);
    (code, body.to_owned())
}

pub(crate) fn get(path: &Path, uri: &str) -> (u16, String) {
    exchange(path, format!("GET {uri} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
}

pub(crate) fn post(path: &Path, body: &[u8]) -> (u16, String) {
    let length = body.len();
    let head =
        format!("POST /v1/commands HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    exchange(path, &[head.as_bytes(), body].concat())
}

/// The lines of a live stream, without the transfer's framing.
pub(crate) struct Lines(BufReader<UnixStream>);

impl Lines {
    pub(crate) fn of(path: &Path, uri: &str, header: &str) -> Self {
        let mut stream = open(path);
        write!(stream, "GET {uri} HTTP/1.1\r\nhost: x\r\n{header}\r\n").unwrap();
        Self(BufReader::new(stream))
    }

    /// The next line that begins with `start`, without it; none at the end of the stream.
    pub(crate) fn next(&mut self, start: &str) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(rest) = line.trim_end().strip_prefix(start) {
                return Some(rest.trim_start().to_owned());
            }
        }
    }
}
