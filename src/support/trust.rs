//! The certificates that outgoing connections trust.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reqwest::Certificate;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A file of certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read certificates from {path}: {reason}", path = path.display())]
pub struct TrustError {
    path: PathBuf,
    reason: String,
}

/// The system's roots (`SSL_CERT_FILE` and `SSL_CERT_DIR` move them), or Mozilla's where the system has none, as in
/// an image from scratch; and those of `ca_file` (PEM, one or more) on top. Certificates in the system's store that
/// cannot be parsed are left out, as browsers do.
///
/// # Errors
/// `ca_file` cannot be read, holds no certificate, or one that cannot be parsed.
pub fn roots(ca_file: Option<&Path>) -> Result<Vec<Certificate>, TrustError> {
    let anchors = anchors(ca_file)?.into_iter();
    Ok(anchors.map(|(_, certificate)| certificate).collect())
}

/// The same as [`roots`], in PEM form, for libraries that want them so.
///
/// # Errors
/// As [`roots`].
pub fn pem(ca_file: Option<&Path>) -> Result<Vec<u8>, TrustError> {
    let mut text = String::new();
    for (der, _) in anchors(ca_file)? {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        BASE64_STANDARD.encode_string(&der, &mut text);
        text.push_str("\n-----END CERTIFICATE-----\n");
    }
    Ok(text.into_bytes())
}

/// The same as [`roots`], as the TLS library wants them.
///
/// # Errors
/// As [`roots`].
pub fn ders(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let anchors = anchors(ca_file)?.into_iter();
    Ok(anchors.map(|(der, _)| der).collect())
}

/// The certificates of a file (PEM, one or more) and no others.
///
/// # Errors
/// As [`roots`].
pub fn only(file: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let anchors = from_file(file)?.into_iter();
    Ok(anchors.map(|(der, _)| der).collect())
}

type Anchor = (CertificateDer<'static>, Certificate);

fn anchors(ca_file: Option<&Path>) -> Result<Vec<Anchor>, TrustError> {
    let system = rustls_native_certs::load_native_certs().certs.into_iter();
    let mut anchors: Vec<Anchor> = system.filter_map(|der| parsed(der).ok()).collect();
    if anchors.is_empty() {
        let built_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned();
        anchors.extend(built_in.filter_map(|der| parsed(der).ok()));
    }
    if let Some(path) = ca_file {
        anchors.extend(from_file(path)?);
    }
    Ok(anchors)
}

fn from_file(path: &Path) -> Result<Vec<Anchor>, TrustError> {
    let failed = |reason: String| TrustError {
        path: path.to_path_buf(),
        reason,
    };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(&text) {
        let der = der.map_err(|error| failed(error.to_string()))?;
        found.push(parsed(der).map_err(failed)?);
    }
    if found.is_empty() {
        return Err(failed("it holds no certificate in PEM form".to_string()));
    }
    Ok(found)
}

/// Parses as a trust anchor: the client refuses to be built over one that cannot be.
fn parsed(der: CertificateDer<'static>) -> Result<Anchor, String> {
    let mut store = RootCertStore::empty();
    store.add(der.clone()).map_err(|error| error.to_string())?;
    let certificate = Certificate::from_der(&der).map_err(|error| error.to_string())?;
    Ok((der, certificate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_is_added_and_a_bad_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let missing = roots(Some(&path)).unwrap_err().to_string();
        assert_eq!(
            missing,
            format!(
                "cannot read certificates from {}: No such file or directory (os error 2)",
                path.display()
            )
        );
        std::fs::write(&path, "nothing\n").unwrap();
        assert!(
            roots(Some(&path))
                .unwrap_err()
                .to_string()
                .ends_with("it holds no certificate in PEM form")
        );
        std::fs::write(&path, include_str!("../../tests/cases/tls/localhost.pem")).unwrap();
        let without = roots(None).unwrap().len();
        assert!(without > 50);
        assert_eq!(roots(Some(&path)).unwrap().len(), without + 1);
        let text = pem(Some(&path)).unwrap();
        assert_eq!(CertificateDer::pem_slice_iter(&text).count(), without + 1);
    }
}
