//! As much of HTTP/1.1 as a local call needs: one request and one answer on a connection, bodies of a known length.

use std::io::{self, Read, Write};

use cronium_protocol::runtime::MAX_BODY;
use serde_json::{Value, json};

const MAX_HEAD: usize = 16 << 10;
const MAX_HEADERS: usize = 64;
const MAX_PATH: usize = 4 << 10;
/// Read and thrown away, so that a client that sends too much hears why.
const MOST_THROWN_AWAY: u64 = 256 << 20;

/// A request line with what matters of its headers.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub method: String,
    pub path: String,
    pub length: usize,
    continues: bool,
}

/// An answer, for the script.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// In the API's own form.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::error_at(status, code, None, message)
    }

    /// The same about one field of the body.
    pub fn error_at(status: u16, code: &str, field: Option<&str>, message: &str) -> Self {
        let body: Value = json!({ "error": { "code": code, "message": message, "field": field } });
        Self {
            status,
            body: body.to_string().into_bytes(),
        }
    }

    pub fn done() -> Self {
        Self {
            status: 204,
            body: Vec::new(),
        }
    }
}

/// Why there is no request to answer.
#[derive(Debug)]
pub enum Problem {
    /// The client went away, or was silent too long.
    Gone,
    /// What it is to be told.
    Refused(Answer),
}

impl From<io::Error> for Problem {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

fn bad(message: &str) -> Problem {
    Problem::Refused(Answer::error(400, "INVALID", message))
}

/// A connection, and what was read beyond the head.
pub struct Connection<S> {
    stream: S,
    early: Vec<u8>,
}

impl<S: Read + Write> Connection<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            early: Vec::new(),
        }
    }

    pub fn head(&mut self) -> Result<Head, Problem> {
        let mut buffer = vec![0; MAX_HEAD];
        let mut filled = 0;
        loop {
            let n = self.stream.read(&mut buffer[filled..])?;
            if n == 0 {
                return Err(if filled == buffer.len() {
                    bad("the request's head is too long")
                } else {
                    Problem::Gone
                });
            }
            filled += n;
            if let Some((head, used)) = parse(&buffer[..filled])? {
                self.early = buffer[used..filled].to_vec();
                return Ok(head);
            }
        }
    }

    /// The body of a request whose length was looked at.
    pub fn body(&mut self, head: &Head) -> Result<Vec<u8>, Problem> {
        if head.continues {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = std::mem::take(&mut self.early);
        body.truncate(head.length);
        body.reserve_exact(head.length - body.len());
        let missing = (head.length - body.len()) as u64;
        let read = (&mut self.stream).take(missing).read_to_end(&mut body)? as u64;
        if read < missing {
            return Err(Problem::Gone);
        }
        Ok(body)
    }

    pub fn answer(&mut self, answer: &Answer) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.status,
            phrase(answer.status),
            answer.body.len()
        );
        self.stream.write_all(head.as_bytes())?;
        self.stream.write_all(&answer.body)
    }

    /// Reads what is left of a body that was refused: a client that is still writing would not read the answer.
    pub fn throw_away(&mut self) {
        let mut rest = (&mut self.stream).take(MOST_THROWN_AWAY);
        drop(io::copy(&mut rest, &mut io::sink()));
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}

/// The head and its length; None: it is not whole yet.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, Problem> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let used = match request.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(bad(&format!("this is not HTTP/1.1: {error}"))),
    };
    let (mut length, mut continues) = (None, false);
    for header in request.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).ok().map(str::trim);
            let digits = text.filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let Some(value) = digits.and_then(|text| text.parse::<usize>().ok()) else {
                return Err(bad("content-length is not a number"));
            };
            if length.is_some_and(|length| length != value) {
                return Err(bad("there are two lengths"));
            }
            length = Some(value);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            let message = "send a body with its content-length";
            return Err(Problem::Refused(Answer::error(411, "INVALID", message)));
        } else if header.name.eq_ignore_ascii_case("expect") {
            continues = header.value.eq_ignore_ascii_case(b"100-continue");
        }
    }
    let path = request.path.unwrap_or_default();
    if path.len() > MAX_PATH {
        return Err(bad("the path is too long"));
    }
    let length = length.unwrap_or(0);
    if length > MAX_BODY {
        let message = format!("a body has at most {MAX_BODY} bytes");
        return Err(Problem::Refused(Answer::error(413, "TOO_LARGE", &message)));
    }
    let head = Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        length,
        continues,
    };
    Ok(Some((head, used)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Fake(io::Cursor<Vec<u8>>, Vec<u8>, usize);

    impl Read for Fake {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = buffer.len().min(self.2);
            self.0.read(&mut buffer[..n])
        }
    }

    impl Write for Fake {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn connection(bytes: &[u8], piece: usize) -> Connection<Fake> {
        Connection::new(Fake(io::Cursor::new(bytes.to_vec()), Vec::new(), piece))
    }

    fn refusal(bytes: &[u8]) -> u16 {
        match connection(bytes, 1000).head() {
            Err(Problem::Refused(answer)) => answer.status,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_request_in_any_pieces_is_one_request() {
        let request =
            b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello and more";
        for piece in 1..request.len() {
            let mut connection = connection(request, piece);
            let head = connection.head().unwrap();
            assert_eq!(
                (head.method.as_str(), head.path.as_str(), head.length),
                ("PUT", "/a", 5)
            );
            assert_eq!(connection.body(&head).unwrap(), b"hello");
            assert_eq!(connection.stream.1, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    #[test]
    fn what_can_t_be_served_is_told_why() {
        assert_eq!(refusal(b"PUT / HTTP/1.1\r\nContent-Length: 5242881\r\n\r\n"), 413);
        assert_eq!(
            refusal(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            411
        );
        for head in [
            "PUT / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "nonsense\r\n\r\n",
            &format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_PATH)),
            &format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(MAX_HEAD)),
        ] {
            assert_eq!(refusal(head.as_bytes()), 400, "{head}");
        }
        let mut cut = connection(b"PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhell", 9);
        let head = cut.head().unwrap();
        assert!(matches!(cut.body(&head), Err(Problem::Gone)));
    }

    proptest! {
        #[test]
        fn random_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), piece in 1usize..50) {
            let mut connection = connection(&bytes, piece);
            if let Ok(head) = connection.head() {
                drop(connection.body(&head));
            }
        }
    }
}
