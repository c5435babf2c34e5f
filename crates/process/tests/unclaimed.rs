//! A program that has not claimed its entry point (STM-13): no `test_binary!` here.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use brigade_process::{Process, StartError, StartMethod, fork_server};

#[test]
fn a_program_without_a_claimed_entry_is_told_so_and_starts_nothing() {
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let error = Process::builder().name("clerk").method(method).start(|()| (), ()).unwrap_err();
        assert!(matches!(error, StartError::NotClaimed { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("`clerk`") && text.contains("brigade::init()"), "{text}");
    }
    assert!(matches!(fork_server::start(), Err(StartError::NotClaimed { .. })));
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    for task in tasks {
        let children = std::fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        assert_eq!(children, "");
    }
}
