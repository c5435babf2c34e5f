//! What other programs prove: the models, and the sanitizers. Each runs by cargo, from the sources.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::processes::run;
use crate::report::Section;

/// How long one of them may take, compilation included.
const LIMIT: Duration = Duration::from_secs(3_600);

/// The crates that share memory, or make sense of bytes.
const PACKAGES: [&str; 3] = ["brigade-sys", "brigade-codec", "brigade-shm"];

/// What needs no kernel: the name of a package, and what the names of its tests contain.
const PURE: [(&str, &[&str]); 2] =
    [("brigade-codec", &[""]), ("brigade-shm", &["layout::tests", "block::tests", "item::tests"])];

/// Cargo, at the root of the sources.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command.args(arguments);
    command
}

/// Every order of the primitives' steps.
pub fn models() -> Section {
    let about = "The primitives' own files, compiled with other atomics and another kernel. Every \
                 order of steps is tried, within a bound of preemptions and with all that the \
                 memory model allows, and every death between two steps; or so many orders are \
                 drawn.";
    let columns = ["model", "what it shows", "orders", "deaths", "manner", "seconds"];
    let mut section = Section::new("Models", about, &columns);
    let began = Instant::now();
    let Some(report) = ask_models(&["run"], &mut section) else { return section };
    let (mut orders, mut all) = (0, 0);
    for model in list(&report, "models") {
        let number = |name: &str| model["explored"][name].as_u64().unwrap_or(0);
        let took = model["took"]["secs"].as_u64().unwrap_or(0);
        let is_exhaustive = model["is_exhaustive"].as_bool() == Some(true);
        all += 1;
        orders += number("executions");
        section.rows.push(vec![
            text(&model["name"]),
            text(&model["about"]),
            number("executions").to_string(),
            number("deaths").to_string(),
            if is_exhaustive { "all" } else { "drawn" }.to_owned(),
            took.to_string(),
        ]);
        if let Some(failure) = model["failure"].as_str() {
            section.failures.push(format!("{}: {failure}", text(&model["name"])));
        }
    }
    section.summary = format!("{all} models, {orders} orders");
    section.took = began.elapsed();
    section
}

/// Every store, fence and wake-up left out, and every ordering weakened.
pub fn mutants() -> Section {
    let about = "Each store, change, fence, announcement and wake-up that the models run through \
                 is left out, and each ordering made weaker. A model must notice, or it is known \
                 why nobody can.";
    let columns = ["what is done wrongly", "line", "noticed by", "or harmless, since"];
    let mut section = Section::new("Mutants of the models", about, &columns);
    let began = Instant::now();
    let Some(report) = ask_models(&["mutants", "--quick"], &mut section) else { return section };
    let (mut noticed, mut all) = (0, 0);
    for mutant in list(&report, "mutants") {
        all += 1;
        noticed += u32::from(!mutant["noticed_by"].is_null());
        let fields = ["mutant", "line", "noticed_by", "harmless"];
        section.rows.push(fields.iter().map(|field| text(&mutant[field])).collect());
        if mutant["noticed_by"].is_null() && mutant["harmless"].is_null() {
            section.failures.push(format!("{}: not noticed", text(&mutant["mutant"])));
        }
    }
    section.summary = format!("{noticed} of {all} noticed");
    section.took = began.elapsed();
    section
}

fn ask_models(arguments: &[&str], section: &mut Section) -> Option<Value> {
    let mut command = cargo(&["run", "--quiet", "-p", "brigade-models", "--"]);
    command.args(arguments);
    match run(&mut command, LIMIT) {
        // One that has found something is no success, and says what.
        Ok(said) => match serde_json::from_str(&said.output) {
            Ok(report) => return Some(report),
            Err(error) => section.failures.push(format!("{error}: {:?}", said.failure)),
        },
        Err(error) => section.failures.push(format!("cannot be started: {error}")),
    }
    None
}

fn list<'a>(report: &'a Value, name: &str) -> &'a [Value] {
    report[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The tests of the crates that share memory, with every access checked.
pub fn sanitizers() -> Section {
    let about = "The unit tests of the crates that share memory, compiled with AddressSanitizer; \
                 and those that need no kernel under Miri, where it is installed.";
    let mut section = Section::new("Sanitizers", about, &["what", "of", "result"]);
    let began = Instant::now();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    for package in PACKAGES {
        let mut command = cargo(&["test", "-p", package, "--lib", "--target", &target]);
        command.args(["--target-dir", "target/sanitizers"]);
        command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
        command.env("ASAN_OPTIONS", "detect_leaks=0");
        note_tests(&mut section, "AddressSanitizer", package, &mut command);
    }
    if run(&mut cargo(&["miri", "--version"]), LIMIT).is_ok_and(|said| said.failure.is_none()) {
        for (package, tests) in PURE {
            let mut command = cargo(&["miri", "test", "-p", package, "--lib"]);
            command.args(["--target-dir", "target/miri", "--"]).args(tests);
            command.env("MIRIFLAGS", "-Zmiri-disable-isolation");
            note_tests(&mut section, "Miri", package, &mut command);
        }
    } else {
        let row = ["Miri", "", "not run: `cargo miri` is not installed"];
        section.rows.push(row.map(str::to_owned).to_vec());
    }
    section.summary = format!("{} packages", PACKAGES.len());
    section.took = began.elapsed();
    section
}

/// Runs tests, which must pass, and must be some.
fn note_tests(section: &mut Section, tool: &str, package: &str, command: &mut Command) {
    let result = match run(command, LIMIT) {
        Ok(said) => match said.failure {
            Some(failure) => Err(format!("{failure}\n{}", said.output)),
            None => passed(&said.output).ok_or_else(|| "no test was run".to_owned()),
        },
        Err(error) => Err(format!("cannot be started: {error}")),
    };
    let told = match result {
        Ok(passed) => format!("{passed} tests passed"),
        Err(failure) => {
            section.failures.push(format!("{tool}, {package}: {failure}"));
            "failed".to_owned()
        }
    };
    section.rows.push(vec![tool.to_owned(), package.to_owned(), told]);
}

/// How many tests passed, by what cargo printed; none are no proof.
fn passed(output: &str) -> Option<u32> {
    let counts = output.lines().filter_map(|line| {
        let rest = line.strip_prefix("test result: ok. ")?;
        rest.split(' ').next()?.parse::<u32>().ok()
    });
    Some(counts.sum()).filter(|&passed| passed > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_passed_are_counted_and_none_are_no_proof() {
        let one = "test result: ok. 12 passed; 0 failed; 0 ignored\n";
        assert_eq!(passed(&format!("running\n{one}\n{one}")), Some(24));
        assert_eq!(passed("test result: ok. 0 passed; 0 failed\n"), None);
        assert_eq!(passed(""), None);
    }
}
