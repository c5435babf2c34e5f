//! The files of the repository: what git would commit, without what cargo built.

use crate::source::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders that hold no text of ours.
const SKIPPED: [&str; 2] = ["target", ".git"];

pub(crate) struct Repository {
    root: PathBuf,
    /// Relative to the root, sorted.
    files: Vec<String>,
}

impl Repository {
    pub(crate) fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        files.sort();
        assert!(files.iter().any(|file| file == "Cargo.toml"), "{} is no root", root.display());
        Self { root, files }
    }

    /// The manifest of every member, by path.
    pub(crate) fn manifests(&self) -> Vec<(String, toml::Table)> {
        self.read("/Cargo.toml")
            .into_iter()
            .map(|(path, text)| {
                let table = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
                (path, table)
            })
            .collect()
    }

    pub(crate) fn sources(&self) -> Vec<Source> {
        self.read(".rs").iter().map(|(path, text)| Source::new(path, text)).collect()
    }

    pub(crate) fn texts(&self) -> Vec<(String, String)> {
        self.read(".md")
    }

    /// The programs that `cargo run --example NAME` knows.
    pub(crate) fn examples(&self) -> Vec<&str> {
        let names = self.files.iter().filter_map(|path| {
            let name = path.strip_prefix("examples/")?.strip_suffix(".rs")?;
            name.strip_suffix("/main").or(Some(name)).filter(|name| !name.contains('/'))
        });
        names.filter(|name| *name != "lib").collect()
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether a file or folder with this path, relative to the root, is there.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.root.join(path).exists()
    }

    fn read(&self, ending: &str) -> Vec<(String, String)> {
        let paths = self.files.iter().filter(|path| path.ends_with(ending));
        paths.map(|path| (path.clone(), self.text(path))).collect()
    }
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            if !SKIPPED.contains(&entry.file_name().to_string_lossy().as_ref()) {
                collect(root, &path, files);
            }
        } else {
            files.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
        }
    }
}
