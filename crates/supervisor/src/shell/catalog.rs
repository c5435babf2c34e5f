//! Which program is which, and what each generation of it runs.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use crate::config::{Config, Output, Program, Socket};
use crate::log::Target;
use crate::machine::{Edition, Generation, ProgramId};

/// Everything that is needed to start a process of one edition.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) program: Program,
    /// The sockets that its processes get, in this order.
    pub(super) sockets: Vec<Socket>,
    /// Where their output goes.
    pub(super) target: Target,
}

/// The programs by name and number, and their editions.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    names: BTreeMap<ProgramId, String>,
    specs: HashMap<(ProgramId, Generation), Rc<Spec>>,
    last: u32,
}

impl Catalog {
    /// The number of the program with this name.
    pub(super) fn id(&self, name: &str) -> Option<ProgramId> {
        self.names.iter().find(|(_, known)| *known == name).map(|(&id, _)| id)
    }

    /// The name of the program with this number.
    pub(super) fn name(&self, id: ProgramId) -> &str {
        self.names.get(&id).map_or("?", String::as_str)
    }

    /// Takes an edition of a program in; a name that is new gets a number.
    pub(super) fn enter(
        &mut self,
        config: &Config,
        program: &Program,
        generation: Generation,
    ) -> (ProgramId, Edition) {
        let id = self.id(&program.name).unwrap_or_else(|| {
            self.last += 1;
            self.names.insert(ProgramId(self.last), program.name.clone());
            ProgramId(self.last)
        });
        let sockets = program.sockets.iter().filter_map(|name| config.socket(name));
        let spec = Spec {
            program: program.clone(),
            sockets: sockets.cloned().collect(),
            target: match &program.output {
                Output::File(path) => Target::File(Arc::from(path.as_path())),
                _ if program.inherits_output() => Target::Stderr,
                _ => Target::Stdout,
            },
        };
        self.specs.insert((id, generation), Rc::new(spec));
        let &Program { count, replacement, restart, role, .. } = program;
        (id, Edition { generation, count, replacement, restart, role })
    }

    /// What a process of this generation runs. If a generation was given up meanwhile, what the
    /// latest one that is left runs.
    pub(super) fn spec(&self, id: ProgramId, generation: Generation) -> Option<Rc<Spec>> {
        let exact = self.specs.get(&(id, generation));
        let latest = || {
            let of_it = self.specs.iter().filter(|((of, _), _)| *of == id);
            of_it.max_by_key(|((_, generation), _)| *generation).map(|(_, spec)| spec)
        };
        exact.or_else(latest).cloned()
    }

    /// Forgets every edition of a program but one.
    pub(super) fn keep_only(&mut self, id: ProgramId, generation: Generation) {
        if self.specs.contains_key(&(id, generation)) {
            self.specs.retain(|&(of, other), _| of != id || other == generation);
        }
    }

    /// Forgets a program.
    pub(super) fn forget(&mut self, id: ProgramId) {
        self.names.remove(&id);
        self.specs.retain(|&(of, _), _| of != id);
    }
}
