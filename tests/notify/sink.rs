//! A mail relay that keeps what it is given.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One message as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) lines: Vec<String>,
    /// What followed `AUTH PLAIN`.
    pub(crate) login: Option<String>,
    pub(crate) encrypted: bool,
}

impl Mail {
    pub(crate) fn header(&self, name: &str) -> String {
        let field = format!("{name}: ");
        self.lines.iter().find_map(|l| l.strip_prefix(&field)).unwrap_or_default().to_owned()
    }

    /// The first line after the header.
    pub(crate) fn body(&self) -> &str {
        let blank = self.lines.iter().position(String::is_empty).unwrap();
        &self.lines[blank + 1]
    }
}

pub(crate) struct Sink {
    mails: Arc<Mutex<Vec<Mail>>>,
    /// 550 for every recipient.
    pub(crate) refuses: Arc<AtomicBool>,
    /// 451 for every sender.
    pub(crate) is_busy: Arc<AtomicBool>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Sink {
    /// In the namespace, port 2525 of the loopback; with TLS by this certificate and key.
    pub(crate) fn open(namespace: &str, tls: Option<(&Path, &Path)>) -> Self {
        let listener = crate::namespaces::inside(namespace, || TcpListener::bind("127.0.0.1:2525").unwrap());
        let sink = Self { mails: Arc::default(), refuses: Arc::default(), is_busy: Arc::default() };
        let tls = tls.map(|(certificate, key)| {
            let chain = CertificateDer::pem_file_iter(certificate).unwrap().map(Result::unwrap).collect();
            let key = PrivateKeyDer::from_pem_file(key).unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
        });
        let (mails, refuses, is_busy) = (sink.mails.clone(), sink.refuses.clone(), sink.is_busy.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mails, refuses, is_busy, tls) = (mails.clone(), refuses.clone(), is_busy.clone(), tls.clone());
                std::thread::spawn(move || {
                    let stream = stream.unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                    // A client that leaves in the middle is no concern of the sink.
                    let _ = Session { mails, refuses, is_busy, tls }.serve(stream);
                });
            }
        });
        sink
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap().clone()
    }

    pub(crate) fn subjects(&self) -> Vec<String> {
        self.mails().iter().map(|m| m.header("Subject")).collect()
    }
}

struct Session {
    mails: Arc<Mutex<Vec<Mail>>>,
    refuses: Arc<AtomicBool>,
    is_busy: Arc<AtomicBool>,
    tls: Option<Arc<ServerConfig>>,
}

impl Session {
    fn serve(self, stream: TcpStream) -> std::io::Result<()> {
        let plain: Box<dyn Stream> = Box::new(stream.try_clone()?);
        let mut reader = BufReader::new(plain);
        reader.get_mut().write_all(b"220 sink\r\n")?;
        let mut mail = Mail::default();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end_matches(['\r', '\n']).to_owned();
            let (verb, rest) = line.split_at(line.find([' ', ':']).unwrap_or(line.len()));
            let address = || rest.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            let answer = match verb.to_uppercase().as_str() {
                "EHLO" if self.tls.is_some() && !mail.encrypted => "250-sink\r\n250 STARTTLS",
                "EHLO" if self.tls.is_some() => "250-sink\r\n250 AUTH PLAIN",
                "HELO" | "EHLO" | "NOOP" => "250 sink",
                "STARTTLS" => {
                    reader.get_mut().write_all(b"220 begin\r\n")?;
                    let connection = ServerConnection::new(self.tls.clone().unwrap()).map_err(std::io::Error::other)?;
                    let encrypted: Box<dyn Stream> = Box::new(StreamOwned::new(connection, stream.try_clone()?));
                    reader = BufReader::new(encrypted);
                    mail.encrypted = true;
                    continue;
                }
                "AUTH" => {
                    mail.login = line.split(' ').nth(2).map(str::to_owned);
                    "235 welcome"
                }
                "MAIL" if self.is_busy.load(Ordering::Relaxed) => "451 later",
                "MAIL" => {
                    mail.from = address();
                    "250 ok"
                }
                "RCPT" if self.refuses.load(Ordering::Relaxed) => "550 nobody here",
                "RCPT" => {
                    mail.to.push(address());
                    "250 ok"
                }
                "DATA" => {
                    reader.get_mut().write_all(b"354 go on\r\n")?;
                    loop {
                        let mut line = String::new();
                        reader.read_line(&mut line)?;
                        let line = line.trim_end_matches(['\r', '\n']);
                        if line == "." {
                            break;
                        }
                        mail.lines.push(line.to_owned());
                    }
                    self.mails.lock().unwrap().push(mail.clone());
                    "250 kept"
                }
                "QUIT" => {
                    reader.get_mut().write_all(b"221 bye\r\n")?;
                    return Ok(());
                }
                _ => "500 what",
            };
            reader.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
        }
    }
}
