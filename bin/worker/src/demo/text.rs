//! Where the text comes from, and how it is cut into records.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::Outcome;

/// How much text the default job takes, in bytes. A directory that is named is taken whole.
const DEFAULT_BYTES: usize = 6 << 20;

/// The longest record, in bytes.
pub(crate) const RECORD_BYTES: usize = 4 << 10;

/// What counts as text in the default job.
const TEXT_ENDINGS: [&str; 3] = ["md", "rs", "txt"];

/// Texts that ship with the program, for a machine without any others.
const SHIPPED: [&str; 3] = [
    include_str!("../../../../README.md"),
    include_str!("../../../../ARCHITECTURE.md"),
    include_str!("../../../../examples/README.md"),
];

/// The text of the job.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// Where it was found, for the report.
    pub(crate) origin: String,
    /// How many files it is from.
    pub(crate) files: usize,
    /// The pieces that are sent, each at most [`RECORD_BYTES`] long.
    pub(crate) records: Vec<String>,
}

impl Corpus {
    /// All files under `directory`.
    pub(crate) fn under(directory: &Path) -> Outcome<Self> {
        let texts = read_all(directory, |_| true, usize::MAX);
        if texts.is_empty() {
            return Err(format!("no readable file under {}", directory.display()).into());
        }
        Ok(Self::new(directory.display().to_string(), &texts))
    }

    /// The sources of this machine's cargo packages, or the collection that ships.
    pub(crate) fn default_of_machine() -> Self {
        if let Some(sources) = package_sources() {
            let texts = read_all(&sources, is_text, DEFAULT_BYTES);
            if !texts.is_empty() {
                return Self::new(sources.display().to_string(), &texts);
            }
        }
        let texts: Vec<_> = SHIPPED.iter().map(|text| (*text).to_owned()).collect();
        Self::new("the texts that ship with brigade".to_owned(), &texts)
    }

    fn new(origin: String, texts: &[String]) -> Self {
        let records = texts.iter().flat_map(|text| cut(text)).map(str::to_owned).collect();
        Self { origin, files: texts.len(), records }
    }

    /// How many bytes the records have.
    pub(crate) fn bytes(&self) -> usize {
        self.records.iter().map(String::len).sum()
    }
}

/// Where cargo keeps the sources of the packages it has fetched.
fn package_sources() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")))?;
    Some(home.join("registry/src")).filter(|sources| sources.is_dir())
}

fn is_text(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| TEXT_ENDINGS.contains(&ending))
}

/// The texts of all files under `directory` that `wanted` names, in the order of their paths, until
/// there are `limit` bytes. Links are not followed, and what cannot be read is left out.
fn read_all(directory: &Path, wanted: fn(&Path) -> bool, limit: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let mut bytes = 0;
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        let Ok(kind) = fs::symlink_metadata(&path).map(|metadata| metadata.file_type()) else {
            continue;
        };
        if kind.is_dir() {
            let Ok(entries) = fs::read_dir(&path) else { continue };
            let mut inside: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
            // The last is taken next, so the first comes last.
            inside.sort_by(|one, two| two.cmp(one));
            pending.extend(inside);
        } else if kind.is_file()
            && wanted(&path)
            && let Ok(content) = fs::read(&path)
        {
            let text = String::from_utf8_lossy(&content).into_owned();
            bytes += text.len();
            texts.push(text);
            if bytes >= limit {
                break;
            }
        }
    }
    texts
}

/// Cuts a text into records, between words wherever there is a space.
fn cut(text: &str) -> Vec<&str> {
    let mut records = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let at = if rest.len() <= RECORD_BYTES { rest.len() } else { cut_at(rest) };
        let (record, more) = rest.split_at(at);
        records.push(record);
        rest = more;
    }
    records
}

/// Where the first record of a text that is too long for one ends.
fn cut_at(text: &str) -> usize {
    let longest = (1..=RECORD_BYTES).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(1);
    let space = text[..longest].rfind(char::is_whitespace);
    space.filter(|&at| at > 0).unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_short_and_together_the_text() {
        let long_word = "w".repeat(3 * RECORD_BYTES);
        let umlauts = "ä".repeat(2 * RECORD_BYTES);
        let prose = "some words of prose\n".repeat(1000);
        for text in ["", "short", &long_word, &umlauts, &prose] {
            let records = cut(text);
            assert_eq!(records.concat(), text);
            assert!(records.iter().all(|record| (1..=RECORD_BYTES).contains(&record.len())));
        }
        let words = |text: &str| text.split_whitespace().count();
        assert_eq!(cut(&prose).into_iter().map(words).sum::<usize>(), words(&prose));
    }

    #[test]
    fn there_is_always_some_text() {
        let corpus = Corpus::default_of_machine();
        assert!(corpus.files > 0 && !corpus.records.is_empty() && corpus.bytes() > 1000);
    }

    #[test]
    fn a_directory_without_files_is_an_error_that_names_it() {
        let missing = Path::new("/nonexistent/brigade");
        let error = Corpus::under(missing).expect_err("nothing there");
        assert!(error.to_string().contains("/nonexistent/brigade"));
    }
}
