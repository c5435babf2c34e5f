//! Lists and arrays that change in several places at once: what one may expect of a managed list
//! (MGR), without a manager.

use brigade::{Array, Event, ExitStatus, List, Process};

use brigade_tests::stage::{in_every_mode, in_processes, join_all};

/// MGR-01
#[test]
fn a_list_is_extended_cut_sorted_and_searched_by_others() {
    in_every_mode(|mode| {
        let list = List::from_slice(&[5_i64, 4, 3]).unwrap();
        let change = |list: List<i64>| {
            assert_eq!(list.range(1..).unwrap(), [4, 3]);
            list.extend([2, 1, 0]).unwrap();
            list.insert(1, 42).unwrap();
            assert_eq!((list.remove(0).unwrap(), list.swap_remove(1).unwrap()), (5, 4));
            assert!(list.insert(9, 0).is_err() && list.remove(5).is_err());
        };
        mode.start(change, list.clone()).join();
        assert_eq!(list.to_vec().unwrap(), [42, 0, 3, 2, 1]);
        let sort = |list: List<i64>| {
            list.sort().unwrap();
            list.retain(|number| *number != 2).unwrap();
            // As Python's `list *= 2`.
            list.extend(list.to_vec().unwrap()).unwrap();
            list.copy_from_slice(4, &[7, 7]).unwrap();
        };
        mode.start(sort, list.clone()).join();
        assert_eq!(list.to_vec().unwrap(), [0, 1, 3, 42, 7, 7, 3, 42]);
        assert_eq!((list.position(|number| number == 42), list.contains(&2)), (Some(3), false));
    });
}

/// MGR-02
#[test]
fn whoever_reads_a_list_while_it_grows_comes_to_an_end_and_sees_whole_elements() {
    in_every_mode(|mode| {
        let list = List::<[u64; 5]>::new().unwrap();
        let done = Event::new().unwrap();
        let grow = |(list, done): (List<[u64; 5]>, Event)| {
            for number in 0.. {
                if done.is_set() {
                    break;
                }
                list.extend([[number; 5], [number; 5]]).unwrap();
                if list.len() > 300 {
                    list.truncate(7);
                }
            }
        };
        let growing = mode.start(grow, (list.clone(), done.clone()));
        for _ in 0..mode.rounds() * 10 {
            assert!(list.iter().take(1_000).all(|row| row == [row[0]; 5]));
        }
        done.set();
        growing.join();
    });
}

/// MGR-01 at once (ours: nobody sees a part of a change)
#[test]
fn no_money_is_lost_between_accounts_and_none_is_seen_under_way() {
    in_every_mode(|mode| {
        let accounts = Array::from_slice(&[1_000_u64; 40]).unwrap();
        let queue = List::from_slice(&(0..40).collect::<Vec<u32>>()).unwrap();
        let transfer = |(accounts, queue): (Array<u64>, List<u32>)| {
            for number in 0..300 {
                accounts
                    .update_all(|accounts| {
                        let amount = accounts[number * 7 % 40].min(number as u64);
                        accounts[number * 7 % 40] -= amount;
                        accounts[number * 11 % 40] += amount;
                    })
                    .unwrap();
                accounts.swap(number % 40, number * 3 % 40).unwrap();
                queue.update_all(|queue| queue.rotate_left(number % 5)).unwrap();
                queue.swap(0, number % 40).unwrap();
            }
        };
        let parties = mode.start_many(3, transfer, &(accounts.clone(), queue.clone()));
        for _ in 0..mode.rounds() * 10 {
            assert_eq!(accounts.to_vec().iter().sum::<u64>(), 40_000);
            let mut all = queue.to_vec().unwrap();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..40));
        }
        join_all(parties);
        assert_eq!(accounts.iter().sum::<u64>(), 40_000);
    });
}

/// MGR-01 and a death: a change that is not committed never happened
#[test]
fn a_party_that_is_killed_in_a_change_has_changed_nothing_and_keeps_nobody_waiting() {
    in_processes(|method| {
        let list = List::from_slice(&[1_u64, 2, 3]).unwrap();
        let array = Array::from_slice(&[1_u64, 2, 3]).unwrap();
        let inside = Event::new().unwrap();
        let change = |(list, array, inside): (List<u64>, Array<u64>, Event)| {
            list.update_all(|values| {
                values.clear();
                let _ = array.update_all(|values| {
                    values.fill(9);
                    inside.set();
                    Event::new().unwrap().wait();
                });
            })
            .unwrap();
        };
        let builder = Process::builder().method(method).dies_with_parent();
        let arguments = (list.clone(), array.clone(), inside.clone());
        let party = builder.start(change, arguments).unwrap();
        inside.wait();
        party.kill().unwrap();
        assert_eq!(party.join(), ExitStatus::Signal(9));
        assert_eq!((list.to_vec().unwrap(), array.to_vec()), (vec![1, 2, 3], vec![1, 2, 3]));
        list.push(4).unwrap();
        array.update_all(|values| values.reverse()).unwrap();
        assert_eq!((list.len(), array.to_vec()), (4, vec![3, 2, 1]));
    });
}
