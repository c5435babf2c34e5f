//! Every order of events, tried.
//!
//! A world is the machine's state and the little that the shell knows: which timers are armed and
//! who was killed. Births and generations are renamed to their rank, so the worlds that can be
//! reached are finitely many, and the walk visits them all where they are not too many: those of
//! the larger plays are visited breadth first, up to a limit.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use super::*;
use crate::policy::{Outcome, Restart};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    fleet: Fleet,
    armed: BTreeMap<Process, Timer>,
    killed: BTreeSet<Process>,
}

/// What can be asked of the fleet, and with which programs it begins.
#[derive(Clone)]
struct Play {
    boot: Vec<(ProgramId, Edition)>,
    reloads: Vec<Vec<Change>>,
    operator: Vec<Event>,
    /// Which ends processes come to.
    ends: Vec<End>,
    /// Nobody asks for more while so many drain.
    crowd: usize,
}

/// A fault put into the machine's answer, to see that the checks see it.
type Fault = fn(before: &Fleet, event: &Event, after: &mut Fleet, actions: &mut Vec<Action>);

/// Where the walk through a play ends, if the play does not end before.
const LIMIT: usize = 10_000;

const WEB: ProgramId = ProgramId(0);
const JOB: ProgramId = ProgramId(1);
const CRASH: End = End { outcome: Outcome::Failure, lifetime: Lifetime::Brief };
const LEFT: End = End { outcome: Outcome::Success, lifetime: Lifetime::Steady };

fn edition(count: u32) -> Edition {
    let (restart, role) = (Restart::Always, Role::Service);
    let replacement = Replacement::Surge(1);
    Edition { generation: Generation(1), count, replacement, restart, role }
}

fn play(boot: Edition) -> Play {
    let reloads = vec![vec![Change::Roll(WEB, boot)]];
    let operator = vec![Event::ReloadAsked, Event::Start(WEB), Event::Stop(WEB)];
    Play { boot: vec![(WEB, boot)], reloads, operator, ends: vec![CRASH, LEFT], crowd: 2 }
}

/// The plays that the walks go through: together they hold every kind of wish and policy.
fn plays() -> Vec<(&'static str, Play)> {
    let one_for_one = Edition { replacement: Replacement::OneForOne, ..edition(1) };
    let row = Edition { replacement: Replacement::OneForOne, ..edition(2) };
    let wide = Edition { replacement: Replacement::Surge(2), ..edition(2) };
    let job = Edition { restart: Restart::OnFailure, ..edition(1) };
    let main = Edition { restart: Restart::Never, role: Role::Main, ..edition(1) };
    let mut scaled = play(edition(1));
    scaled.operator = vec![
        Event::ReloadAsked,
        Event::Scale(WEB, Some(0)),
        Event::Scale(WEB, Some(2)),
        Event::Scale(WEB, None),
    ];
    scaled.reloads = vec![vec![Change::Roll(WEB, edition(2))], vec![Change::Resize(WEB, 1)]];
    let mut set = play(edition(1));
    set.ends = vec![CRASH];
    set.operator = vec![Event::ReloadAsked];
    set.reloads = vec![
        vec![Change::Roll(WEB, edition(1)), Change::Add(JOB, job)],
        vec![Change::Roll(WEB, edition(1)), Change::Remove(JOB)],
    ];
    let mut report = play(edition(1));
    report.boot.push((JOB, main));
    vec![
        ("one place", play(edition(1))),
        ("two places", Play { operator: vec![Event::ReloadAsked], ..play(edition(2)) }),
        ("two at a time", Play { operator: vec![Event::ReloadAsked], ..play(wide) }),
        ("one for one", play(one_for_one)),
        ("a row, one for one", Play { operator: vec![Event::ReloadAsked], ..play(row) }),
        ("a job", play(job)),
        ("scaled", Play { crowd: 1, ..scaled }),
        ("programs come and go", Play { crowd: 1, ..set }),
        ("a main program", Play { crowd: 1, ..report }),
    ]
}

#[test]
fn every_order_of_events_keeps_every_promise() {
    std::thread::scope(|scope| {
        for (name, play) in plays() {
            scope.spawn(move || match explore(&play, |_, _, _, _| ()) {
                Ok(worlds) => assert!(worlds > 200, "{name}: only {worlds} worlds were reached"),
                Err(broken) => panic!("{name}: {broken}"),
            });
        }
    });
}

#[test]
fn every_fault_put_into_the_machine_is_seen() {
    let faults: [(&str, Fault); 9] = [
        ("the old process is ended before the new one is ready", |before, event, _, actions| {
            if let Event::Reload(..) = event {
                actions.extend(serving(before).map(Action::Terminate));
            }
        }),
        ("the death of a draining process is not recorded", |before, event, after, _| {
            if let Event::Exited(process, _) = event {
                let was_leaving = |slot: &&Slot| slot.leaving.contains(process);
                if slots(before).any(|slot| was_leaving(&slot)) {
                    *after = before.clone();
                }
            }
        }),
        ("a stale timer is obeyed", |before, event, _, actions| {
            if let Event::Expired(process) = event
                && serving(before).any(|it| it == *process)
            {
                actions.push(Action::Kill(*process));
            }
        }),
        ("nobody kills at the deadline", |_, event, _, actions| {
            if let Event::Expired(_) = event {
                actions.retain(|action| !matches!(action, Action::Kill(_)));
            }
        }),
        ("a new process has no deadline", |_, _, _, actions| {
            actions.retain(|action| !matches!(action, Action::Arm(_, Timer::Startup)));
        }),
        ("a failed program does not come back", |_, _, _, actions| {
            actions.retain(|action| !matches!(action, Action::Arm(_, Timer::Rest { .. })));
        }),
        ("a stopped program is started again", |before, event, _, actions| {
            if let (true, Event::Exited(process, _)) = (before.stopping, event) {
                actions.push(Action::Spawn(Process { birth: before.births + 1, ..*process }));
            }
        }),
        ("a reload that was asked for is forgotten", |_, event, after, _| {
            if *event == Event::ReloadAsked {
                after.again = false;
            }
        }),
        ("the supervisor never ends", |_, _, _, actions| {
            actions.retain(|action| *action != Action::Finish);
        }),
    ];
    for (name, fault) in faults {
        assert!(explore(&play(edition(1)), fault).is_err(), "not seen: {name}");
    }
}

#[test]
fn a_failed_reload_brings_the_old_edition_back_to_every_place() {
    let mut fleet = Fleet::default();
    let first = processes(&fleet.step(Event::Boot(vec![(WEB, edition(2))])));
    for process in first {
        fleet.step(Event::Ready(process));
    }
    fleet.step(Event::ReloadAsked);
    let changes = vec![Change::Roll(WEB, Edition { generation: Generation(2), ..edition(2) })];
    let second = processes(&fleet.step(Event::Reload(Generation(2), changes)));
    let third = processes(&fleet.step(Event::Ready(second[0])));
    // The first place serves the new generation by now; the second one fails.
    let fourth = processes(&fleet.step(Event::Exited(third[0], CRASH)));
    assert_eq!(fourth.len(), 1, "only the place that had changed goes back");
    assert_eq!((fourth[0].slot, fourth[0].generation), (0, Generation(1)));
    let actions = fleet.step(Event::Ready(fourth[0]));
    let rolled_back = Notice::RolledBack(Generation(2), third[0]);
    assert!(actions.contains(&Action::Announce(rolled_back)), "{actions:?}");
    assert!(slots(&fleet).all(|slot| slot.next == Generation(1)));
}

#[test]
fn a_reload_asked_for_during_a_reload_reads_the_file_after_it() {
    let mut fleet = Fleet::default();
    let first = processes(&fleet.step(Event::Boot(vec![(WEB, edition(1))])));
    fleet.step(Event::Ready(first[0]));
    assert_eq!(fleet.step(Event::ReloadAsked), [Action::Read]);
    let changes = vec![Change::Roll(WEB, Edition { generation: Generation(2), ..edition(1) })];
    let second = processes(&fleet.step(Event::Reload(Generation(2), changes)));
    assert_eq!(fleet.step(Event::ReloadAsked), []);
    assert_eq!(fleet.step(Event::ReloadAsked), []);
    let actions = fleet.step(Event::Ready(second[0]));
    assert_eq!(actions.iter().filter(|&&action| action == Action::Read).count(), 1);
}

/// Visits every world that the play can lead to, and checks every step between two of them.
fn explore(play: &Play, fault: Fault) -> Result<usize, String> {
    let mut world =
        World { fleet: Fleet::default(), armed: BTreeMap::new(), killed: BTreeSet::new() };
    take(&mut world, Event::Boot(play.boot.clone()), fault)?;
    let mut seen = HashSet::from([canonical(&world)]);
    let mut queue: VecDeque<World> = seen.iter().cloned().collect();
    while let Some(world) = queue.pop_front() {
        comes_to_rest(&world, fault)?;
        ends(&world, fault)?;
        for event in events(&world, play) {
            let mut next = world.clone();
            take(&mut next, event, fault)?;
            let next = canonical(&next);
            if seen.insert(next.clone()) {
                queue.push_back(next);
            }
        }
        if seen.len() > LIMIT {
            break;
        }
    }
    Ok(seen.len())
}

/// One step, and everything that must hold for it.
fn take(world: &mut World, event: Event, fault: Fault) -> Result<Vec<Action>, String> {
    let before = world.clone();
    let actions = go(world, event.clone(), fault);
    let told = |broken: &str| {
        let after = &world.fleet;
        format!("{broken}\nbefore {before:#?}\nevent {event:?}\nafter {after:#?}\n{actions:?}")
    };
    check(&before, &event, world, &actions).map_err(told)?;
    Ok(actions)
}

/// One step, unchecked.
fn go(world: &mut World, event: Event, fault: Fault) -> Vec<Action> {
    let before = world.fleet.clone();
    let mut actions = world.fleet.step(event.clone());
    fault(&before, &event, &mut world.fleet, &mut actions);
    if let Event::Expired(process) = event {
        world.armed.remove(&process);
    }
    for &action in &actions {
        match action {
            Action::Arm(process, timer) => drop(world.armed.insert(process, timer)),
            Action::Kill(process) => drop(world.killed.insert(process)),
            _ => {}
        }
    }
    if let Event::Exited(process, _) = event {
        world.killed.remove(&process);
        if !slots(&world.fleet).any(|slot| slot.phase == Phase::Resting { failed: process }) {
            world.armed.remove(&process);
        }
    }
    actions
}

fn check(
    before: &World,
    event: &Event,
    after: &World,
    actions: &[Action],
) -> Result<(), &'static str> {
    let said = |broken, holds: bool| if holds { Ok(()) } else { Err(broken) };

    let mut alive: Vec<Process> = before.fleet.living().chain(processes(actions)).collect();
    if let Event::Exited(process, _) = event {
        alive.retain(|it| it != process);
    }
    let mut accounted: Vec<Process> = after.fleet.living().collect();
    alive.sort();
    accounted.sort();
    said("a living process is not accounted for exactly once", alive == accounted)?;

    let fresh = |it: &Process| it.birth > before.fleet.births;
    said("a birth was used twice", processes(actions).iter().all(fresh))?;

    said(
        "a serving process was ended too early",
        spares_the_serving(before, event, after, actions),
    )?;
    said(
        "something was started although everything stops",
        !before.fleet.stopping || processes(actions).is_empty(),
    )?;
    if let Reload::Rolling { generation, .. } = before.fleet.reload
        && !matches!(after.fleet.reload, Reload::Rolling { .. })
    {
        let of_it = |it: &Process| it.generation == generation;
        let started = processes(actions).iter().any(of_it);
        said("a reload that is over started one more process", !started)?;
    }
    for slot in slots(&after.fleet) {
        if let Some(new) = slot.phase.starting() {
            let timer = after.armed.get(&new) == Some(&Timer::Startup);
            said("a new process has no deadline", timer)?;
        }
        if let Phase::Resting { failed } = slot.phase {
            let timer = matches!(after.armed.get(&failed), Some(Timer::Rest { .. }));
            said("a rest has no end", timer)?;
        }
        let bounded =
            |it: &Process| after.killed.contains(it) || after.armed.get(it) == Some(&Timer::Drain);
        said("a draining process has no deadline", slot.leaving.iter().all(bounded))?;
    }
    if *event == Event::ReloadAsked && !after.fleet.stopping {
        let kept = after.fleet.again || actions.contains(&Action::Read);
        said("a wish for a reload was lost", kept)?;
    }
    let finished = actions.contains(&Action::Finish);
    said("it ended while something lived", !finished || after.fleet.living().count() == 0)
}

/// A serving process is ended for its successor that is ready, or because it is not wanted.
fn spares_the_serving(before: &World, event: &Event, after: &World, actions: &[Action]) -> bool {
    slots(&before.fleet).all(|slot| {
        let Some(current) = slot.phase.serving() else { return true };
        let ended = |it: &Action| {
            matches!(it, Action::Terminate(process) | Action::Kill(process) if *process == current)
        };
        let Some(program) = after.fleet.programs.get(&current.program) else { return true };
        let one_for_one = program.edition.replacement == Replacement::OneForOne;
        let replaced = matches!(event, Event::Ready(new) if slot.phase.starting() == Some(*new));
        let unwanted = current.slot >= program.desired();
        !actions.iter().any(ended) || one_for_one || replaced || unwanted
    })
}

/// If every process behaves from here on, everything that is wanted serves in the end.
fn comes_to_rest(world: &World, fault: Fault) -> Result<(), String> {
    let mut world = world.clone();
    for _ in 0..60 {
        let fleet = &world.fleet;
        let leaving = slots(fleet).find_map(|slot| slot.leaving.first().copied());
        let starting = slots(fleet).find_map(|slot| slot.phase.starting());
        let resting = slots(fleet).find_map(|slot| match slot.phase {
            Phase::Resting { failed } => Some(failed),
            _ => None,
        });
        let event = match (leaving, starting, resting) {
            (Some(process), _, _) => Event::Exited(process, LEFT),
            (_, Some(process), _) => Event::Ready(process),
            (_, _, Some(process)) => Event::Expired(process),
            _ if fleet.reload == Reload::Reading => Event::ReloadRefused,
            _ => {
                let settled = fleet.stopping || fleet.programs.values().all(Program::is_settled);
                let still = fleet.reload == Reload::Idle && settled;
                let exact = fleet.programs.values().all(|program| {
                    u32::try_from(program.slots.len()).unwrap() == program.desired()
                });
                return if still && exact { Ok(()) } else { Err(format!("stuck: {world:#?}")) };
            }
        };
        go(&mut world, event, fault);
    }
    Err(format!("restless: {world:#?}"))
}

/// From every world, a stop ends with nothing alive, and a halt kills whoever lives.
fn ends(world: &World, fault: Fault) -> Result<(), String> {
    let mut gentle = world.clone();
    let mut actions = go(&mut gentle, Event::Shutdown, fault);
    let mut finished = world.fleet.finished;
    // Twice as many deaths as processes: one that is not taken note of is no endless walk.
    for _ in 0..=2 * world.fleet.living().count() {
        finished |= actions.contains(&Action::Finish);
        let Some(process) = gentle.fleet.living().next() else { break };
        actions = go(&mut gentle, Event::Exited(process, CRASH), fault);
    }
    if !finished {
        return Err(format!("a stop did not finish: {gentle:#?}"));
    }
    let mut quick = world.clone();
    let actions = go(&mut quick, Event::Halt, fault);
    let spared = |it: &Process| !actions.contains(&Action::Kill(*it));
    match world.fleet.living().find(spared) {
        Some(process) => Err(format!("{process:?} survived a halt in {world:#?}")),
        None => Ok(()),
    }
}

/// Everything that may happen in this world.
fn events(world: &World, play: &Play) -> Vec<Event> {
    let fleet = &world.fleet;
    let stranger = Process { program: WEB, slot: 0, generation: Generation(0), birth: 0 };
    let mut events = vec![Event::Ready(stranger), Event::Expired(stranger)];
    events.push(Event::Exited(stranger, CRASH));
    for process in fleet.living() {
        events.push(Event::Ready(process));
        events.extend(play.ends.iter().map(|&end| Event::Exited(process, end)));
    }
    let leaving: usize = slots(fleet).map(|slot| slot.leaving.len()).sum();
    // In a crowd the killed go first, or deadlines alone would fill the world with them.
    let due = world.armed.keys().filter(|&&process| {
        leaving < play.crowd || slots(fleet).all(|slot| slot.phase.starting() != Some(process))
    });
    events.extend(due.map(|&process| Event::Expired(process)));
    if fleet.reload == Reload::Reading {
        events.push(Event::ReloadRefused);
        let generation = fleet.next_generation();
        for changes in &play.reloads {
            let changes = changes.iter().filter_map(|&change| dated(fleet, change, generation));
            events.push(Event::Reload(generation, changes.collect()));
        }
    }
    if leaving < play.crowd {
        events.extend(play.operator.iter().cloned());
    }
    events.extend([Event::Shutdown, Event::Halt]);
    events
}

/// The change as the shell would ask for it in this generation: what is not there is not removed.
fn dated(fleet: &Fleet, change: Change, generation: Generation) -> Option<Change> {
    let there =
        |id| fleet.programs.get(&id).is_some_and(|program| program.wanted != Wanted::Removed);
    match change {
        Change::Roll(id, edition) => Some(Change::Roll(id, Edition { generation, ..edition })),
        Change::Add(id, edition) => {
            (!there(id)).then_some(Change::Add(id, Edition { generation, ..edition }))
        }
        Change::Remove(id) => there(id).then_some(change),
        Change::Resize(..) => Some(change),
    }
}

/// The world with births and generations renamed to their rank, and long series of failures cut.
fn canonical(world: &World) -> World {
    let mut world = world.clone();
    let resting = slots(&world.fleet).filter_map(|slot| match slot.phase {
        Phase::Resting { failed } => Some(failed),
        _ => None,
    });
    let known: BTreeSet<Process> = world.fleet.living().chain(resting).collect();
    world.armed.retain(|process, _| known.contains(process));
    let births = in_order_of_place(&world);
    let mut generations: BTreeSet<Generation> = known.iter().map(|it| it.generation).collect();
    for program in world.fleet.programs.values() {
        generations.insert(program.edition.generation);
        generations.extend(program.rollout.map(|rollout| rollout.edition.generation));
        generations.extend(program.slots.iter().map(|slot| slot.next));
    }
    if let Reload::Rolling { generation, changes } | Reload::Returning { generation, changes, .. } =
        &world.fleet.reload
    {
        generations.insert(*generation);
        generations.extend(changes.iter().filter_map(change_generation));
    }
    let culprit = match world.fleet.reload {
        Reload::Returning { culprit, .. } => Some(culprit),
        _ => None,
    };
    generations.extend(culprit.map(|process| process.generation));
    rename(&mut world, &births, &generations.into_iter().collect::<Vec<_>>());
    world
}

/// The births that are known, slot by slot: which of two places was filled first changes nothing.
fn in_order_of_place(world: &World) -> Vec<u64> {
    let mut births = Vec::new();
    for slot in slots(&world.fleet) {
        let phase = slot.phase.serving().into_iter().chain(slot.phase.starting());
        births.extend(phase.map(|process| process.birth));
        let mut leaving = slot.leaving.clone();
        leaving.sort_by_key(|it| (world.killed.contains(it), it.generation, it.birth));
        births.extend(leaving.iter().map(|process| process.birth));
        if let Phase::Resting { failed } = slot.phase
            && !births.contains(&failed.birth)
        {
            births.push(failed.birth);
        }
    }
    births
}

fn change_generation(change: &Change) -> Option<Generation> {
    match change {
        Change::Add(_, edition) | Change::Roll(_, edition) => Some(edition.generation),
        Change::Resize(..) | Change::Remove(_) => None,
    }
}

fn rename(world: &mut World, births: &[u64], generations: &[Generation]) {
    let dated = |it: Generation| match generations.binary_search(&it) {
        Ok(rank) => Generation(u32::try_from(rank).unwrap() + 1),
        Err(_) => Generation(0),
    };
    let named = |it: Process| Process {
        // A culprit that is gone has no rank, and which birth it was makes no difference.
        birth: births.iter().position(|&known| known == it.birth).map_or(0, |at| at as u64 + 1),
        generation: dated(it.generation),
        ..it
    };
    let fleet = &mut world.fleet;
    fleet.births = births.len() as u64;
    fleet.generation = Generation(u32::try_from(generations.len()).unwrap());
    for program in fleet.programs.values_mut() {
        program.edition.generation = dated(program.edition.generation);
        if let Some(rollout) = &mut program.rollout {
            rollout.edition.generation = dated(rollout.edition.generation);
        }
        for slot in &mut program.slots {
            slot.next = dated(slot.next);
            slot.failures = slot.failures.min(1);
            slot.leaving.iter_mut().for_each(|process| *process = named(*process));
            slot.leaving.sort();
            slot.phase = match slot.phase {
                Phase::Starting { new } => Phase::Starting { new: named(new) },
                Phase::Up { current } => Phase::Up { current: named(current) },
                Phase::Reloading { current, new } => {
                    Phase::Reloading { current: named(current), new: named(new) }
                }
                Phase::Resting { failed } => Phase::Resting { failed: named(failed) },
                other => other,
            };
        }
    }
    if let Reload::Rolling { generation, changes } | Reload::Returning { generation, changes, .. } =
        &mut fleet.reload
    {
        *generation = dated(*generation);
        for change in changes {
            if let Change::Add(_, edition) | Change::Roll(_, edition) = change {
                edition.generation = dated(edition.generation);
            }
        }
    }
    if let Reload::Returning { culprit, .. } = &mut fleet.reload {
        *culprit = named(*culprit);
    }
    let cut = |timer: Timer| match timer {
        Timer::Rest { failures } => Timer::Rest { failures: failures.min(1) },
        other => other,
    };
    world.armed = world.armed.iter().map(|(&it, &timer)| (named(it), cut(timer))).collect();
    world.killed = world.killed.iter().map(|&process| named(process)).collect();
}

fn slots(fleet: &Fleet) -> impl Iterator<Item = &Slot> {
    fleet.programs.values().flat_map(|program| &program.slots)
}

fn serving(fleet: &Fleet) -> impl Iterator<Item = Process> {
    slots(fleet).filter_map(|slot| slot.phase.serving())
}

fn processes(actions: &[Action]) -> Vec<Process> {
    let spawned = |action: &Action| match action {
        Action::Spawn(process) => Some(*process),
        _ => None,
    };
    actions.iter().filter_map(spawned).collect()
}
