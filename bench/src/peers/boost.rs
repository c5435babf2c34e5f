//! Boost.Interprocess's message queue, where its headers and a C++ compiler are.
//!
//! The program is compiled once in a run, and lives in memory: nothing is left behind.

use crate::Result;
use crate::peers::program::line;
use brigade_sys::memory;
use std::fs;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{self, Command};
use std::sync::LazyLock;

const SOURCE: &str = include_str!("../../cpp/boost.cpp");
const HEADER: &str = "#include <boost/interprocess/ipc/message_queue.hpp>\n";

/// The program's descriptor, or why there is none.
static PROGRAM: LazyLock<std::result::Result<File, String>> =
    LazyLock::new(|| compile().map_err(|error| error.to_string()));

pub(crate) fn missing() -> Option<String> {
    PROGRAM.as_ref().err().cloned()
}

pub(crate) fn command() -> Result<Command> {
    let program = PROGRAM.as_ref().map_err(String::clone)?;
    Ok(Command::new(format!("/proc/{}/fd/{}", process::id(), program.as_raw_fd())))
}

pub(crate) fn version() -> Option<String> {
    line(command().ok()?.arg("version"))
}

fn compile() -> Result<File> {
    let folder = tempfile::tempdir()?;
    let (header, source, program) = (
        folder.path().join("header.cpp"),
        folder.path().join("boost.cpp"),
        folder.path().join("boost"),
    );
    fs::write(&header, HEADER)?;
    fs::write(&source, SOURCE)?;
    let compiler = || Command::new("c++");
    let has_header = compiler().args(["-std=c++17", "-M", "-o", "/dev/null"]).arg(&header).output();
    if !has_header.map_err(|_| "there is no C++ compiler")?.status.success() {
        return Err("Boost.Interprocess is not installed (Debian: libboost-dev)".into());
    }
    let compiled = compiler()
        .args(["-std=c++17", "-O2", "-pthread", "-o"])
        .args([&program, &source])
        .arg("-lrt")
        .output()?;
    if !compiled.status.success() {
        let errors = String::from_utf8_lossy(&compiled.stderr).into_owned();
        return Err(format!("it does not compile: {errors}").into());
    }
    let bytes = fs::read(program)?;
    let mut file = File::from(memory::create("brigade-bench-boost", bytes.len() as u64)?);
    file.write_all(&bytes)?;
    // Nothing that may be written can be executed.
    Ok(File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?)
}
