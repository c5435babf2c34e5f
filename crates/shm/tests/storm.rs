//! Deaths at any instruction, also between the labelled steps.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::testing::{alone, start};
use brigade_shm::{Array, Item, List, ShareableList, Value};

const ROUNDS: u32 = 300;

#[test]
fn children_killed_at_random_leave_everything_whole_and_nobody_waiting() {
    let _alone = alone();
    let value = Value::new([0_u64; 6]).unwrap();
    let array = Array::from_slice(&[[0_u64; 5]; 3]).unwrap();
    let list = List::<[u64; 4]>::new().unwrap();
    let items = ShareableList::create_unnamed(["a".repeat(64)]).unwrap();
    let work = |seed: u64| {
        for number in seed.. {
            value.update(|row| *row = [row[0] + 1; 6]);
            array.set((number % 3) as usize, [number; 5]).unwrap();
            list.push([number; 4]).unwrap();
            if list.len() > 100 {
                list.truncate(3);
            }
            let _ = list.pop();
            let _ = list.update(0, |row| *row = [row[0] + 1; 4]);
            items.set(0, ["b", "c"][(number % 2) as usize].repeat(64)).unwrap();
        }
    };
    let mut counted = 0;
    for round in 0..ROUNDS {
        let children = [start(|| work(u64::from(round))), start(|| work(7))];
        // A different instant each time, after both have had some time to begin.
        let instant = Duration::from_micros(u64::from(round * 7919 % 3_000));
        let began = Instant::now();
        while began.elapsed() < instant {
            std::hint::spin_loop();
        }
        children.into_iter().for_each(|child| child.kill());

        let found = value.update(|row| *row);
        assert_eq!(found, [found[0]; 6]);
        assert!(found[0] >= counted, "an update that was seen stays");
        counted = found[0];
        for row in array.to_vec() {
            assert_eq!(row, [row[0]; 5]);
        }
        array.update(0, |row| *row = [1; 5]).unwrap();
        let rows = list.to_vec().unwrap();
        assert!(rows.len() <= 102);
        assert!(rows.iter().all(|row| *row == [row[0]; 4]));
        list.push([3; 4]).unwrap();
        match items.get(0).unwrap() {
            Item::Str(text) => assert!(text.len() == 64 && text == text[..1].repeat(64)),
            other => panic!("{other:?}"),
        }
        items.set(0, "d".repeat(64)).unwrap();
    }
    assert!(counted > 0, "the children did something");
}
