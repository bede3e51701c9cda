//! TLS of `SSL_GET`. keepalived looks at no certificate; `verify_certificate` does.

use super::Problem;
use crate::health::{Http, Protocol, Tls, Url, Verify};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Files of certificates are read again after this.
const FRESH: Duration = Duration::from_secs(60);

/// How each kind of check makes its connections, made when it is first needed.
#[derive(Default)]
pub struct Clients(Mutex<BTreeMap<(Tls, bool), Made>>);

/// When, and what.
type Made = (Instant, Arc<ClientConfig>);

impl Clients {
    pub(super) async fn secure(
        &self,
        tls: &Tls,
        url: &Url,
        http: &Http,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Problem> {
        let http2 = http.protocol == Protocol::V2;
        let config = self.client(tls, http2).await?;
        let address = ServerName::IpAddress(http.to.target.ip().into());
        let name = url.server_name.clone().map(ServerName::try_from).transpose();
        let name = name.map_err(|error| Problem::new(format!("the name of virtualhost or sni_name: {error}")))?;
        // Of an address the server is told nothing (RFC 6066, 3).
        let connected = TlsConnector::from(config).connect(name.unwrap_or(address), stream).await;
        connected.map_err(|error| failed(&error))
    }

    async fn client(&self, tls: &Tls, http2: bool) -> Result<Arc<ClientConfig>, Problem> {
        let key = (tls.clone(), http2);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some((_, client)) = known.filter(|(made, _)| made.elapsed() < FRESH) {
            return Ok(client);
        }
        // Files of certificates may lie on a disk that hangs.
        let wanted = tls.clone();
        let made = tokio::task::spawn_blocking(move || client(&wanted, http2)).await;
        let made = made.map_err(|error| Problem::new(format!("read the certificates: {error}")))?;
        let made = Arc::new(made.map_err(Problem::new)?);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (Instant::now(), made.clone()));
        Ok(made)
    }
}

fn client(tls: &Tls, http2: bool) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| format!("TLS: {error}"))?;
    let verifier: Arc<dyn ServerCertVerifier> = match tls.verify {
        Verify::Nothing => Arc::new(Blind(provider)),
        Verify::Name => authorities(tls, provider)?,
        Verify::Chain => Arc::new(AnyName(authorities(tls, provider)?)),
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut client = match (&tls.certificate, &tls.key) {
        (Some(certificate), key) => {
            let key = key.as_ref().unwrap_or(certificate);
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| read_error(key, &error))?;
            let own = builder.with_client_auth_cert(certificates(certificate)?, secret);
            own.map_err(|error| format!("the certificate of SSL {{ }} and its key: {error}"))?
        }
        (None, _) => builder.with_no_client_auth(),
    };
    client.resumption = rustls::client::Resumption::disabled();
    if http2 {
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(client)
}

fn authorities(tls: &Tls, provider: Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let mut roots = RootCertStore::empty();
    let found = match &tls.ca {
        Some(file) => certificates(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(found);
    let place = tls.ca.as_ref().map_or("this machine".to_owned(), |file| file.display().to_string());
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| format!("the authorities of {place}: {error}"))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_file_iter(file).map_err(|error| read_error(file, &error))?;
    let all: Vec<_> = all.collect::<Result<_, _>>().map_err(|error| read_error(file, &error))?;
    if all.is_empty() { Err(format!("there is no certificate in {}", file.display())) } else { Ok(all) }
}

fn read_error(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("read {}: {error}", file.display())
}

fn failed(error: &io::Error) -> Problem {
    let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => Problem::new("the server closed the connection in the TLS handshake"),
            _ => Problem::io("TLS handshake", error),
        };
    };
    Problem::new(match tls {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate is not valid yet".to_owned()
        }
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "its certificate is signed by an authority that is not known".to_owned()
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "its certificate is for another name".to_owned(),
        Error::PeerIncompatible(_) | Error::AlertReceived(rustls::AlertDescription::HandshakeFailure) => {
            format!("TLS handshake: {tls}; vipdeck takes TLS 1.2 and 1.3 with forward secrecy")
        }
        other => format!("TLS handshake: {other}"),
    })
}

/// Takes every certificate, also such that the library would not read.
#[derive(Debug)]
struct Blind(Arc<CryptoProvider>);

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.0.signature_verification_algorithms.supported_schemes();
        schemes.extend([SignatureScheme::RSA_PKCS1_SHA1, SignatureScheme::ECDSA_SHA1_Legacy]);
        schemes
    }
}

/// Looks at the chain and the dates, and not at the name.
#[derive(Debug)]
struct AnyName(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(end, chain, name, ocsp, now) {
            // The name is looked at last: the rest is as it should be.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
