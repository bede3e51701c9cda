//! Reading server-sent events (WHATWG HTML, section 9.2), as far as this program writes them.

/// The header of a reader that takes `change` messages where others are sent whole snapshots.
pub const CHANGES: &str = "vipdeck-changes";

/// The longest message; a snapshot has some ten thousand bytes, of ten thousand servers as many thousand.
const MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// One message: its name and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub name: String,
    pub data: String,
}

/// Bytes in, messages out.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    name: String,
    data: String,
}

/// A message larger than anything an engine sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message is larger than {MESSAGE_BYTES} bytes")]
pub struct TooLarge;

impl Reader {
    /// Takes the next bytes, in pieces of any size, and gives the messages that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Message>, TooLarge> {
        let mut messages = Vec::new();
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            if self.line.len() + self.data.len() + part.len() > MESSAGE_BYTES {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                messages.extend(self.line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])));
            }
        }
        Ok(messages)
    }

    /// An empty line completes a message; one without data is none.
    fn line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return (!data.is_empty()).then_some(Message { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments, ids (the data says its number itself) and fields of the future.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str =
        ": still here\n\nevent: snapshot\ndata: {\"a\":\ndata: 1}\n\nevent: event\r\nid: 7\r\ndata: ü\r\n\r\n";

    #[test]
    fn messages_are_complete_at_an_empty_line() {
        let messages = Reader::default().feed(TEXT.as_bytes()).unwrap();
        let expected = [("snapshot", "{\"a\":\n1}"), ("event", "ü")];
        assert_eq!(messages, expected.map(|(n, d)| Message { name: n.into(), data: d.into() }));
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(cuts in prop::collection::vec(0..TEXT.len(), 0..9)) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut reader = Reader::default();
            let mut messages = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([TEXT.len()]) {
                messages.extend(reader.feed(&TEXT.as_bytes()[from..cut]).unwrap());
                from = cut;
            }
            prop_assert_eq!(messages, Reader::default().feed(TEXT.as_bytes()).unwrap());
        }

        #[test]
        fn no_bytes_make_it_panic(pieces: Vec<Vec<u8>>) {
            let mut reader = Reader::default();
            for piece in pieces {
                let _ = reader.feed(&piece);
            }
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = Reader::default();
        let piece = vec![b'x'; 1 << 20];
        assert!((0..=MESSAGE_BYTES >> 20).any(|_| reader.feed(&piece).is_err()));
    }
}
