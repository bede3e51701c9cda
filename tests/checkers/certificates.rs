//! Certificates made with openssl(1): an authority, servers that it signed, one of them long ago.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

pub(crate) struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    /// `ca.pem`, and `good`, `old`, `client`, each with its key.
    pub(crate) fn new(directory: &Path) -> Self {
        let made = Self { directory: directory.join("pki") };
        std::fs::create_dir(&made.directory).unwrap();
        std::fs::write(made.directory.join("index.txt"), "").unwrap();
        std::fs::write(
            made.directory.join("ca.cnf"),
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nrand_serial=yes\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n\
             copy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n",
        )
        .unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        made.openssl(&format!(
            "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 30 \
             -addext basicConstraints=critical,CA:true"
        ));
        for (name, dates) in [
            ("good", "-days 20"),
            ("client", "-days 20"),
            ("old", "-startdate 20200101000000Z -enddate 20200201000000Z"),
        ] {
            let host = if name == "client" { "director.example" } else { "www.example" };
            made.openssl(&format!(
                "req {key} -new -keyout {name}.key -out {name}.csr -subj /CN={host} -addext subjectAltName=DNS:{host}"
            ));
            made.openssl(&format!(
                "ca -batch -notext -config ca.cnf -keyfile ca.key -cert ca.pem -in {name}.csr -out {name}.pem {dates}"
            ));
        }
        made
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(&self.directory).output();
        let output = output.unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.directory.join(name).to_str().unwrap().to_owned()
    }

    /// A server with this certificate; `asks`: it takes only clients of our authority.
    pub(crate) fn server(&self, name: &str, asks: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap()).unwrap();
        let builder = if asks {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
            builder.unwrap().with_client_cert_verifier(verifier)
        } else {
            builder.unwrap().with_no_client_auth()
        };
        let own = vec![CertificateDer::from_pem_file(self.path(&format!("{name}.pem"))).unwrap()];
        let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
        Arc::new(builder.with_single_cert(own, key).unwrap())
    }
}
