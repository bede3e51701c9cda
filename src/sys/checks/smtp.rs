//! `SMTP_CHECK`.

use super::{Problem, Progress, Stage, socket};
use crate::health::smtp::{Reply, Said};
use crate::health::{Connection, Found};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(super) async fn greet(to: &Connection, helo: &str, progress: &Progress) -> Result<Found, Problem> {
    let mut stream = socket::connect(to).await?;
    progress.reached(Stage::Connected);
    if let Some(bad) = said(&mut stream, "its greeting", 220).await? {
        return Ok(bad);
    }
    say(&mut stream, &format!("HELO {helo}\r\n")).await?;
    if let Some(bad) = said(&mut stream, "its answer to HELO", 250).await? {
        return Ok(bad);
    }
    // The verdict stands; a server that does not hear it out is good all the same.
    let _ = say(&mut stream, "QUIT\r\n").await;
    let _ = tokio::time::timeout(GOODBYE, stream.read(&mut [0; 256])).await;
    Ok(Found { status: Some(250), ..Found::good("greets and takes HELO") })
}

/// For the answer to QUIT, so that the server's log has an orderly end.
const GOODBYE: std::time::Duration = std::time::Duration::from_millis(200);

async fn say(stream: &mut TcpStream, line: &str) -> Result<(), Problem> {
    stream.write_all(line.as_bytes()).await.map_err(|error| Problem::io("talk to the mail server", &error))
}

/// Waits for a reply; none: it has the wanted code.
async fn said(stream: &mut TcpStream, what: &str, wanted: u16) -> Result<Option<Found>, Problem> {
    let mut reply = Reply::default();
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer).await.map_err(|error| Problem::io(&format!("read {what}"), &error))?;
        if count == 0 {
            return Ok(Some(Found::bad(format!("the server closed the connection before {what}"))));
        }
        match reply.feed(buffer.get(..count).unwrap_or_default()) {
            Said::NotYet => {}
            Said::Code(code, _) if code == wanted => return Ok(None),
            Said::Code(code, text) => {
                let text: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
                let bad = Found::bad(format!("{what} is {code}, not {wanted}: {text}"));
                return Ok(Some(Found { status: Some(code), ..bad }));
            }
            Said::Nonsense(text) => return Ok(Some(Found::bad(format!("{what} is none of a mail server: {text}")))),
        }
    }
}
