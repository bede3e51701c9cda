//! The conversation of `SMTP_CHECK` (RFC 5321): greeting, HELO, QUIT.

/// The longest reply, all its lines together.
const LONGEST: usize = 16 * 1024;

/// A reply that is coming in.
#[derive(Debug, Default)]
pub struct Reply {
    text: Vec<u8>,
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is not complete yet.
    NotYet,
    /// Its code, and the text of its last line.
    Code(u16, String),
    /// It is no reply of a mail server.
    Nonsense(String),
}

impl Reply {
    /// Takes what came in.
    pub fn feed(&mut self, bytes: &[u8]) -> Said {
        self.text.extend_from_slice(bytes);
        // What does not begin with digits will be none, however long it goes on.
        if self.text.iter().take(3).any(|byte| !byte.is_ascii_digit()) {
            return Said::Nonsense(super::response::beginning(&self.text));
        }
        let Some(last) = self.text.strip_suffix(b"\n") else {
            return if self.text.len() > LONGEST { Said::Nonsense("a reply without end".into()) } else { Said::NotYet };
        };
        let line = last.rsplit(|b| *b == b'\n').next().unwrap_or(last);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        let (code, rest) = line.split_at_checked(3).unwrap_or((&line, ""));
        match (code.parse::<u16>(), rest.chars().next()) {
            (Ok(100..=599), Some('-')) if self.text.len() > LONGEST => Said::Nonsense("a reply without end".into()),
            (Ok(100..=599), Some('-')) => Said::NotYet,
            (Ok(code @ 100..=599), None | Some(' ')) => Said::Code(code, rest.trim().to_owned()),
            _ => Said::Nonsense(super::response::beginning(line.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_may_have_several_lines_in_any_pieces() {
        let mut reply = Reply::default();
        assert_eq!(reply.feed(b"220-mail"), Said::NotYet);
        assert_eq!(reply.feed(b".example\r\n"), Said::NotYet);
        assert_eq!(reply.feed(b"220 ready\r\n"), Said::Code(220, "ready".into()));
        assert_eq!(Reply::default().feed(b"554\r\n"), Said::Code(554, String::new()));
    }

    #[test]
    fn what_is_no_reply_is_told() {
        assert!(matches!(Reply::default().feed(b"SSH-2.0-x\r\n"), Said::Nonsense(_)));
        assert!(matches!(Reply::default().feed(b"\r\n"), Said::Nonsense(_)));
        assert!(matches!(Reply::default().feed(&b"220-".repeat(5000)), Said::Nonsense(_)));
        assert!(matches!(Reply::default().feed(&b"220-x\n".repeat(4000)), Said::Nonsense(_)));
    }
}
