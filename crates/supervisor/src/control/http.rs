//! Requests and answers as bytes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::command::{BadOrder, Order, unescape};
use crate::status::{Reply, Verdict};

/// The longest request, with its body.
pub(super) const LONGEST: usize = 16 * 1024;

const MOST_HEADERS: usize = 32;

/// What the bytes of a request come to so far.
#[derive(Debug, PartialEq)]
pub(super) enum Parsed {
    /// Its end has not come.
    Incomplete,
    /// A request, and how many bytes it had.
    Complete { order: Result<Order, Problem>, len: usize, keep: Keep },
    /// It will never be a request.
    Broken(Problem),
}

/// Whether the connection goes on after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Open,
    Close,
}

/// Why a request gets no answer but this.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: (u16, &'static str),
    message: String,
}

impl Problem {
    fn new(status: (u16, &'static str), message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    fn bad(message: impl Into<String>) -> Self {
        Self::new((400, "Bad Request"), message)
    }

    pub(super) fn forbidden() -> Self {
        Self::new((403, "Forbidden"), "only the supervisor's own user and root may ask")
    }

    pub(super) fn busy() -> Self {
        Self::new((503, "Service Unavailable"), "too many clients are connected")
    }

    pub(super) fn response(&self) -> Vec<u8> {
        let verdict = match self.status.0 {
            403 | 503 => Verdict::Refused,
            404 => Verdict::NotFound,
            _ => Verdict::Usage,
        };
        encode(self.status, &Reply::new(verdict, &*self.message))
    }
}

/// Looks for one request at the beginning of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let too_long = bytes.len() >= LONGEST;
    let head_len = match head.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if too_long => {
            return Parsed::Broken(Problem::new(
                (431, "Request Header Fields Too Large"),
                "the request is too long",
            ));
        }
        Ok(httparse::Status::Partial) => return Parsed::Incomplete,
        Err(error) => return Parsed::Broken(Problem::bad(format!("not an HTTP request: {error}"))),
    };
    let (mut body_len, mut keep) = (0, Keep::Open);
    if head.version == Some(0) {
        keep = Keep::Close;
    }
    for header in head.headers.iter() {
        let value = str::from_utf8(header.value).unwrap_or("").trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            match value.parse::<usize>() {
                Ok(len) if len <= LONGEST => body_len = len,
                _ => {
                    let status = (413, "Content Too Large");
                    return Parsed::Broken(Problem::new(status, "the body is too long"));
                }
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Parsed::Broken(Problem::bad("a body needs a content-length"));
        } else if header.name.eq_ignore_ascii_case("connection")
            && value.eq_ignore_ascii_case("close")
        {
            keep = Keep::Close;
        }
    }
    let Some(body) = bytes.get(head_len..head_len + body_len) else { return Parsed::Incomplete };
    let (method, target) = (head.method.unwrap_or(""), head.path.unwrap_or(""));
    Parsed::Complete { order: read(method, target, body), len: head_len + body_len, keep }
}

fn read(method: &str, target: &str, body: &[u8]) -> Result<Order, Problem> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut parameters = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (unescape(key), unescape(value)) {
            (Some(key), Some(value)) => drop(parameters.insert(key, value)),
            _ => return Err(Problem::bad(format!("`{pair}` is not a parameter"))),
        }
    }
    // Curl sends a form's content type with `-d`, so what the body is decides, not what it is called.
    if !body.is_empty() {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            return Err(Problem::bad("the body is not a JSON object"));
        };
        for (key, value) in fields {
            let text = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                _ => return Err(Problem::bad(format!("`{key}` is not a text or a number"))),
            };
            parameters.insert(key, text);
        }
    }
    Order::read(method, path, parameters).map_err(|error| {
        let status = match error {
            BadOrder::NoSuchPath => (404, "Not Found"),
            BadOrder::Method(_) => (405, "Method Not Allowed"),
            BadOrder::Parameter(_) => (400, "Bad Request"),
        };
        Problem::new(status, error.to_string())
    })
}

/// The answer as bytes.
pub(super) fn response(reply: &Reply) -> Vec<u8> {
    encode(reply.verdict.http_status(), reply)
}

fn encode((code, words): (u16, &str), reply: &Reply) -> Vec<u8> {
    let mut body = serde_json::to_vec(reply).unwrap_or_default();
    body.push(b'\n');
    let mut bytes = format!(
        "HTTP/1.1 {code} {words}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.append(&mut body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, Scale, Wait};

    #[test]
    fn a_request_is_found_however_it_is_cut() {
        let bytes = b"POST /programs/web/scale?wait=no HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n{\"count\":\"+1\"}GET";
        for len in 0..bytes.len() - 3 {
            assert_eq!(parse(&bytes[..len]), Parsed::Incomplete, "{len}");
        }
        let Parsed::Complete { order, len, keep } = parse(bytes) else { panic!("incomplete") };
        let command = Command::Scale("web".into(), Scale::By(1));
        assert_eq!(order, Ok(Order { command, wait: Wait::Begun }));
        assert_eq!((len, keep), (bytes.len() - 3, Keep::Open));
    }

    #[test]
    fn what_is_no_request_is_broken_at_once() {
        let long_header = [b"GET / HTTP/1.1\r\nx: ".to_vec(), vec![b'a'; LONGEST]].concat();
        let hostile: [&[u8]; 6] = [
            b"\0\0\0\0",
            b"\x16\x03\x01 not for you",
            b"GET /status HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n",
            b"GET /status HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET /status HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            &long_header,
        ];
        for bytes in hostile {
            let Parsed::Broken(problem) = parse(bytes) else { panic!("{bytes:?}") };
            assert!(problem.response().starts_with(b"HTTP/1.1 4"), "{problem:?}");
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let request = b"POST /reload?scope=all HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
        let mut seed = 88_172_645_463_325_252_u64;
        for _ in 0..20_000 {
            let mut bytes = request.to_vec();
            for _ in 0..4 {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let at = usize::try_from(seed % bytes.len() as u64).unwrap_or(0);
                bytes[at] = seed.to_le_bytes()[7];
            }
            parse(&bytes);
        }
    }
}
