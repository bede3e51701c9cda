//! The stream of bytes to an engine: its socket, or `ssh HOST vipdeck relay`.

use super::ask::Failure;
use crate::control::target::{Place, Target};
use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

/// An open link; dropping it ends the ssh process behind it.
pub(super) enum Link {
    Socket(UnixStream),
    Ssh { stdin: ChildStdin, stdout: ChildStdout },
}

/// What stands behind a link: alive as long as the link is used, and able to say why it ended.
pub(super) struct Behind(Option<Ssh>);

struct Ssh {
    child: Child,
    said: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

pub(super) async fn open(target: &Target) -> Result<(Link, Behind), Failure> {
    match &target.place {
        Place::Socket(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok((Link::Socket(stream), Behind(None))),
            Err(error) => Err(Failure::unreachable(target, socket_error(&error, path))),
        },
        Place::Ssh { host, port, at } => {
            ssh(host, *port, at.as_deref()).map_err(|e| Failure::unreachable(target, format!("cannot start ssh: {e}")))
        }
    }
}

fn socket_error(error: &io::Error, path: &std::path::Path) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("no engine listens at {path} (there is no such file)"),
        io::ErrorKind::ConnectionRefused => format!("its engine is gone: nobody listens at {path} any more"),
        io::ErrorKind::PermissionDenied => {
            format!("you may not open {path}: be root or a member of its group (control.view_group in the settings)")
        }
        _ => format!("{path}: {error}"),
    }
}

fn ssh(host: &str, port: Option<u16>, at: Option<&str>) -> io::Result<(Link, Behind)> {
    let mut command = Command::new("ssh");
    // No question may reach the terminal: the console's screen is on it.
    command.args(["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=8"]);
    if let Some(port) = port {
        command.args(["-p", &port.to_string()]);
    }
    command.args(["--", host, "vipdeck", "relay"]);
    if let Some(at) = at {
        command.args(["--at", &quoted(at)]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("it has no pipes"));
    };
    let said = Arc::new(Mutex::new(String::new()));
    let last = said.clone();
    let listener = tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let line: String = line.chars().filter(|c| !c.is_control()).take(300).collect();
            if !line.is_empty() {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = line;
            }
        }
    });
    Ok((Link::Ssh { stdin, stdout }, Behind(Some(Ssh { child, said, listener }))))
}

/// As one word of the remote shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Behind {
    /// The last thing ssh said, once the link has failed; waits a moment for it.
    pub(super) async fn last_words(&mut self) -> Option<String> {
        let ssh = self.0.as_mut()?;
        let _ = tokio::time::timeout(Duration::from_millis(500), &mut ssh.listener).await;
        let _ = ssh.child.start_kill();
        let said = ssh.said.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (!said.is_empty()).then_some(said)
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Ssh { stdout, .. } => Pin::new(stdout).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Ssh { stdin, .. } => Pin::new(stdin).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_flush(cx),
            Self::Ssh { stdin, .. } => Pin::new(stdin).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Socket(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Ssh { stdin, .. } => Pin::new(stdin).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_is_one_word_for_the_remote_shell() {
        assert_eq!(super::quoted("/run/a b'; rm -rf ~'.sock"), r"'/run/a b'\''; rm -rf ~'\''.sock'");
    }
}
