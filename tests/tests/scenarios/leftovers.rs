//! The stage itself: what a scenario leaves is noticed.

use std::fs::{self, File};
use std::panic::catch_unwind;

use brigade::{Event, Process, parent_process};
use brigade_tests::stage::{in_processes, unique};

#[test]
fn a_scenario_that_leaves_something_fails() {
    let leaves_nothing = || in_processes(|_| drop(File::open("/dev/null").unwrap()));
    let leaves_a_descriptor =
        || in_processes(|_| std::mem::forget(File::open("/dev/null").unwrap()));
    let leaves_a_child = || {
        in_processes(|method| {
            let builder = Process::builder().method(method).dies_with_parent();
            drop(builder.start(|()| Event::new().unwrap().wait(), ()).unwrap());
        });
    };
    let leaves_a_file = || {
        in_processes(|_| {
            let told = left_by(parent_process().unwrap().pid());
            fs::write(format!("/dev/shm/{}", unique(&told)), "left").unwrap();
        });
    };
    assert!(catch_unwind(leaves_nothing).is_ok());
    assert!(catch_unwind(leaves_a_descriptor).is_err());
    assert!(catch_unwind(leaves_a_child).is_err());
    assert!(catch_unwind(leaves_a_file).is_err());
    for file in fs::read_dir("/dev/shm").unwrap() {
        let path = file.unwrap().path();
        if path.to_string_lossy().ends_with(&left_by(std::process::id() as i32)) {
            fs::remove_file(path).unwrap();
        }
    }
}

/// What a file is called that a scenario of the program `pid` has left.
fn left_by(pid: i32) -> String {
    format!("left-for-{pid}")
}
