//! The text of a configuration file, and what was found wrong with it so far.

use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::diagnostic::{ConfigError, Diagnostic, Origin};

/// The text of a configuration file.
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
    problems: RefCell<Vec<Diagnostic>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &'a str, path: &'a Path) -> Self {
        Self { text, path, problems: RefCell::default() }
    }

    /// Notes a problem; the rest of the file is looked at all the same.
    pub(super) fn report(&self, span: Range<usize>, message: String, help: Option<String>) {
        let diagnostic = Diagnostic { help, ..self.origin(span).diagnose(message) };
        self.problems.borrow_mut().push(diagnostic);
    }

    /// Notes a problem with something that stands at `origin`.
    pub(super) fn report_at(&self, origin: &Origin, message: String) {
        self.problems.borrow_mut().push(origin.diagnose(message));
    }

    /// `value`, unless a problem was noted.
    pub(super) fn conclude<T>(&self, value: T) -> Result<T, ConfigError> {
        let mut diagnostics = self.problems.take();
        if diagnostics.is_empty() {
            return Ok(value);
        }
        diagnostics.sort_by_key(|it| (it.line, it.column));
        Err(ConfigError { diagnostics })
    }

    pub(super) fn origin(&self, span: Range<usize>) -> Origin {
        let (line, column) = self.position(span.start);
        Origin(Some((self.path.display().to_string(), line, column)))
    }

    /// A path in the file, which starts from the file's directory.
    pub(super) fn resolve(&self, path: &Path) -> PathBuf {
        let directory = self.path.parent().unwrap_or(Path::new(""));
        let joined = directory.join(path);
        // Fails only where there is no current directory; then nothing better is known.
        std::path::absolute(&joined).unwrap_or(joined)
    }

    /// Line and column, from 1, of the byte at `offset`.
    fn position(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }
}

/// The known word that was most likely meant by `word`.
pub(crate) fn suggestion<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let near = |candidate: &str| {
        let distance = distance(word, candidate);
        (distance <= 1 + candidate.chars().count() / 3).then_some(distance)
    };
    let rated = known.into_iter().filter_map(|candidate| Some((near(candidate)?, candidate)));
    rated.min_by_key(|&(distance, _)| distance).map(|(_, candidate)| candidate)
}

/// How many letters must be put in, taken out or exchanged to make one word of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, &other) in to.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != other);
            diagonal = row[column + 1];
            row[column + 1] = exchanged.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_suggests_the_nearest_word_and_nonsense_none() {
        let known = ["command", "arguments", "count", "cwd", "restart"];
        assert_eq!(suggestion("comand", known), Some("command"));
        assert_eq!(suggestion("argument", known), Some("arguments"));
        assert_eq!(suggestion("restarts", known), Some("restart"));
        assert_eq!(suggestion("zzzzzzzz", known), None);
    }

    #[test]
    fn positions_count_characters_and_lines_from_one() {
        let document = Document::new("a = 1\nä = ?\n", Path::new("x.toml"));
        assert_eq!(document.position(0), (1, 1));
        assert_eq!(document.position(6), (2, 1));
        assert_eq!(document.position(8), (2, 2));
        assert_eq!(document.position(7), (2, 1), "inside a character is at it");
        assert_eq!(document.position(9999), (3, 1));
    }
}
