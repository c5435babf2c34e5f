use super::*;
use crate::arena::block::Kind;
use crate::arena::heap::Plan;
use crate::handle::Handle;
use crate::testing::{alone, at_every_step};

#[repr(C, align(64))]
struct Pair {
    log: RedoLog,
    words: [AtomicU64; 2],
}

// SAFETY: shareable parts throughout.
#[allow(unsafe_code, reason = "the claim is checked by eye, field by field")]
unsafe impl Shareable for Pair {}

fn pair() -> (Handle, &'static Pair) {
    let plan = Plan { kind: Kind::Bytes, shape: 0, length: size_of::<Pair>(), parts: 0 };
    let handle = Handle::create(plan).expect("there is memory");
    let pair = handle.arena().mapping().get(handle.body()).expect("it lies in the arena");
    (handle, pair)
}

fn add_one(pair: &'static Pair, arena: &'static Arena) -> (u64, u64) {
    let mut transaction = pair.log.begin(arena, Deadline::NEVER).expect("no deadline");
    let [first, second] = [0, 1].map(|index| pair.words[index].load(Relaxed));
    transaction.set(&pair.words[0], first + 1);
    transaction.set(&pair.words[1], second + 1);
    transaction.commit();
    (first, second)
}

#[test]
fn words_that_change_together_do_so_at_whatever_step_their_changer_dies() {
    let _alone = alone();
    let (handle, pair) = pair();
    let mut changes = 0;
    let deaths = at_every_step(
        || {
            add_one(pair, handle.arena());
        },
        |came_through| {
            let (first, second) = add_one(pair, handle.arena());
            assert_eq!(first, second);
            assert!(first == changes || first == changes + 1);
            assert!(!came_through || first == changes + 1);
            changes = first + 1;
        },
    );
    assert!(deaths >= 7, "only {deaths} steps");
}

#[test]
fn notes_that_are_not_committed_change_nothing() {
    let (handle, pair) = pair();
    let mut transaction = pair.log.begin(handle.arena(), Deadline::NEVER).expect("no deadline");
    transaction.set(&pair.words[0], 7);
    drop(transaction);
    assert_eq!(add_one(pair, handle.arena()), (0, 0));
}
