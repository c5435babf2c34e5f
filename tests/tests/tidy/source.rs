//! A Rust file, taken apart: its code and its comments, line by line.

/// A file as the rules see it. Line `n` of the file is `code[n - 1]` and `comments[n - 1]`.
pub(crate) struct Source {
    pub(crate) path: String,
    /// The lines without comments, and with nothing between the quotes of a literal.
    pub(crate) code: Vec<String>,
    /// What stands in comments, documentation included, with the slashes.
    pub(crate) comments: Vec<String>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let mut splitter = Splitter::default();
        let characters: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < characters.len() {
            at += splitter.step(&characters[at..]);
        }
        let (code, comments) = (splitter.code, splitter.comments);
        Self { path: path.to_owned(), code: lines(&code), comments: lines(&comments) }
    }

    /// Whether the file holds nothing but tests.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "tests.rs"
            || name.ends_with("_tests.rs")
            || self.path.starts_with("tests/")
            || self.path.contains("/tests/")
    }

    /// How many lines come before the module of tests that closes the file.
    pub(crate) fn length_without_tests(&self) -> usize {
        let opens_tests = |(number, line): &(usize, &String)| {
            line.trim() == "#[cfg(test)]"
                && self.code[number + 1..]
                    .iter()
                    .find(|next| !next.trim().is_empty() && !next.trim().starts_with("#["))
                    .is_some_and(|next| next.trim().starts_with("mod ") && next.ends_with('{'))
        };
        let lines = self.code.iter().enumerate();
        lines.clone().find(opens_tests).map_or(self.code.len(), |(number, _)| number)
    }

    /// The lines of code with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().enumerate().map(|(index, line)| (index + 1, line.as_str()))
    }
}

/// Whether `line` has `word` as a word of its own.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let inside = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(inside) && !line[at + word.len()..].starts_with(inside)
    })
}

fn lines(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

#[derive(Default)]
enum State {
    #[default]
    Code,
    LineComment,
    /// How many block comments are open: they nest.
    BlockComment(usize),
    /// A string, and how many hashes close it; `None` where a backslash escapes.
    Text(Option<usize>),
}

#[derive(Default)]
struct Splitter {
    state: State,
    code: String,
    comments: String,
}

impl Splitter {
    /// Takes what `rest` begins with and says how many characters that was.
    fn step(&mut self, rest: &[char]) -> usize {
        if rest[0] == '\n' {
            if matches!(self.state, State::LineComment) {
                self.state = State::Code;
            }
            self.code.push('\n');
            self.comments.push('\n');
            return 1;
        }
        match self.state {
            State::Code => self.code_step(rest),
            State::LineComment => {
                self.comments.push(rest[0]);
                1
            }
            State::BlockComment(depth) => self.block_step(rest, depth),
            State::Text(hashes) => self.text_step(rest, hashes),
        }
    }

    fn code_step(&mut self, rest: &[char]) -> usize {
        if rest.starts_with(&['/', '/']) {
            self.state = State::LineComment;
            self.comments.push_str("//");
            return 2;
        }
        if rest.starts_with(&['/', '*']) {
            self.state = State::BlockComment(1);
            return 2;
        }
        if rest[0] == '"' {
            self.state = State::Text(None);
        } else if let Some(length) = raw_opening(rest).filter(|_| !self.code.ends_with(inside_name))
        {
            self.state = State::Text(Some(length - 2));
            self.code.push('"');
            return length;
        } else if let Some(length) = character_literal(rest) {
            self.code.push_str("' '");
            return length;
        }
        self.code.push(rest[0]);
        1
    }

    fn block_step(&mut self, rest: &[char], depth: usize) -> usize {
        if rest.starts_with(&['/', '*']) {
            self.state = State::BlockComment(depth + 1);
            return 2;
        }
        if rest.starts_with(&['*', '/']) {
            self.state = if depth == 1 { State::Code } else { State::BlockComment(depth - 1) };
            return 2;
        }
        self.comments.push(rest[0]);
        1
    }

    fn text_step(&mut self, rest: &[char], hashes: Option<usize>) -> usize {
        if rest[0] == '\\' && hashes.is_none() && rest.get(1) != Some(&'\n') {
            return 2.min(rest.len());
        }
        let closing = hashes.unwrap_or(0);
        let hashes_here = rest[1..].iter().take_while(|&&character| character == '#').count();
        if rest[0] == '"' && hashes_here >= closing {
            self.state = State::Code;
            self.code.push('"');
            return 1 + closing;
        }
        1
    }
}

fn inside_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The length of `r"`, `r#"`, `r##"` and so on.
fn raw_opening(rest: &[char]) -> Option<usize> {
    let hashes = rest.get(1..)?.iter().take_while(|&&character| character == '#').count();
    (rest[0] == 'r' && rest.get(1 + hashes) == Some(&'"')).then_some(2 + hashes)
}

/// The length of `'x'` or `'\n'`; nothing for a lifetime.
fn character_literal(rest: &[char]) -> Option<usize> {
    match rest {
        ['\'', '\\', _, tail @ ..] => Some(4 + tail.iter().position(|&next| next == '\'')?),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

#[test]
fn code_and_comments_come_apart() {
    let text = "let a = \"// no \\\" /* comment\"; // a comment\n\
                /* one /* two */ still */ let b = r#\"unsafe \"#; let c = ('\"', '\\'', b'x');\n\
                fn f<'a>(x: &'a str) {} /// unsafe";
    let source = Source::new("x.rs", text);

    assert_eq!(source.code[0], "let a = \"\"; ");
    assert_eq!(source.comments[0], "// a comment");
    assert_eq!(source.code[1], " let b = \"\"; let c = (' ', ' ', b' ');");
    assert_eq!(source.comments[1], " one  two  still ");
    assert_eq!(source.code[2], "fn f<'a>(x: &'a str) {} ");
    assert_eq!(source.comments[2], "/// unsafe");
}

#[test]
fn a_word_is_not_a_part_of_a_word() {
    assert!(has_word("x = unsafe {", "unsafe"));
    assert!(!has_word("#![deny(unsafe_code)]", "unsafe"));
}

#[test]
fn closing_tests_do_not_count() {
    let text = "#[cfg(test)]\nmod tests;\nfn f() {}\n#[cfg(test)]\n#[allow(x)]\nmod more {\n}\n";
    assert_eq!(Source::new("x.rs", text).length_without_tests(), 3);
}
