//! What is written for people: the partners of orderings, and links.

use crate::Complaint;
use crate::source::Source;
use std::path::{Component, Path, PathBuf};

/// A comment that begins with `PAIR` and a name marks one side of a synchronization, so a name that
/// stands alone has lost its partner.
pub(crate) fn lonely_pairs(source: &Source) -> Vec<Complaint> {
    let comments = source.comments.iter().enumerate();
    let named: Vec<(usize, &str)> = comments
        .filter_map(|(index, comment)| pair_name(comment).map(|name| (index + 1, name)))
        .collect();
    let is_lonely = |name: &str| named.iter().filter(|(_, other)| *other == name).count() == 1;
    let lonely = named.iter().filter(|(_, name)| is_lonely(name));
    lonely
        .map(|&(number, name)| {
            let text = format!("`PAIR {name}` stands only once in this file");
            Complaint::new(&source.path, number, text)
        })
        .collect()
}

fn pair_name(comment: &str) -> Option<&str> {
    let rest = comment.trim_start_matches(['/', '!', ' ']).strip_prefix("PAIR ")?;
    let end = rest.find(|next: char| !next.is_alphanumeric() && !"-_".contains(next));
    Some(&rest[..end.unwrap_or(rest.len())]).filter(|name| !name.is_empty())
}

/// Links in a text that lead to no file. `exists` is asked for paths relative to the root.
pub(crate) fn dead_links(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<Complaint> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut complaints = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        for target in link_targets(line).filter(|_| !fenced) {
            let resolved = resolve(folder, target);
            if resolved.is_none_or(|resolved| !exists(&resolved)) {
                let text = format!("the link to {target} leads nowhere");
                complaints.push(Complaint::new(path, index + 1, text));
            }
        }
    }
    complaints
}

/// The files that a line links to, without addresses of the web and places in the same text.
fn link_targets(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.match_indices("](").filter_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        Some(&rest[..rest.find(')')?])
    });
    targets
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty())
}

/// A link in `folder`, as a path from the root; nothing when it leaves the repository.
fn resolve(folder: &Path, target: &str) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in folder.join(target).components() {
        match component {
            Component::Normal(part) => resolved.push(part),
            Component::CurDir => {}
            Component::ParentDir if resolved.pop() => {}
            _ => return None,
        }
    }
    Some(resolved)
}

#[test]
fn a_pair_of_one_is_found() {
    let found = |text| lonely_pairs(&Source::new("crates/shm/src/a.rs", text)).len();
    assert_eq!(found("// PAIR permit: x.\na();\n// PAIR permit: with the load.\nb();"), 0);
    assert_eq!(found("// PAIR permit: x.\na();\n// PAIR permits: y.\nb();"), 2);
    assert_eq!(found("let a = \"PAIR permit\"; // PAIR permit"), 1);
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let exists = |path: &Path| path == Path::new("docs/a.md") || path == Path::new("b.rs");
    let found = |text: &str| dead_links("docs/x.md", text, exists).len();
    assert_eq!(found("[a](a.md), [a](./a.md#part), [b](../b.rs), [c](#c), [d](https://d.org)"), 0);
    assert_eq!(found("```\n[a](none.md)\n```"), 0);
    assert_eq!(found("[a](none.md)"), 1);
    assert_eq!(found("[a](a.md) and [b](b.rs)"), 1);
    assert_eq!(found("[a](../../a.md)"), 1);
}
