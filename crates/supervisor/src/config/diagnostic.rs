//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One thing that is wrong.
///
/// Displays as `file:line:column: message`, followed by `(help)` if there is any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1; zero when it is about the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; zero when it is about the file as a whole.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What may have been meant, or what would be right.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// A configuration that is of no use, with all that is known to be wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong, in the order of the file. Never empty.
    pub diagnostics: Vec<Diagnostic>,
}

impl ConfigError {
    pub(crate) fn of_file(path: &Path, message: String) -> Self {
        let file = path.display().to_string();
        Self { diagnostics: vec![Diagnostic { file, line: 0, column: 0, message, help: None }] }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Where in a configuration file something stands, if it came from one.
///
/// Says where and not what, so all origins are equal: a program that moved to another line has not
/// changed.
#[derive(Clone, Debug, Default)]
pub struct Origin(pub(super) Option<(String, usize, usize)>);

impl Origin {
    /// What is wrong with the thing that stands here.
    pub fn diagnose(&self, message: impl Into<String>) -> Diagnostic {
        let (file, line, column) =
            self.0.clone().unwrap_or_else(|| ("built-in configuration".into(), 0, 0));
        Diagnostic { file, line, column, message: message.into(), help: None }
    }
}

impl PartialEq for Origin {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}
