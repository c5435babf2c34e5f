//! What the supervisor says about itself and its programs.

use std::time::Duration;

use brigade_sys::time::now;

use super::looping::Shell;
use super::timers::Key;
use crate::machine::{Phase, Process, Program, Reload, Slot, Wanted};
use crate::policy::Outcome;
use crate::status::{
    DaemonState, InstanceState, InstanceStatus, ProgramState, ProgramStatus, Reply, SocketStatus,
    Status, Verdict,
};

impl Shell {
    /// The state of everything, or of one program; that one does not run is a verdict of its own.
    pub(super) fn status_reply(&self, name: Option<&str>) -> Reply {
        let mut status = self.status();
        let mut reply = Reply::default();
        if let Some(name) = name {
            status.programs.retain(|program| program.name == name);
            match status.programs.first() {
                None => return self.unknown(name),
                Some(program) if program.state == ProgramState::Running => {}
                Some(program) if program.ready > 0 => {}
                Some(program) => {
                    reply.verdict = Verdict::NotRunning;
                    reply.message = format!("{name} does not run: {}", program.state);
                }
            }
        }
        reply.status = Some(status);
        reply
    }

    fn status(&self) -> Status {
        let ordered = self.config.programs.iter().filter_map(|it| self.catalog.id(&it.name));
        let mut programs: Vec<&Program> =
            ordered.filter_map(|id| self.fleet.programs.get(&id)).collect();
        // Those that a reload brings or that leave are not in the configuration that holds.
        let others: Vec<&Program> = self
            .fleet
            .programs
            .values()
            .filter(|program| programs.iter().all(|known| known.id != program.id))
            .collect();
        programs.extend(others);
        let state = match self.fleet.reload {
            _ if self.fleet.stopping => DaemonState::Stopping,
            Reload::Idle => DaemonState::Running,
            Reload::Reading | Reload::Rolling { .. } => DaemonState::Reloading,
            Reload::Returning { .. } => DaemonState::RollingBack,
        };
        let socket = |(socket, address): (&crate::config::Socket, String)| SocketStatus {
            name: socket.name.clone(),
            address,
        };
        Status {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state,
            generation: self.fleet.generation().0,
            uptime_ms: since(self.started),
            config: self.source.path().map(|path| path.display().to_string()),
            programs: programs.into_iter().map(|it| self.program_status(it)).collect(),
            sockets: self.listeners.addresses().map(socket).collect(),
            strangers_reaped: self.strangers_reaped,
            lines_dropped: self.sink.dropped(),
        }
    }

    fn program_status(&self, program: &Program) -> ProgramStatus {
        let places = program.slots.iter().zip(0..);
        let mut instances: Vec<InstanceStatus> =
            places.clone().filter_map(|(slot, index)| self.place(program, slot, index)).collect();
        for (slot, _) in places.clone() {
            instances.extend(
                slot.phase
                    .starting()
                    .filter(|_| slot.phase.serving().is_some())
                    .map(|process| self.process_status(process, InstanceState::Starting)),
            );
        }
        for (slot, _) in places {
            let drains = |&process: &Process| self.process_status(process, InstanceState::Draining);
            instances.extend(slot.leaving.iter().map(drains));
        }
        let memories = self.processes.memories.iter();
        let of_it = memories.filter(|((id, _), _)| *id == program.id);
        ProgramStatus {
            name: self.catalog.name(program.id).to_owned(),
            state: state_of(program),
            ready: ready(program),
            desired: program.desired(),
            configured: program.edition.count,
            scaled: program.scaled,
            generation: program.edition.generation.0,
            restarts: of_it.map(|(_, memory)| memory.restarts).sum(),
            instances,
        }
    }

    /// What is in a place. An idle one that nobody wants is nothing to show.
    fn place(&self, program: &Program, slot: &Slot, index: u32) -> Option<InstanceStatus> {
        let (state, process) = match slot.phase {
            Phase::Idle if program.desired() <= index && !slot.leaving.is_empty() => return None,
            Phase::Idle => (InstanceState::Stopped, None),
            Phase::Finished(Outcome::Success) => (InstanceState::Exited, None),
            Phase::Finished(Outcome::Failure) => (InstanceState::Failed, None),
            Phase::Waiting => (InstanceState::Waiting, None),
            Phase::Starting { new } => (InstanceState::Starting, Some(new)),
            Phase::Up { current } | Phase::Reloading { current, .. } => {
                (InstanceState::Up, Some(current))
            }
            Phase::Resting { failed } => {
                let mut status = self.process_status(failed, InstanceState::Resting);
                (status.pid, status.generation) = (None, slot.next.0);
                return Some(status);
            }
        };
        Some(match process {
            Some(process) => self.process_status(process, state),
            None => self.empty_place(program, slot, index, state),
        })
    }

    fn empty_place(
        &self,
        program: &Program,
        slot: &Slot,
        index: u32,
        state: InstanceState,
    ) -> InstanceStatus {
        let memory = self.processes.memories.get(&(program.id, index)).cloned().unwrap_or_default();
        InstanceStatus {
            instance: index,
            state,
            pid: None,
            generation: slot.next.0,
            uptime_ms: None,
            restarts: memory.restarts,
            status: None,
            heartbeat_ms: None,
            last_exit: memory.last_exit,
            due_ms: None,
        }
    }

    fn process_status(&self, process: Process, state: InstanceState) -> InstanceStatus {
        let running = self.processes.running.get(&process.birth);
        let memory = self.processes.memories.get(&(process.program, process.slot));
        let due = self.timers.deadline(Key::Process(process));
        InstanceStatus {
            instance: process.slot,
            state,
            pid: running.map(|running| running.pid),
            generation: process.generation.0,
            uptime_ms: running.map(|running| since(running.started)),
            restarts: memory.map_or(0, |memory| memory.restarts),
            status: running.and_then(|running| running.status.clone()),
            heartbeat_ms: running.and_then(|running| running.heartbeat).map(since),
            last_exit: memory.and_then(|memory| memory.last_exit.clone()),
            due_ms: due.map(|at| millis(at.saturating_sub(now()))),
        }
    }
}

fn state_of(program: &Program) -> ProgramState {
    let any = |check: fn(&Phase) -> bool| program.slots.iter().any(|slot| check(&slot.phase));
    if program.wanted != Wanted::Running {
        let gone = program.is_empty();
        return if gone { ProgramState::Stopped } else { ProgramState::Stopping };
    }
    if any(|phase| matches!(phase, Phase::Resting { .. })) {
        ProgramState::Failing
    } else if any(|phase| matches!(phase, Phase::Finished(Outcome::Failure))) {
        ProgramState::Failed
    } else if program.rollout.is_some() {
        ProgramState::Reloading
    } else if any(|phase| phase.is_changing()) {
        ProgramState::Starting
    } else if any(|phase| matches!(phase, Phase::Finished(Outcome::Success))) {
        ProgramState::Exited
    } else if program.desired() == 0 {
        ProgramState::Stopped
    } else {
        ProgramState::Running
    }
}

fn ready(program: &Program) -> u32 {
    let serving = program.slots.iter().filter(|slot| slot.phase.serving().is_some());
    u32::try_from(serving.count()).unwrap_or(u32::MAX)
}

fn since(at: Duration) -> u64 {
    millis(now().saturating_sub(at))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
