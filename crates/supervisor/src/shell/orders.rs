//! What operators ask for, and the answers that have to wait.

use std::collections::VecDeque;

use super::looping::Shell;
use super::signals::scaled;
use crate::command::{Command, Order, Pace, Scale, Wait};
use crate::config::MAX_COUNT;
use crate::control::Asked;
use crate::machine::{Event, Generation, Program, ProgramId, Reload, Wanted};
use crate::poller::Poller;
use crate::status::{Failure, Reply, Verdict};

/// Everyone who waits for an answer.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    waiting: Vec<Ticket>,
    /// Requests that arrived together with the one before.
    unheard: VecDeque<Asked>,
}

#[derive(Debug)]
struct Ticket {
    client: u64,
    goal: Goal,
    wait: Wait,
    failure: Option<Failure>,
}

/// What somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// The reload that has not been read yet.
    NextExchange,
    /// The reload or restart in progress.
    Exchange,
    /// The program is as it is wanted.
    Settled(ProgramId),
    /// Nothing of the program is left.
    Empty(ProgramId),
    /// Everything has stopped.
    End,
}

impl Tickets {
    /// Whoever waits for the program to serve hears of the first failure.
    pub(super) fn note_failure(&mut self, program: ProgramId, failure: &Failure) {
        for ticket in &mut self.waiting {
            if ticket.goal == Goal::Settled(program) && ticket.failure.is_none() {
                ticket.failure = Some(failure.clone());
            }
        }
    }
}

impl Shell {
    /// Does what a client asks for, and what it asks for next if that is known already.
    pub(super) fn serve(&mut self, asked: Option<Asked>, poller: &Poller) {
        self.tickets.unheard.extend(asked);
        while let Some(Asked { client, order }) = self.tickets.unheard.pop_front() {
            if let Some(reply) = self.obey(client, order, poller) {
                self.answer(client, &reply, poller);
            }
        }
    }

    fn answer(&mut self, client: u64, reply: &Reply, poller: &Poller) {
        let next = self.server.reply(client, reply, poller);
        self.tickets.unheard.extend(next);
    }

    /// Does what an order says. `None` if the answer has to wait.
    fn obey(&mut self, client: u64, order: Order, poller: &Poller) -> Option<Reply> {
        let changes = !matches!(
            order.command,
            Command::Status(_) | Command::Logs(..) | Command::Check | Command::Shutdown(_)
        );
        if changes && self.fleet.stopping {
            return Some(Reply::new(Verdict::Refused, "everything stops"));
        }
        let wait = order.wait;
        match order.command {
            Command::Status(name) => Some(self.status_reply(name.as_deref())),
            Command::Logs(name, lines) => Some(self.with(&name, |shell, id| {
                let lines = shell.tails.get(&id).map(|tail| tail.last(lines));
                let lines = Some(lines.unwrap_or_default());
                Reply { lines, ..Reply::default() }
            })),
            Command::Check => Some(match self.source.load() {
                Ok(_) => Reply::new(Verdict::Ok, "the configuration is fine"),
                Err(error) => Reply {
                    diagnostics: error.diagnostics,
                    ..Reply::new(Verdict::Invalid, "the configuration is of no use")
                },
            }),
            Command::Reopen => {
                self.sink.reopen();
                Some(Reply::new(Verdict::Ok, "log files are opened anew"))
            }
            Command::Reload(scope) => {
                self.queue_up(client, Goal::NextExchange, wait);
                self.ask_reload(scope, poller);
                None
            }
            Command::Start(name) => self.start_program(client, &name, wait, poller),
            Command::Stop(name) => self.stop_program(client, &name, wait, poller),
            Command::Restart(name) => self.restart_program(client, &name, wait, poller),
            Command::Scale(name, scale) => self.scale_program(client, &name, scale, wait, poller),
            Command::Shutdown(pace) => {
                self.log("asked to end");
                self.queue_up(client, Goal::End, wait);
                let event = if pace == Pace::Fast { Event::Halt } else { Event::Shutdown };
                self.happen(event, poller);
                (wait == Wait::Begun).then(|| self.begun(client))
            }
        }
    }

    /// An answer about a program, or that there is no such program.
    fn with(&self, name: &str, answer: impl FnOnce(&Self, ProgramId) -> Reply) -> Reply {
        match self.catalog.id(name) {
            Some(id) => answer(self, id),
            None => self.unknown(name),
        }
    }

    pub(super) fn unknown(&self, name: &str) -> Reply {
        let known: Vec<&str> = self.config.programs.iter().map(|it| it.name.as_str()).collect();
        let help = match crate::config::suggestion(name, known.iter().copied()) {
            Some(near) => format!("; did you mean `{near}`?"),
            None => format!("; there are: {}", known.join(", ")),
        };
        Reply::new(Verdict::NotFound, format!("there is no program `{name}`{help}"))
    }

    /// The program that an operator may change, or the reason why not.
    fn changeable(&self, name: &str) -> Result<&Program, Box<Reply>> {
        let program = self.catalog.id(name).and_then(|id| self.fleet.programs.get(&id));
        match program {
            None => Err(Box::new(self.unknown(name))),
            Some(program) if program.wanted == Wanted::Removed => {
                let message = format!("`{name}` has left the configuration and is on its way out");
                Err(Box::new(Reply::new(Verdict::Refused, message)))
            }
            Some(program) => Ok(program),
        }
    }

    fn start_program(
        &mut self,
        client: u64,
        name: &str,
        wait: Wait,
        poller: &Poller,
    ) -> Option<Reply> {
        let id = match self.changeable(name) {
            Ok(program) => program.id,
            Err(reply) => return Some(*reply),
        };
        self.log(&format!("asked to start {name}"));
        self.queue_up(client, Goal::Settled(id), wait);
        self.happen(Event::Start(id), poller);
        (wait == Wait::Begun).then(|| self.begun(client))
    }

    fn stop_program(
        &mut self,
        client: u64,
        name: &str,
        wait: Wait,
        poller: &Poller,
    ) -> Option<Reply> {
        let id = match self.changeable(name) {
            Ok(program) => program.id,
            Err(reply) => return Some(*reply),
        };
        self.log(&format!("asked to stop {name}"));
        self.queue_up(client, Goal::Empty(id), wait);
        self.happen(Event::Stop(id), poller);
        (wait == Wait::Begun).then(|| self.begun(client))
    }

    fn restart_program(
        &mut self,
        client: u64,
        name: &str,
        wait: Wait,
        poller: &Poller,
    ) -> Option<Reply> {
        match self.changeable(name) {
            Ok(program) if program.wanted == Wanted::Stopped => {
                return self.start_program(client, name, wait, poller);
            }
            Ok(_) => {}
            Err(reply) => return Some(*reply),
        }
        if self.fleet.reload != Reload::Idle {
            let message = format!("busy: reload {} is in progress", self.fleet.generation());
            return Some(Reply::new(Verdict::Refused, message));
        }
        self.log(&format!("asked to restart {name}"));
        self.queue_up(client, Goal::Exchange, wait);
        self.restart(name, poller);
        (wait == Wait::Begun).then(|| self.begun(client))
    }

    fn scale_program(
        &mut self,
        client: u64,
        name: &str,
        scale: Scale,
        wait: Wait,
        poller: &Poller,
    ) -> Option<Reply> {
        let (id, now) = match self.changeable(name) {
            Ok(program) => (program.id, program.scaled.unwrap_or(program.edition.count)),
            Err(reply) => return Some(*reply),
        };
        let count = match scale {
            Scale::To(count) if count > MAX_COUNT => {
                let message = format!("{count} is more than the {MAX_COUNT} that there may be");
                return Some(Reply::new(Verdict::Usage, message));
            }
            Scale::To(count) => Some(count),
            Scale::By(by) => Some(scaled(now, by)),
            Scale::Configured => None,
        };
        self.log(&format!("asked to scale {name} to {scale}"));
        self.queue_up(client, Goal::Settled(id), wait);
        self.happen(Event::Scale(id, count), poller);
        (wait == Wait::Begun).then(|| self.begun(client))
    }

    fn queue_up(&mut self, client: u64, goal: Goal, wait: Wait) {
        self.tickets.waiting.push(Ticket { client, goal, wait, failure: None });
    }

    /// The answer to a client that does not want to wait.
    fn begun(&mut self, client: u64) -> Reply {
        self.tickets.waiting.retain(|ticket| ticket.client != client);
        Reply::new(Verdict::Ok, "begun")
    }

    /// Those who asked for the next reload wait for this one now.
    pub(super) fn begin_goals(&mut self) {
        for ticket in &mut self.tickets.waiting {
            if ticket.goal == Goal::NextExchange {
                ticket.goal = Goal::Exchange;
            }
        }
    }

    /// Answers those who only wanted to know that the file was read.
    pub(super) fn answer_begun(&mut self, generation: Generation, poller: &Poller) {
        let mut reply = Reply::new(Verdict::Ok, format!("reload {generation} has begun"));
        reply.generation = Some(generation.0);
        self.answer_where(poller, |_, ticket| {
            (ticket.goal == Goal::Exchange && ticket.wait == Wait::Begun).then(|| reply.clone())
        });
    }

    /// Answers everyone who waits for `goal`.
    pub(super) fn answer_goal(&mut self, goal: &Goal, reply: &Reply, poller: &Poller) {
        self.answer_where(poller, |_, ticket| (ticket.goal == *goal).then(|| reply.clone()));
    }

    /// Answers everyone whose program has come to where it was to be.
    pub(super) fn settle_tickets(&mut self, poller: &Poller) {
        if self.tickets.waiting.is_empty() {
            return;
        }
        self.answer_where(poller, |shell, ticket| match ticket.goal {
            Goal::Settled(id) => shell.settled(id, ticket.failure.as_ref()),
            Goal::Empty(id) => shell.emptied(id),
            Goal::NextExchange | Goal::Exchange | Goal::End => None,
        });
    }

    fn settled(&self, id: ProgramId, failure: Option<&Failure>) -> Option<Reply> {
        let name = self.catalog.name(id);
        if let Some(failure) = failure {
            let mut reply = Reply::new(Verdict::Failed, format!("{name} does not come up"));
            reply.failures.push(failure.clone());
            return Some(reply);
        }
        let Some(program) = self.fleet.programs.get(&id) else {
            return Some(Reply::new(Verdict::Failed, "it was removed meanwhile"));
        };
        if !program.is_settled() {
            return None;
        }
        let desired = program.desired();
        let scaled = program.scaled.map(|_| format!(" (configured: {})", program.edition.count));
        let message = format!("{name} runs with {desired}{}", scaled.unwrap_or_default());
        Some(Reply::new(Verdict::Ok, message))
    }

    fn emptied(&self, id: ProgramId) -> Option<Reply> {
        let program = self.fleet.programs.get(&id);
        let name = self.catalog.name(id);
        match program {
            Some(program) if program.wanted == Wanted::Running => {
                Some(Reply::new(Verdict::Failed, format!("{name} was started again meanwhile")))
            }
            Some(program) if !program.is_empty() => None,
            _ => Some(Reply::new(Verdict::Ok, format!("{name} has stopped"))),
        }
    }

    /// Answers everyone for whom there is an answer.
    fn answer_where(&mut self, poller: &Poller, answer: impl Fn(&Self, &Ticket) -> Option<Reply>) {
        let waiting = std::mem::take(&mut self.tickets.waiting);
        let mut answered = Vec::new();
        let mut still = Vec::new();
        for ticket in waiting {
            match answer(self, &ticket) {
                Some(reply) => answered.push((ticket.client, reply)),
                None => still.push(ticket),
            }
        }
        self.tickets.waiting = still;
        for (client, reply) in answered {
            self.answer(client, &reply, poller);
        }
    }

    /// Answers everyone who is left when everything has stopped.
    pub(super) fn answer_the_last(&mut self, poller: &Poller) {
        self.answer_where(poller, |_, ticket| {
            Some(match ticket.goal {
                Goal::End | Goal::Empty(_) => Reply::new(Verdict::Ok, "everything has stopped"),
                _ => Reply::new(Verdict::Failed, "everything has stopped"),
            })
        });
    }
}
