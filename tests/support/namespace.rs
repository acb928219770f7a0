//! A network namespace of the test's own, and ports that lead into it and out of it.

use std::fs::File;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A namespace with nothing in it but its loopback device; gone with this value.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one; the reason why not, where this may not be done here.
    pub(crate) fn create() -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tawny-{}-{number}", process::id());
        let added = Command::new("ip").args(["netns", "add", &name]).output();
        let added = added.map_err(|error| format!("the program ip does not start: {error}"))?;
        if !added.status.success() {
            let error = String::from_utf8_lossy(&added.stderr);
            return Err(format!("no network namespace can be made: {}", error.trim()));
        }
        let namespace = Self { name };
        namespace.run(&["ip", "link", "set", "lo", "up"]);
        Ok(namespace)
    }

    /// Its name; no other namespace of the machine has it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it.
    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// What a command line begins with, to run in the namespace. `ip netns exec` would mount a new `/sys`, without the
    /// cgroups.
    pub(crate) fn prefix(&self) -> [String; 2] {
        let path = self.path();
        ["nsenter".to_owned(), format!("--net={}", path.display())]
    }

    /// A program that runs in the namespace.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let [enter, place] = self.prefix();
        let mut command = Command::new(enter);
        command.arg(place).arg(program.as_ref());
        command
    }

    /// Runs a program in the namespace to its end, and returns its output.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub(crate) fn run(&self, line: &[&str]) -> String {
        let output = self.command(line[0]).args(&line[1..]).output();
        let output = output.unwrap_or_else(|error| panic!("{line:?} does not start: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line:?} fails: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Has the test's loopback port lead to an address in the namespace; port 0 is a free one.
    pub(crate) fn lead_in(&self, port: u16, to: &str) -> Way {
        Way::open(None, port, Some(self.path()), to)
    }

    /// Has the namespace's loopback port lead to an address outside: to a server of the test, say.
    pub(crate) fn lead_out(&self, port: u16, to: &str) -> Way {
        Way::open(Some(self.path()), port, None, to)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // An error says that it has gone already.
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

/// A listener whose connections go on to an address in another namespace; closed with this value.
pub(crate) struct Way {
    address: SocketAddr,
    listener: TcpStream,
}

impl Way {
    fn open(here: Option<PathBuf>, port: u16, there: Option<PathBuf>, to: &str) -> Self {
        let (bound, listener) = mpsc::sync_channel(1);
        let (accepted, connections) = mpsc::channel::<TcpStream>();
        thread::spawn(move || {
            enter(here.as_deref());
            let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
            let copy = listener.try_clone().expect("the listener's handle is copied");
            bound.send(copy).expect("the test waits for the listener");
            // It ends when the listener is shut down.
            while let Ok((stream, _)) = listener.accept() {
                if accepted.send(stream).is_err() {
                    return;
                }
            }
        });
        let to = to.to_owned();
        thread::spawn(move || {
            enter(there.as_deref());
            for stream in connections {
                // One that is refused there is closed here.
                if let Ok(other) = TcpStream::connect(&to) {
                    join(stream, other);
                }
            }
        });
        let listener = listener.recv().expect("the listener is bound");
        Self {
            address: listener.local_addr().expect("a bound socket has an address"),
            // As a stream, because a listener has no way to be shut down from beside.
            listener: TcpStream::from(OwnedFd::from(listener)),
        }
    }

    /// The port that was given, or chosen.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        // An error says that it is closed.
        let _ = self.listener.shutdown(Shutdown::Both);
    }
}

/// Moves this thread: the sockets that it makes from now on belong there.
fn enter(namespace: Option<&Path>) {
    if let Some(path) = namespace {
        let file = File::open(path).expect("the namespace is there");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may enter");
    }
}

/// Copies between the two until both have ended.
fn join(one: TcpStream, other: TcpStream) {
    let copies = [(&one, &other), (&other, &one)].map(|(from, to)| {
        (
            from.try_clone().expect("a socket's handle is copied"),
            to.try_clone().expect("a socket's handle is copied"),
        )
    });
    for (mut from, mut to) in copies {
        thread::spawn(move || {
            // A connection that breaks ends both sides.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
