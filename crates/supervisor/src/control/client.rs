//! The asking end of the control socket.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brigade_sys::time::Deadline;

use crate::command::Order;
use crate::status::Reply;

/// Asks a supervisor, one question per connection.
///
/// ```no_run
/// use brigade_supervisor::command::{Command, Order, Wait};
/// use brigade_supervisor::control::{Client, default_path};
///
/// let client = Client::new(default_path());
/// let reply = client.ask(&Order { command: Command::Status(None), wait: Wait::Done })?;
/// for program in reply.status.iter().flat_map(|status| &status.programs) {
///     println!("{}: {} of {} ready", program.name, program.ready, program.desired);
/// }
/// # Ok::<(), brigade_supervisor::control::ClientError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
    patience: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens there.
    #[error("no supervisor answers at {path}: {source}")]
    NoSupervisor {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The answer did not come in time. The work goes on.
    #[error("no answer within the time given; the work goes on")]
    TimedOut,
    /// The connection ended before the answer did.
    #[error("the supervisor went away before it had answered")]
    Lost,
    /// The answer makes no sense.
    #[error("the answer makes no sense: {0}")]
    Nonsense(String),
}

impl Client {
    /// Asks the supervisor at `path`, and waits for answers as long as they take.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), patience: None }
    }

    /// Waits for an answer at most so long.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Where the supervisor is asked.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    ///
    /// [`ClientError`] if there is none; a refusal is an answer.
    pub fn ask(&self, order: &Order) -> Result<Reply, ClientError> {
        let deadline = Deadline::after_option(self.patience);
        let mut stream = UnixStream::connect(&self.path)
            .map_err(|source| ClientError::NoSupervisor { path: self.path.clone(), source })?;
        let (method, target) = order.request();
        let request =
            format!("{method} {target} HTTP/1.1\r\nhost: brigade\r\nconnection: close\r\n\r\n");
        // If it refuses at once it may close before it has read this: the answer tells.
        let _ = stream.write_all(request.as_bytes());
        let bytes = read_to_end(&mut stream, deadline)?;
        decode(&bytes)
    }
}

fn read_to_end(stream: &mut UnixStream, deadline: Deadline) -> Result<Vec<u8>, ClientError> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let left = deadline.remaining();
        if left == Some(Duration::ZERO) {
            return Err(ClientError::TimedOut);
        }
        // Only a time of zero is refused, and that was handled.
        let _ = stream.set_read_timeout(left);
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(len) => bytes.extend_from_slice(&chunk[..len]),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                // A supervisor that refused closes with our request unread: what it said counts.
                _ => return Ok(bytes),
            },
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Reply, ClientError> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let len = match head.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Err(ClientError::Lost),
        Err(error) => return Err(ClientError::Nonsense(error.to_string())),
    };
    let body = &bytes[len..];
    let whole = head.headers.iter().find(|it| it.name.eq_ignore_ascii_case("content-length"));
    let whole = whole.and_then(|it| str::from_utf8(it.value).ok()?.trim().parse::<usize>().ok());
    if whole.is_some_and(|whole| body.len() < whole) {
        return Err(ClientError::Lost);
    }
    serde_json::from_slice(body).map_err(|error| ClientError::Nonsense(error.to_string()))
}
