//! One message to a mail relay (RFC 5321); blocks for as long as the relay takes, within the time given.

use lettre::address::{Address, Envelope};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport};
use std::path::PathBuf;
use std::time::Duration;

/// Where mail is given to, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// A name or an address.
    pub host: String,
    pub port: u16,
    /// What this machine calls itself.
    pub helo: String,
    /// For each answer.
    pub timeout: Duration,
    pub security: Security,
    pub login: Option<Login>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// In clear text, as keepalived does.
    #[default]
    None,
    StartTls(Trust),
    /// TLS from the first byte (port 465).
    Tls(Trust),
}

/// Whose certificates are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// A PEM file beside this machine's own certificates.
    pub ca_file: Option<PathBuf>,
    /// Anybody's.
    pub anything: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password_file: PathBuf,
}

/// Why a message did not go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Another try may help.
    pub may_pass: bool,
    pub why: String,
}

impl Failure {
    fn lasting(why: String) -> Self {
        Self { may_pass: false, why }
    }
}

/// Sends `message`, headers and body with CRLF line ends, to all of `to`. Addresses have a user and a domain.
pub fn send(relay: &Relay, from: &str, to: &[String], message: &[u8]) -> Result<(), Failure> {
    let recipients = to.iter().map(|address| parsed(address)).collect();
    let envelope = Envelope::new(Some(parsed(from)), recipients).map_err(|e| Failure::lasting(e.to_string()))?;
    let sent = transport(relay)?.send_raw(&envelope, message);
    sent.map(drop).map_err(|error| {
        // What the relay says for good (5xx), and what we ourselves find wrong with its certificate, stays so.
        let may_pass = !error.is_permanent() && !error.is_client();
        let mut why = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            let text = inner.to_string();
            if !why.contains(&text) {
                why = format!("{why}: {text}");
            }
            source = inner.source();
        }
        Failure { may_pass, why }
    })
}

/// The configuration has looked at the letters of the address already.
fn parsed(address: &str) -> Address {
    let (user, domain) = address.rsplit_once('@').unwrap_or((address, "localhost"));
    Address::new_dangerous(user, domain)
}

fn transport(relay: &Relay) -> Result<SmtpTransport, Failure> {
    let tls = match &relay.security {
        Security::None => Tls::None,
        Security::StartTls(trust) => Tls::Required(parameters(relay, trust)?),
        Security::Tls(trust) => Tls::Wrapper(parameters(relay, trust)?),
    };
    let builder = SmtpTransport::builder_dangerous(&relay.host)
        .port(relay.port)
        .hello_name(ClientId::Domain(relay.helo.clone()))
        .timeout(Some(relay.timeout))
        .tls(tls);
    let Some(login) = &relay.login else { return Ok(builder.build()) };
    if relay.security == Security::None {
        return Err(Failure::lasting("a login is never sent in clear text: set mail.tls".to_owned()));
    }
    let password = std::fs::read_to_string(&login.password_file)
        .map_err(|e| Failure::lasting(format!("mail.password_file {}: {e}", login.password_file.display())))?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    Ok(builder.credentials(Credentials::new(login.user.clone(), password)).build())
}

fn parameters(relay: &Relay, trust: &Trust) -> Result<TlsParameters, Failure> {
    let mut builder = TlsParameters::builder(relay.host.clone());
    if let Some(file) = &trust.ca_file {
        let wrong = |error: String| Failure::lasting(format!("mail.ca_file {}: {error}", file.display()));
        let pem = std::fs::read(file).map_err(|e| wrong(e.to_string()))?;
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| wrong(e.to_string()))?);
    }
    if trust.anything {
        builder = builder.dangerous_accept_invalid_certs(true).dangerous_accept_invalid_hostnames(true);
    }
    builder.build_rustls().map_err(|e| Failure::lasting(e.to_string()))
}
