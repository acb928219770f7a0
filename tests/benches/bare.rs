//! A bare client, and what records the commands of another client for it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// What ends the answers.
const END: &[u8] = b"$36\r\nthe end of what the bare client asks\r\n";

/// Issues commands on one connection as fast as the server takes them. Nobody looks at the answers but for their end.
/// Gives the seconds until then.
pub(crate) fn issue(port: u16, commands: &[u8]) -> f64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut answers = stream.try_clone().unwrap();
    let began = Instant::now();
    let reading = thread::spawn(move || {
        let mut buffer = vec![0; 1 << 18];
        let mut tail = Vec::new();
        while !tail.ends_with(END) {
            let count = answers.read(&mut buffer).unwrap();
            assert!(count > 0, "Redis has closed the connection");
            tail.extend_from_slice(&buffer[..count]);
            tail.drain(..tail.len().saturating_sub(END.len()));
        }
    });
    stream.write_all(commands).unwrap();
    stream.write_all(b"*2\r\n$4\r\nECHO\r\n").unwrap();
    stream.write_all(END).unwrap();
    reading.join().unwrap();
    began.elapsed().as_secs_f64()
}

/// Writes a command as clients do.
pub(crate) fn command(out: &mut Vec<u8>, parts: &[&[u8]]) {
    write!(out, "*{}\r\n", parts.len()).unwrap();
    for part in parts {
        write!(out, "${}\r\n", part.len()).unwrap();
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
}

/// Stands between a client and the server and notes the commands, in the order in which they came.
pub(crate) struct Recorder {
    pub(crate) port: u16,
    commands: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let commands = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&commands);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let to = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let (mut from, mut back) = (to.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || io::copy(&mut from, &mut back));
                let noted = Arc::clone(&noted);
                // It ends when one side closes the connection.
                thread::spawn(move || pass(client, to, &noted));
            }
        });
        Self { port, commands }
    }

    /// What was noted.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.commands.lock().unwrap())
    }
}

fn pass(client: TcpStream, mut to: TcpStream, noted: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, client);
    let mut command = Vec::new();
    loop {
        command.clear();
        let parts = line(&mut reader, &mut command)?;
        for _ in 0..parts {
            let length = line(&mut reader, &mut command)?;
            reader.by_ref().take(length + 2).read_to_end(&mut command)?;
        }
        // Noted and sent in one order, over all connections.
        let mut noted = noted.lock().unwrap();
        noted.extend_from_slice(&command);
        to.write_all(&command)?;
    }
}

/// Reads `*3` or `$3`.
fn line(reader: &mut impl BufRead, command: &mut Vec<u8>) -> io::Result<u64> {
    let from = command.len();
    if reader.read_until(b'\n', command)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let text = std::str::from_utf8(&command[from + 1..]).map_err(io::Error::other)?;
    text.trim().parse().map_err(io::Error::other)
}
