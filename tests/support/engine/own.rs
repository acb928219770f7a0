//! A Docker engine of a test's own, which may be killed and started again.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::certificates::{Authority, Identity};
use crate::support::leftovers;
use crate::support::process::{Port, Process};
use crate::support::services::{Service, need, skip};
use crate::support::wait::{PATIENCE, wait_for};

use super::Engine;

/// Where an engine listens beside its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    /// Nowhere.
    Socket,
    /// A loopback port, without TLS.
    Tcp,
    /// A loopback port, with TLS, for clients with a certificate.
    Tls,
}

/// A running engine. It is an [`Engine`] too.
pub(crate) struct OwnEngine {
    /// First, so that its log is still there when it is dropped.
    process: Option<Process>,
    engine: Engine,
    program: PathBuf,
    port: Port,
    listen: Listen,
    certificates: Option<Certificates>,
    folder: TempDir,
}

/// What clients of an engine with TLS need.
pub(crate) struct Certificates {
    authority: Authority,
    server: Identity,
    client: Identity,
}

impl OwnEngine {
    /// Starts one; `None` where that cannot be and the test skips itself.
    pub(crate) fn start(listen: Listen) -> Option<Self> {
        let (program, client) = (need(Service::Dockerd)?, need(Service::DockerCli)?);
        let busybox = need(Service::Busybox)?;
        if !rustix::process::geteuid().is_root() {
            skip("only root can start a Docker engine");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("tawny-docker-").tempdir();
        let folder = folder.expect("a temporary directory");
        let certificates = match listen {
            Listen::Tls => match Certificates::create(folder.path()) {
                Some(certificates) => Some(certificates),
                None => {
                    skip("the program openssl is missing");
                    return None;
                }
            },
            Listen::Socket | Listen::Tcp => None,
        };
        let engine = Engine {
            client,
            address: format!("unix://{}", folder.path().join("docker.sock").display()),
        };
        let mut own = Self {
            process: None,
            engine,
            program,
            port: Port::reserve(),
            listen,
            certificates,
            folder,
        };
        own.start_again();
        own.engine.make_image(&busybox);
        Some(own)
    }

    /// Starts it with the same containers and addresses as before, and waits until it answers.
    pub(crate) fn start_again(&mut self) {
        assert!(self.process.is_none(), "the engine runs already");
        // One that was killed leaves them, and would be taken for one that runs when the number is another process's by
        // now, or still that of a dead one whom nobody has reaped.
        for file in ["pid", "exec/containerd/containerd.pid"] {
            let _ = fs::remove_file(self.folder.path().join(file));
        }
        let mut command = Command::new(&self.program);
        command
            .args([
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
                "--ip-forward=false",
            ])
            .args(["--shutdown-timeout=5", "--host", &self.engine.address]);
        for (option, name) in [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid")] {
            command.arg(format!("--{option}={}", self.folder.path().join(name).display()));
        }
        if self.listen != Listen::Socket {
            command.args(["--host", &self.tcp_address()]);
        }
        match &self.certificates {
            Some(certificates) => {
                command.arg("--tlsverify");
                for (option, file) in [
                    ("tlscacert", certificates.ca()),
                    ("tlscert", &certificates.server.certificate),
                    ("tlskey", &certificates.server.key),
                ] {
                    command.arg(format!("--{option}={}", file.display()));
                }
            }
            None => {
                command.arg("--tls=false");
            }
        }
        let mut process = Process::start("dockerd", &mut command, &self.folder.path().join("log"));
        wait_for("the Docker engine to answer", PATIENCE, || {
            process.assert_runs();
            self.engine.docker(&["version"]).status.success().then_some(())
        });
        self.process = Some(process);
    }

    /// Ends it at once, as a power cut does. Its containers run on until the next start, which ends them.
    pub(crate) fn kill_9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill_9();
            // Its containerd gets the same signal from the kernel, a moment later.
            wait_for("the end of the engine's containerd", PATIENCE, || {
                let mut left = leftovers::processes(self.folder.path()).into_iter();
                left.all(|(_, line)| line.contains("containerd-shim"))
                    .then_some(())
            });
        }
    }

    /// Has it stop, with its containers, and waits for the end.
    pub(crate) fn terminate(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.terminate();
            process.wait_exit(PATIENCE);
        }
    }

    /// `tcp://127.0.0.1:port`; nobody listens there with [`Listen::Socket`].
    pub(crate) fn tcp_address(&self) -> String {
        format!("tcp://{}", self.port.address())
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// What it takes to speak TLS to it.
    pub(crate) fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("it was started with TLS")
    }
}

impl Deref for OwnEngine {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        if self.process.is_some() {
            let all = self.engine.docker(&["ps", "--all", "--quiet"]);
            for id in String::from_utf8_lossy(&all.stdout).split_whitespace() {
                let _ = self.engine.docker(&["rm", "--force", id]);
            }
        }
        self.terminate();
        // Of one that was killed, its containers' shims and what they run are left.
        leftovers::end_shims(self.folder.path());
        leftovers::unmount(self.folder.path());
    }
}

impl Certificates {
    /// The client's files also stand in the folder under the names that `DOCKER_CERT_PATH` expects.
    fn create(folder: &Path) -> Option<Self> {
        let folder = folder.join("certificates");
        fs::create_dir(&folder).expect("a folder for certificates");
        let authority = Authority::create(&folder, "ca")?;
        let server = authority.issue("server", "/CN=localhost", &["DNS:localhost", "IP:127.0.0.1"]);
        let client = authority.issue("client", "/CN=client", &[]);
        fs::copy(&client.certificate, folder.join("cert.pem")).expect("the certificate is copied");
        fs::copy(&client.key, folder.join("key.pem")).expect("the key is copied");
        Some(Self {
            authority,
            server,
            client,
        })
    }

    /// The authority's certificate.
    pub(crate) fn ca(&self) -> &Path {
        self.authority.certificate()
    }

    /// The client's certificate and key.
    pub(crate) fn client(&self) -> &Identity {
        &self.client
    }

    /// The folder with `ca.pem`, `cert.pem` and `key.pem`, for `DOCKER_CERT_PATH`.
    pub(crate) fn folder(&self) -> &Path {
        self.ca().parent().expect("a file lies in a folder")
    }
}
