//! Where `unsafe` may stand, and what must be said about it.

use crate::Complaint;
use crate::source::{Source, has_word};

/// The crates whose files may allow it one by one.
const CRATES: [&str; 2] = ["crates/sys/src/", "crates/shm/src/"];

/// The audited files elsewhere: the function pointer from an offset, the entry point, and the C
/// library's objects among the peers of the benchmarks, the memory and the kernel of the models.
const FILES: [&str; 9] = [
    "crates/process/src/call.rs",
    "crates/process/src/entry.rs",
    "bench/src/posix/barrier.rs",
    "bench/src/posix/condition.rs",
    "bench/src/posix/mutex.rs",
    "bench/src/posix/segment.rs",
    "bench/src/posix/semaphore.rs",
    "tests/models/src/memory.rs",
    "tests/models/src/thread.rs",
];

/// The crates that deny it at their root, because of the files above.
const DENYING: [&str; 5] = [
    "crates/sys/src/lib.rs",
    "crates/shm/src/lib.rs",
    "crates/process/src/lib.rs",
    "bench/src/main.rs",
    "tests/models/src/lib.rs",
];

pub(crate) fn outside_its_places(source: &Source) -> Vec<Complaint> {
    let inside = CRATES.iter().any(|folder| source.path.starts_with(folder))
        || FILES.contains(&source.path.as_str());
    if inside {
        return Vec::new();
    }
    let places = unsafe_lines(source).into_iter();
    places
        .map(|number| Complaint::new(&source.path, number, "unsafe code does not belong here"))
        .collect()
}

/// A file with unsafe code opens with a paragraph on safety and allows it in so many words; a
/// single claim may be allowed where it stands instead.
pub(crate) fn unannounced(source: &Source) -> Vec<Complaint> {
    let allowed_alone = |number: &usize| {
        number.checked_sub(2).is_some_and(|above| {
            source.code[number - 1].starts_with("unsafe impl")
                && source.code[above].starts_with("#[allow(unsafe_code")
        })
    };
    if unsafe_lines(source).iter().all(allowed_alone) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    let header = source.comments.iter().take_while(|line| line.starts_with("//!"));
    if !source.is_test() && !header.clone().any(|line| line.trim() == "//! # Safety") {
        let text = "unsafe code in a file whose header has no `# Safety`";
        complaints.push(Complaint::new(&source.path, 0, text));
    }
    if !source.code.iter().any(|line| line.starts_with("#![allow(unsafe_code")) {
        let text = "unsafe code in a file without `#![allow(unsafe_code)]`";
        complaints.push(Complaint::new(&source.path, 0, text));
    }
    complaints
}

/// Every block, implementation and declaration has its answer above it.
pub(crate) fn unanswered(source: &Source) -> Vec<Complaint> {
    let unanswered =
        unsafe_lines(source).into_iter().filter(|&number| !is_answered(source, number));
    let text = "unsafe code without `SAFETY:` (or `# Safety`, where it is a contract)";
    unanswered.map(|number| Complaint::new(&source.path, number, text)).collect()
}

/// Looks upward from a line through the comments and the statement that it belongs to.
fn is_answered(source: &Source, number: usize) -> bool {
    let answers = |index: usize| {
        source.comments[index].contains("SAFETY:") || source.comments[index].contains("# Safety")
    };
    if answers(number - 1) {
        return true;
    }
    for index in (0..number - 1).rev() {
        let code = source.code[index].trim();
        let is_comment = code.is_empty() && !source.comments[index].is_empty();
        let belongs_to_another = code.is_empty() || code.ends_with([';', '{', '}']);
        if belongs_to_another && !is_comment {
            return false;
        }
        if answers(index) {
            return true;
        }
    }
    false
}

pub(crate) fn not_forbidden(source: &Source) -> Vec<Complaint> {
    let is_root = source.path.ends_with("/src/lib.rs")
        || source.path.ends_with("/src/main.rs")
        || source.path == "examples/lib.rs";
    if !is_root {
        return Vec::new();
    }
    let word = if DENYING.contains(&source.path.as_str()) { "deny" } else { "forbid" };
    let attribute = format!("#![{word}(unsafe_code)]");
    if source.code.iter().any(|line| line.trim() == attribute) {
        return Vec::new();
    }
    vec![Complaint::new(&source.path, 0, format!("the crate does not say `{attribute}`"))]
}

/// The lines with the word, but for those that only name the type of a function.
fn unsafe_lines(source: &Source) -> Vec<usize> {
    let code = source.numbered().filter(|(_, line)| has_word(line, "unsafe"));
    code.filter(|(_, line)| !names_only_a_type(line)).map(|(number, _)| number).collect()
}

fn names_only_a_type(line: &str) -> bool {
    let mut rest = line;
    while let Some((_, after)) = rest.split_once("unsafe") {
        let after = after.trim_start().trim_start_matches("extern \"\"").trim_start();
        if !after.starts_with("fn(") {
            return false;
        }
        rest = after;
    }
    true
}

#[cfg(test)]
fn found(rule: fn(&Source) -> Vec<Complaint>, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn unsafe_code_outside_its_places_is_found() {
    let text = "fn f() { unsafe { g() } }";
    assert_eq!(found(outside_its_places, "crates/pool/src/a.rs", text), 1);
    assert_eq!(found(outside_its_places, "tests/tests/a.rs", text), 1);
    assert_eq!(found(outside_its_places, "crates/process/src/builder.rs", text), 1);
    assert_eq!(found(outside_its_places, "crates/sys/src/a.rs", text), 0);
    let words = "//! unsafe\n#![forbid(unsafe_code)]\nlet a = \"unsafe\";";
    assert_eq!(found(outside_its_places, "crates/pool/src/a.rs", words), 0);
}

#[test]
fn unannounced_unsafe_code_is_found() {
    let block = "// SAFETY: x.\nfn f() { unsafe { g() } }";
    let rule =
        |header: &str| found(unannounced, "crates/sys/src/a.rs", &format!("{header}{block}"));
    assert_eq!(rule(""), 2);
    assert_eq!(rule("//! A.\n#![allow(unsafe_code)]\n"), 1);
    assert_eq!(rule("//! A.\n//!\n//! # Safety\n//!\n//! B.\n"), 1);
    assert_eq!(rule("//! A.\n//!\n//! # Safety\n//!\n//! B.\n#![allow(unsafe_code)]\n"), 0);

    let claim = "// SAFETY: x.\n#[allow(unsafe_code)]\nunsafe impl Send for A {}\n";
    assert_eq!(found(unannounced, "crates/shm/src/a.rs", claim), 0);
    let two = format!("{claim}unsafe impl Sync for A {{}}\n");
    assert_eq!(found(unannounced, "crates/shm/src/a.rs", &two), 2);
}

#[test]
fn unanswered_unsafe_code_is_found() {
    let rule = |text: &str| found(unanswered, "crates/sys/src/a.rs", text);
    assert_eq!(rule("fn f() {\n    unsafe { g() };\n}"), 1);
    assert_eq!(rule("// SAFETY: for f.\nfn f() {\n    unsafe { g() };\n}"), 1);
    assert_eq!(rule("// SAFETY: one.\nunsafe { g() };\nunsafe { h() };"), 1);
    assert_eq!(rule("unsafe impl Send for A {}"), 1);
    assert_eq!(rule("unsafe extern \"C\" {\n}"), 1);

    assert_eq!(rule("fn f() {\n    // SAFETY: x,\n    // and y.\n    unsafe { g() };\n}"), 0);
    assert_eq!(rule("// SAFETY: x.\nlet a =\n    unsafe { g() };"), 0);
    assert_eq!(rule("/// # Safety\n///\n/// Only on Sundays.\n#[cold]\nunsafe fn f() {}"), 0);
    assert_eq!(rule("struct A(unsafe extern \"C\" fn(u8));"), 0);
}

#[test]
fn a_crate_that_does_not_forbid_is_found() {
    let rule = |path, text| found(not_forbidden, path, text);
    assert_eq!(rule("crates/pool/src/lib.rs", "//! A.\n"), 1);
    assert_eq!(rule("crates/pool/src/lib.rs", "// #![forbid(unsafe_code)]\n"), 1);
    assert_eq!(rule("crates/pool/src/lib.rs", "#![forbid(unsafe_code)]\n"), 0);
    assert_eq!(rule("crates/sys/src/lib.rs", "#![deny(unsafe_code)]\n"), 0);
    assert_eq!(rule("crates/pool/src/a.rs", ""), 0);
}
