//! TLS to an engine: which certificates are trusted, and who we are.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::support::engine::Engine;
use crate::support::engine::error::EngineError;
use crate::support::trust;

/// What a TLS connection to the engine is made with. The files are read anew, so that renewed ones take effect.
pub(super) fn config(engine: &Engine) -> Result<Arc<ClientConfig>, EngineError> {
    let failed = |reason: String| EngineError::Tls {
        endpoint: engine.endpoint.clone(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    let anchors = trust::pem(engine.ca_file.as_deref()).map_err(|error| failed(error.to_string()))?;
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&anchors).flatten());
    // Named, so that a program that installed no provider does not panic here.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(error.to_string()))?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &engine.identity else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let unreadable =
        |path: &Path, error: &dyn std::fmt::Display| failed(format!("{}: {error}", path.display()));
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate)
        .map_err(|error| unreadable(certificate, &error))?
        .collect();
    let chain = chain.map_err(|error| unreadable(certificate, &error))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, &error))?;
    let config = builder
        .with_client_auth_cert(chain, secret)
        .map_err(|error| failed(error.to_string()))?;
    Ok(Arc::new(config))
}
