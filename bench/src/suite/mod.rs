//! All groups and cases, in the order of the tables.

mod creation;
mod data;
mod hand_offs;
mod locks;
mod pools;
mod queues;
mod round_trips;

use crate::case::{Case, Group};
use crate::options::Options;
use crate::peers::program::{Language, Program};

/// How long two processes of Python contend, in milliseconds.
const CONTENTION: u64 = 300;

/// The groups that are asked for, without those that are empty then.
pub(crate) fn groups(options: &Options) -> Vec<Group> {
    let families = [
        queues::groups(),
        round_trips::groups(),
        locks::groups(),
        hand_offs::groups(),
        data::groups(),
        creation::groups(),
        pools::groups(),
    ];
    let mut groups: Vec<Group> = families.into_iter().flatten().collect();
    for group in &mut groups {
        let (family, name) = (group.family, group.name);
        group.cases.retain(|case| options.wants(family, name, case.name()));
    }
    groups.retain(|group| !group.cases.is_empty());
    groups
}

fn python(
    name: &'static str,
    function: &'static str,
    arguments: &'static [u64],
    count: u64,
) -> Box<dyn Case> {
    Box::new(Program { language: Language::Python, name, function, arguments, count })
}

fn boost(
    name: &'static str,
    function: &'static str,
    arguments: &'static [u64],
    count: u64,
) -> Box<dyn Case> {
    Box::new(Program { language: Language::Boost, name, function, arguments, count })
}
