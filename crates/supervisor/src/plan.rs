//! What a new configuration changes about the programs of the old one.

use crate::config::{Config, Program, ReloadScope, Socket};
use crate::machine::Role;
use crate::policy::Restart;

/// What happens to one program. Programs that are not mentioned are not touched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step<'a> {
    /// It is new.
    Add(&'a Program),
    /// Its processes are exchanged.
    Roll(&'a Program),
    /// It gets more or fewer processes.
    Resize(&'a Program),
    /// It goes.
    Remove(&'a Program),
}

/// The steps from `old` to `new`, in the order of the new configuration.
pub(crate) fn plan<'a>(old: &'a Config, new: &'a Config, scope: ReloadScope) -> Vec<Step<'a>> {
    let mut steps: Vec<Step<'a>> = new
        .programs
        .iter()
        .filter_map(|program| match old.program(&program.name) {
            None => Some(Step::Add(program)),
            Some(before) if !before.runs_like(program) => Some(Step::Roll(program)),
            Some(before) if sockets(old, before) != sockets(new, program) => {
                Some(Step::Roll(program))
            }
            Some(_) if scope == ReloadScope::All && is_service(program) => {
                Some(Step::Roll(program))
            }
            Some(before) if before.count != program.count => Some(Step::Resize(program)),
            Some(_) => None,
        })
        .collect();
    let gone = old.programs.iter().filter(|program| new.program(&program.name).is_none());
    steps.extend(gone.map(Step::Remove));
    steps
}

/// Whether it is of any use to run the same once more: a job would be done twice.
fn is_service(program: &Program) -> bool {
    program.role == Role::Service && program.restart != Restart::Never
}

fn sockets<'a>(config: &'a Config, program: &Program) -> Vec<Option<&'a Socket>> {
    program.sockets.iter().map(|name| config.socket(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Address;

    fn program(name: &str) -> Program {
        Program::new(name, "/bin/true")
    }

    fn config(programs: &[Program]) -> Config {
        Config { programs: programs.to_vec(), ..Config::default() }
    }

    fn check(old: &Config, new: &Config, scope: ReloadScope, expected: &[Step<'_>]) {
        assert_eq!(plan(old, new, scope), expected);
    }

    #[test]
    fn nothing_changed_is_nothing_to_do_unless_everything_is_asked_for() {
        let job = Program { restart: Restart::Never, ..program("job") };
        let main = Program { role: Role::Main, ..program("main") };
        let both = config(&[program("web"), job, main]);
        check(&both, &both, ReloadScope::Changed, &[]);
        check(&both, &both, ReloadScope::All, &[Step::Roll(&program("web"))]);
    }

    #[test]
    fn of_many_programs_only_the_one_with_a_changed_key_is_touched() {
        let programs: Vec<Program> = (0..40).map(|it| program(&format!("p{it}"))).collect();
        let old = config(&programs);
        let mut new = old.clone();
        new.programs[17].arguments.push("--verbose".into());
        check(&old, &new, ReloadScope::Changed, &[Step::Roll(&new.programs[17])]);
    }

    #[test]
    fn programs_come_go_and_grow() {
        let old = config(&[program("a"), program("b")]);
        let more = Program { count: 3, ..program("b") };
        let new = config(&[program("c"), more.clone()]);
        let steps = [Step::Add(&program("c")), Step::Resize(&more), Step::Remove(&old.programs[0])];
        check(&old, &new, ReloadScope::Changed, &steps);
        let steps = [Step::Add(&program("c")), Step::Roll(&more), Step::Remove(&old.programs[0])];
        check(&old, &new, ReloadScope::All, &steps);
    }

    #[test]
    fn a_socket_that_moved_changes_the_programs_that_have_it() {
        let web = Program { sockets: vec!["http".into()], ..program("web") };
        let mut old = config(&[web.clone(), program("other")]);
        old.sockets.push(Socket::new("http", Address::Unix("/a".into())));
        let mut new = old.clone();
        new.sockets[0].address = Address::Unix("/b".into());
        check(&old, &new, ReloadScope::Changed, &[Step::Roll(&web)]);
    }
}
