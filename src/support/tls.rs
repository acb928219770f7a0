//! TLS of one connection's own: which roots, which name the certificate must bear, and who we are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use crate::support::trust::{self, TrustError};

/// How a server is verified, and who we are, where the usual way will not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Which certificates vouch for the server.
    pub trusted: Trusted,
    /// The name that the server's certificate must bear; `None` for the one in the URL.
    pub server_name: Option<String>,
    /// Our certificate and its key (PEM; both may stand in one file). `None` for a server that does not ask.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Which certificates vouch for a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// The system's, and those of a file.
    System(Option<PathBuf>),
    /// Those of a file and no others. A certificate in it vouches for itself, too: a server's self-signed one, put
    /// there, is accepted while it is valid and bears the name.
    Only(PathBuf),
    /// Any: the server is not verified.
    Anyone,
}

impl Default for Trusted {
    fn default() -> Self {
        Self::System(None)
    }
}

/// Settings that no connection can be made with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The key's file cannot be used.
    #[error("cannot read a private key in PEM form from {path}: {reason}", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What was wrong with it; never what is in it.
        reason: String,
    },
    /// Certificate and key do not belong together, for one.
    #[error("cannot use the certificate {path}: {reason}", path = path.display())]
    Identity {
        /// The certificate's file.
        path: PathBuf,
        /// What the library says.
        reason: String,
    },
    /// What is no name of a server.
    #[error("`{0}` is neither a DNS name nor an address")]
    Name(String),
    /// The TLS library refuses its settings.
    #[error("cannot set up TLS: {0}")]
    Library(String),
}

impl Tls {
    /// Reads the files; connects to nothing.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn config(&self) -> Result<ClientConfig, TlsError> {
        let library = |error: &dyn std::fmt::Display| TlsError::Library(error.to_string());
        let provider = Arc::new(ring::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| library(&error))?;
        let name = match &self.server_name {
            Some(name) => Some(checked_name(name)?),
            None => None,
        };
        let (known, pinned) = match &self.trusted {
            Trusted::System(more) => (trust::ders(more.as_deref())?, Vec::new()),
            Trusted::Only(file) => {
                let known = trust::only(file)?;
                (known.clone(), known)
            }
            Trusted::Anyone => (Vec::new(), Vec::new()),
        };
        let verifier: Arc<dyn ServerCertVerifier> = if self.trusted == Trusted::Anyone {
            Arc::new(Anyone(algorithms))
        } else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(known);
            let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| library(&error))?;
            Arc::new(Verifier { inner, name, pinned })
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        match &self.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((path, key_path)) => {
                let key = PrivateKeyDer::from_pem_file(key_path).map_err(|error| TlsError::Key {
                    path: key_path.clone(),
                    reason: error.to_string(),
                })?;
                builder
                    .with_client_auth_cert(trust::only(path)?, key)
                    .map_err(|error| TlsError::Identity {
                        path: path.clone(),
                        reason: error.to_string(),
                    })
            }
        }
    }

    /// The files that [`Tls::config`] reads.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let trusted = match &self.trusted {
            Trusted::System(file) => file.as_deref(),
            Trusted::Only(file) => Some(file.as_path()),
            Trusted::Anyone => None,
        };
        let identity = self.identity.iter();
        trusted
            .into_iter()
            .chain(identity.flat_map(|(path, key)| [path.as_path(), key.as_path()]))
    }
}

/// Checks what is to be a server's name.
///
/// # Errors
/// It is neither a DNS name nor an address.
pub fn checked_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_string()).map_err(|_| TlsError::Name(name.to_string()))
}

/// The library's own verifier, asked about another name, and content with a certificate that a person pinned.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    name: Option<ServerName<'static>>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.name.as_ref().unwrap_or(server_name);
        let verified = self
            .inner
            .verify_server_cert(end_entity, intermediates, name, ocsp_response, now);
        match verified {
            // `openssl req -x509` makes certificates that are an authority and a server's at once. The library refuses
            // them as a server's, after it has found them valid today; the name is not looked at yet.
            Err(error) if is_authority(&error) && self.pinned.contains(end_entity) => {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn is_authority(error: &Error) -> bool {
    let Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error else {
        return false;
    };
    matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Asks only that the server has the key of the certificate that it shows.
#[derive(Debug)]
struct Anyone(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anyone {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
