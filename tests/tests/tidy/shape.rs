//! The shape of a file: its length, its functions, its name, its tests.

use crate::Complaint;
use crate::source::{Source, has_word};

const LONGEST_FILE: usize = 800;
const LONGEST_FUNCTION: usize = 70;

/// Functions that may be longer: the `match` of a machine's transition.
const TRANSITIONS: [(&str, &str); 0] = [];

/// Names that say nothing about what is inside.
const NAMELESS: [&str; 6] = ["utils", "util", "helpers", "helper", "misc", "common"];

/// Files under `tests/` that may sleep, and why.
const SLEEPERS: [(&str, &str); 0] = [];

pub(crate) fn long_file(source: &Source) -> Vec<Complaint> {
    let length = source.length_without_tests();
    if source.is_test() || length <= LONGEST_FILE {
        return Vec::new();
    }
    let text = format!("{length} lines without tests; at most {LONGEST_FILE}");
    vec![Complaint::new(&source.path, 0, text)]
}

pub(crate) fn long_functions(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (number, line) in source.numbered() {
        let Some(name) = function_name(line) else { continue };
        if source.is_test() || TRANSITIONS.contains(&(source.path.as_str(), name)) {
            continue;
        }
        let length = item_length(&source.code[number - 1..]);
        if length > LONGEST_FUNCTION {
            let text = format!("{name} has {length} lines; at most {LONGEST_FUNCTION}");
            complaints.push(Complaint::new(&source.path, number, text));
        }
    }
    complaints
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let modifier = |word: &str| {
        matches!(word, "pub" | "const" | "async" | "unsafe" | "extern" | "\"\"")
            || word.starts_with("pub(")
            || word.ends_with(')')
    };
    let name = after.split(['(', '<']).next()?;
    (before.split_whitespace().all(modifier) && !name.is_empty()).then_some(name)
}

/// How many lines the item at the beginning takes, up to its closing brace or semicolon.
fn item_length(code: &[String]) -> usize {
    let mut depth = 0_usize;
    for (index, line) in code.iter().enumerate() {
        for character in line.chars() {
            match character {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && matches!(character, '}' | ';') {
                return index + 1;
            }
        }
    }
    code.len()
}

pub(crate) fn nameless_module(source: &Source) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let parts = source.path.trim_end_matches(".rs").split('/');
    for part in parts.filter(|part| NAMELESS.contains(part)) {
        complaints.push(Complaint::new(&source.path, 0, format!("`{part}` is no noun")));
    }
    for (number, line) in source.numbered() {
        let declared =
            line.split_once("mod ").map(|(_, name)| name.trim_end_matches([';', ' ', '{']));
        if let Some(name) = declared.filter(|name| NAMELESS.contains(name)) {
            complaints.push(Complaint::new(&source.path, number, format!("`{name}` is no noun")));
        }
    }
    complaints
}

pub(crate) fn ignored_tests(source: &Source) -> Vec<Complaint> {
    let ignored = source.numbered().filter(|(_, line)| {
        line.trim_start().starts_with("#[ignore") || line.contains(", ignore)")
    });
    ignored.map(|(number, _)| Complaint::new(&source.path, number, "an ignored test")).collect()
}

pub(crate) fn sleeping_tests(source: &Source) -> Vec<Complaint> {
    let may_sleep = SLEEPERS.iter().any(|(path, _why)| *path == source.path);
    if may_sleep || !source.path.starts_with("tests/") {
        return Vec::new();
    }
    let sleeps = |line: &str| line.contains("thread::sleep") || calls(line, "sleep");
    let sleeping = source.numbered().filter(|(_, line)| sleeps(line));
    let text = "a test that sleeps: wait on a word, a descriptor or a deadline";
    sleeping.map(|(number, _)| Complaint::new(&source.path, number, text)).collect()
}

fn calls(line: &str, function: &str) -> bool {
    has_word(line, function) && line.contains(&format!("{function}("))
}

#[test]
fn a_long_file_is_found() {
    let long = "fn f() {}\n".repeat(LONGEST_FILE + 1);
    assert_eq!(long_file(&Source::new("crates/x/src/a.rs", &long)).len(), 1);
    assert_eq!(long_file(&Source::new("crates/x/src/a_tests.rs", &long)).len(), 0);

    let tested = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
    assert_eq!(long_file(&Source::new("crates/x/src/a.rs", &tested)).len(), 0);
}

#[test]
fn a_long_function_is_found() {
    let short = "pub(crate) fn f(\n    a: u8,\n) -> [u8; 2] {\n    [a; 2]\n}\n";
    let long = format!("const fn g<T>() {{\n{}}}\n", "    h();\n".repeat(LONGEST_FUNCTION));
    let both = format!("{short}{long}");
    let found = long_functions(&Source::new("crates/x/src/a.rs", &both));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].line, 6);
}

#[test]
fn a_module_without_a_noun_is_found() {
    let found = |path, text| nameless_module(&Source::new(path, text)).len();
    assert_eq!(found("crates/x/src/utils.rs", ""), 1);
    assert_eq!(found("crates/x/src/helpers/a.rs", ""), 1);
    assert_eq!(found("crates/x/src/lib.rs", "pub(crate) mod misc;"), 1);
    assert_eq!(found("crates/x/src/lib.rs", "mod futility;"), 0);
}

#[test]
fn an_ignored_test_is_found() {
    let found = |text| ignored_tests(&Source::new("crates/x/src/a.rs", text)).len();
    assert_eq!(found("#[test]\n#[ignore = \"slow\"]\nfn f() {}"), 1);
    assert_eq!(found("#[cfg_attr(miri, ignore)]\nfn f() {}"), 1);
    assert_eq!(found("// #[ignore]\nfn ignore() {}"), 0);
}

#[test]
fn a_sleeping_test_is_found() {
    let found = |path, text| sleeping_tests(&Source::new(path, text)).len();
    assert_eq!(found("tests/tests/a.rs", "std::thread::sleep(second);"), 1);
    assert_eq!(found("tests/tests/a.rs", "use std::thread::{self, sleep};\nsleep(second);"), 1);
    assert_eq!(found("tests/tests/a.rs", "run(\"sleep(1)\"); no_sleep(x);"), 0);
    assert_eq!(found("examples/a.rs", "std::thread::sleep(second);"), 0);
}
