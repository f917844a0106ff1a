//! A small HTTP server on 127.0.0.1 whose answers are scripted, one a request.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What the server does with one request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The content, from where the request asks for it.
    Serve(Vec<u8>),
    /// The same, but the connection breaks after so many bytes.
    Cut(Vec<u8>, usize),
    /// The beginning of the content, so many bytes of it, whatever range the request asks for.
    CutFromStart(Vec<u8>, usize),
    /// The whole content, whatever range the request asks for.
    IgnoreRange(Vec<u8>),
    /// A status without content.
    Status(&'static str),
}

/// A running server; it stops when the test ends.
pub(crate) struct Server {
    address: String,
    ranges: Arc<Mutex<Vec<Option<u64>>>>,
}

impl Server {
    /// Starts a server that gives the answers in turn; the last one is repeated.
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&ranges);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(range) = read_request(&stream) else { continue };
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(range);
                    seen.len() - 1
                };
                respond(&mut stream, &answers[number.min(answers.len() - 1)], range);
            }
        });
        Self { address, ranges }
    }

    /// The address of a file on this server.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The first byte that each request so far asked for, if it asked for a range.
    pub(crate) fn ranges(&self) -> Vec<Option<u64>> {
        self.ranges.lock().unwrap().clone()
    }
}

/// Reads the head of a request and returns the start of its range.
fn read_request(stream: &TcpStream) -> Option<Option<u64>> {
    let mut range = None;
    let mut lines = BufReader::new(stream).lines();
    lines.next()?.ok()?;
    for line in lines {
        let line = line.ok()?.to_ascii_lowercase();
        if line.is_empty() {
            return Some(range);
        }
        if let Some(value) = line.strip_prefix("range: bytes=") {
            range = value.trim_end_matches('-').parse().ok();
        }
    }
    None
}

fn respond(stream: &mut TcpStream, answer: &Answer, range: Option<u64>) {
    let (content, sent) = match answer {
        Answer::Serve(content) | Answer::IgnoreRange(content) => (content, content.len()),
        Answer::Cut(content, sent) | Answer::CutFromStart(content, sent) => (content, *sent),
        Answer::Status(status) => {
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
    };
    let start = match (answer, range) {
        (Answer::IgnoreRange(_) | Answer::CutFromStart(..), _) | (_, None) => 0,
        (_, Some(start)) => (start as usize).min(content.len()),
    };
    let rest = &content[start..];
    let head = if start == 0 {
        "HTTP/1.1 200 OK\r\n".to_string()
    } else {
        let last = content.len() - 1;
        format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{last}/{}\r\n", content.len())
    };
    let length = rest.len();
    // The client may hang up first, having seen enough.
    let _ = write!(stream, "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(&rest[..sent.min(length)]);
}
