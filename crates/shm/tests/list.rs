//! Lists between processes: what a child changes, and what a death leaves.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use std::time::{Duration, Instant};

use brigade_shm::testing::{Ended, alone, at_every_step, run, start};
use brigade_shm::{Arena, List, Plain};

#[test]
fn what_many_processes_push_is_all_there() {
    let _alone = alone();
    let list = List::new().unwrap();
    let children: Vec<_> = (0..4_u64)
        .map(|child| {
            let list = &list;
            start(move || (0..1_000).for_each(|number| list.push([child, number]).unwrap()))
        })
        .collect();
    for child in children {
        assert_eq!(child.join(), Ended::Code(0));
    }
    let all = list.to_vec().unwrap();
    assert_eq!(all.len(), 4_000);
    for child in 0..4 {
        let own = all.iter().filter(|pair| pair[0] == child).map(|pair| pair[1]);
        assert!(own.eq(0..1_000), "in the order in which the child pushed them");
    }
}

#[test]
fn a_death_in_any_step_leaves_the_list_before_or_after_each_change() {
    let _alone = alone();
    let list = List::new().unwrap();
    list.extend([[0_u64; 3]; 2]).unwrap();
    let deaths = at_every_step(
        || {
            list.push([1; 3]).unwrap();
            list.set(0, [2; 3]).unwrap();
            list.update(1, |row| *row = [3; 3]).unwrap();
            list.extend([[4; 3], [5; 3]]).unwrap();
            list.pop().unwrap();
        },
        |_| {
            let found: Vec<_> = list.to_vec().unwrap();
            assert!(found.iter().all(|row| *row == [row[0]; 3]));
            let first: Vec<_> = found.iter().map(|row| row[0]).collect();
            let stages: [&[u64]; 6] =
                [&[0, 0], &[0, 0, 1], &[2, 0, 1], &[2, 3, 1], &[2, 3, 1, 4, 5], &[2, 3, 1, 4]];
            assert!(stages.contains(&&first[..]), "{first:?}");
            list.clear();
            list.extend([[0; 3]; 2]).unwrap();
        },
    );
    assert!(deaths >= 40, "each word is a step");
}

/// A change of a list, as it is for a vector.
type Change<'a, T> = &'a dyn Fn(&mut Vec<T>);

#[test]
fn a_death_in_any_step_leaves_all_of_a_change_of_several_elements_or_nothing() {
    fn dies<T: Plain + PartialEq + std::fmt::Debug>(make: impl Fn(u64) -> T) {
        let list = List::new().unwrap();
        // Enough for a note, and too much for one.
        for length in [3, 40] {
            let start: Vec<_> = (0..length).map(&make).collect();
            list.clear();
            list.extend(start.clone()).unwrap();
            let changes: [Change<'_, T>; 6] = [
                &|values| values.insert(1, make(7)),
                &|values| assert!(values.remove(0) == make(0)),
                &|values| values.swap(0, 2),
                &|values| assert_ne!(values.swap_remove(1), make(99)),
                &|values| values.iter_mut().step_by(2).for_each(|value| *value = make(9)),
                &|values| values[1..].fill(make(8)),
            ];
            let mut stages = vec![start.clone()];
            for change in changes {
                let mut next = stages.last().unwrap().clone();
                change(&mut next);
                stages.push(next);
            }
            let operations = || {
                list.insert(1, make(7)).unwrap();
                list.remove(0).unwrap();
                list.swap(0, 2).unwrap();
                list.swap_remove(1).unwrap();
                let even = |values: &mut Vec<T>| {
                    values.iter_mut().step_by(2).for_each(|value| *value = make(9));
                };
                list.update_all(even).unwrap();
                let rest = vec![make(8); list.len() - 1];
                list.copy_from_slice(1, &rest).unwrap();
            };
            let deaths = at_every_step(operations, |came_through| {
                // Whoever reads without the lock sees what was committed, too.
                let read: Vec<_> = list.iter().collect();
                let found = list.to_vec().unwrap();
                assert_eq!(read, found);
                assert_eq!(list.len(), found.len());
                assert!(stages.contains(&found), "{found:?}");
                assert!(!came_through || Some(&found) == stages.last());
                list.clear();
                list.extend(start.clone()).unwrap();
            });
            assert!(deaths >= 80, "only {deaths} steps");
        }
    }
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let before = arena.used().unwrap();
    dies(|number| number as u8);
    dies(|number| [number; 2]);
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), before);
}

#[test]
fn a_death_while_the_list_grows_leaks_nothing() {
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let before = arena.used().unwrap();
    let deaths = {
        let list = List::<u64>::new().unwrap();
        at_every_step(
            || list.extend(0..40).unwrap(),
            |came_through| {
                assert!([0, 40].contains(&list.len()));
                assert!(!came_through || list.len() == 40);
                assert!(list.iter().eq(0..list.len() as u64));
                list.clear();
            },
        )
    };
    assert!(deaths >= 45);
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), before);
}

#[test]
fn a_child_that_pops_takes_from_the_parent() {
    let _alone = alone();
    let list = List::new().unwrap();
    list.extend([1_i32, 2, 3]).unwrap();
    assert_eq!(run(|| assert_eq!(list.pop(), Some(3))), Ended::Code(0));
    assert_eq!(list.to_vec().unwrap(), [1, 2]);
}

#[test]
fn children_killed_at_random_leave_every_change_of_a_list_whole() {
    const ROUNDS: i64 = 150;
    let _alone = alone();
    let arena = Arena::program().unwrap();
    arena.bury_the_dead();
    let before = arena.used().unwrap();
    let list = List::from_slice(&[0_i64; 3]).unwrap();
    // No whole change makes the sum of all elements another.
    let work = |seed: i64| {
        for number in seed.. {
            list.extend([number, -number]).unwrap();
            list.update_all(|values| values.rotate_right(1)).unwrap();
            list.swap(0, 2).unwrap();
            list.update_all(|values| {
                values.insert(1, -number);
                values.push(number);
            })
            .unwrap();
            list.retain(|value| value.abs() % 3 != 1).unwrap();
            if number % 100 == 0 {
                list.update_all(|values| *values = vec![0; 3]).unwrap();
            }
        }
    };
    let mut sums = 0;
    for round in 0..ROUNDS {
        let children = [0, 1].map(|child| start(move || work(round + child * 333)));
        let instant = Duration::from_micros((round * 7_919 % 4_000) as u64);
        let began = Instant::now();
        // Somebody reads all the while.
        while began.elapsed() < instant {
            let all = list.to_vec().unwrap();
            assert_eq!(all.iter().sum::<i64>(), 0, "{all:?}");
            sums += usize::from(all.iter().any(|value| *value != 0));
        }
        children.into_iter().for_each(|child| child.kill());
        let read: Vec<_> = list.iter().collect();
        assert_eq!((read.iter().sum::<i64>(), read.len()), (0, list.len()));
        assert_eq!(list.to_vec().unwrap(), read);
    }
    assert!(sums > 0, "the children did something");
    drop(list);
    arena.bury_the_dead();
    assert_eq!(arena.used().unwrap(), before);
}
