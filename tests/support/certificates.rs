//! Certificates for one test, made by the `openssl` program: an authority and what it signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// An authority whose files lie in a folder of the test's.
pub(crate) struct Authority {
    folder: PathBuf,
    identity: Identity,
}

impl Authority {
    /// Makes `NAME.pem` and `NAME-key.pem` in the folder, valid for ten days; one without the program is `None`.
    pub(crate) fn create(folder: &Path, name: &str) -> Option<Self> {
        Command::new("openssl").arg("version").output().ok()?;
        let authority = Self {
            folder: folder.to_owned(),
            identity: identity(folder, name),
        };
        openssl(
            authority
                .request(&authority.identity, &format!("/CN={name}"))
                .args(["-x509", "-days", "10", "-out"])
                .arg(&authority.identity.certificate)
                .args([
                    "-addext",
                    "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
                ]),
        );
        Some(authority)
    }

    /// The authority's own certificate.
    pub(crate) fn certificate(&self) -> &Path {
        &self.identity.certificate
    }

    /// Makes and signs `NAME.pem`, good for servers and clients; `subject` as in `/O=system:nodes/CN=a`, `names` as in
    /// `DNS:localhost` and `IP:127.0.0.1`.
    pub(crate) fn issue(&self, name: &str, subject: &str, names: &[&str]) -> Identity {
        let identity = identity(&self.folder, name);
        let (asked, extensions) = (
            self.folder.join(format!("{name}.csr")),
            self.folder.join(format!("{name}.ext")),
        );
        let mut text = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n\
                        extendedKeyUsage=serverAuth,clientAuth\n"
            .to_owned();
        if !names.is_empty() {
            text.push_str(&format!("subjectAltName={}\n", names.join(",")));
        }
        fs::write(&extensions, text).expect("the extensions are written");
        openssl(self.request(&identity, subject).arg("-out").arg(&asked));
        openssl(
            Command::new("openssl")
                .args(["x509", "-req", "-days", "5", "-in"])
                .arg(&asked)
                .arg("-CA")
                .arg(&self.identity.certificate)
                .arg("-CAkey")
                .arg(&self.identity.key)
                .arg("-set_serial")
                .arg(format!("0x{:016x}", fastrand::u64(1..1 << 62)))
                .arg("-extfile")
                .arg(&extensions)
                .arg("-out")
                .arg(&identity.certificate),
        );
        identity
    }

    fn request(&self, identity: &Identity, subject: &str) -> Command {
        let mut command = Command::new("openssl");
        command
            .args(["req", "-new", "-nodes", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", subject, "-keyout"])
            .arg(&identity.key)
            .current_dir(&self.folder);
        command
    }
}

fn identity(folder: &Path, name: &str) -> Identity {
    Identity {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}-key.pem")),
    }
}

fn openssl(command: &mut Command) {
    let output = command.output().expect("openssl starts");
    assert!(
        output.status.success(),
        "openssl fails: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
