use super::*;

fn runs<'a>(old: &[u8], new: &'a [u8]) -> Vec<(usize, &'a [u8])> {
    Run::between(old, new).into_iter().map(|run| (run.start, run.values)).collect()
}

#[test]
fn runs_are_of_what_differs() {
    assert_eq!(runs(b"", b""), []);
    assert_eq!(runs(b"abc", b"abc"), []);
    assert_eq!(runs(b"abc", b"a"), []);
    assert_eq!(runs(b"abc", b"abcde"), [(3, &b"de"[..])]);
    assert_eq!(runs(b"abc", b"xbyz"), [(0, &b"x"[..]), (2, b"yz")]);
    assert_eq!(runs(b"", b"abc"), [(0, &b"abc"[..])]);
}

#[test]
fn a_note_has_room_for_two_elements() {
    assert_eq!(Desk::<u8>::NOTE_WORDS, LEAST_NOTE);
    assert_eq!(Desk::<()>::ROW, 1);
    assert_eq!(Desk::<[u64; 100]>::NOTE_WORDS, HEAD + 2 * (RUN_HEAD + 100));
}
