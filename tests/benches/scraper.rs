//! A client that costs next to nothing itself: HTTP/1.1 with keep-alive on a plain socket of a blocking thread.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// One connection.
pub(crate) struct Scraper {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Scraper {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self {
            stream: BufReader::with_capacity(128 * 1024, stream),
            line: String::new(),
        })
    }

    /// Asks for `path` with further header lines, each with its line's end, and reads the body to its end into `body`.
    ///
    /// # Errors
    /// The connection broke, or the answer was not a 200.
    pub(crate) fn get(&mut self, path: &str, headers: &str, body: &mut Vec<u8>) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        body.clear();
        let status = self.line()?.split(' ').nth(1) == Some("200");
        let mut length = None;
        loop {
            let line = self.line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse::<u64>().ok();
            }
        }
        match length {
            Some(length) => self.take(length, body)?,
            None => while self.chunk(body)? > 0 {},
        }
        status
            .then_some(())
            .ok_or_else(|| io::Error::other("not answered with 200"))
    }

    fn chunk(&mut self, body: &mut Vec<u8>) -> io::Result<u64> {
        let length = u64::from_str_radix(self.line()?, 16).map_err(io::Error::other)?;
        self.take(length, body)?;
        self.line()?;
        Ok(length)
    }

    fn take(&mut self, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
        match self.stream.by_ref().take(length).read_to_end(body)? as u64 {
            read if read == length => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn line(&mut self) -> io::Result<&str> {
        self.line.clear();
        match self.stream.read_line(&mut self.line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(self.line.trim_end()),
        }
    }
}

/// The value that this share of all values does not exceed.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}
