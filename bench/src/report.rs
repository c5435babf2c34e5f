//! What is left of a run: tables for people, samples for programs, charts for both.

use crate::Result;
use crate::case::Side;
use crate::chart;
use crate::harness::{CaseResult, Figure, GroupResult};
use crate::machine::Machine;
use crate::probe::Tag;
use crate::versions::{self, Version};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// All tables, for people.
pub(crate) fn tables(machine: &Machine, groups: &[GroupResult]) -> String {
    let mut text = introduction(machine, versions::all());
    text.extend(groups.iter().map(table));
    text
}

/// Leaves the tables, the figures and the charts in `folder`.
pub(crate) fn write(machine: &Machine, groups: &[GroupResult], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("tables.md"), tables(machine, groups))?;
    let versions = versions::all();
    let groups_and_figures = groups.iter().map(figures).collect::<Result<Vec<_>>>()?;
    let all = json!({ "machine": machine, "versions": versions, "groups": groups_and_figures });
    fs::write(folder.join("figures.json"), serde_json::to_string_pretty(&all)? + "\n")?;
    for group in groups {
        let name = group.name.replace([',', ' '], "-").replace("--", "-");
        fs::write(folder.join(name).with_extension("svg"), chart::draw(group))?;
    }
    Ok(())
}

/// A group with all its samples, and the figures of each case under every tag that it has.
fn figures(group: &GroupResult) -> Result<Value> {
    let mut value = serde_json::to_value(group)?;
    value["tag"] = serde_json::to_value(group.tag())?;
    for (index, case) in group.cases.iter().enumerate() {
        let tags: BTreeSet<Tag> = case.samples.iter().map(|sample| sample.tag).collect();
        let figures: Vec<Figure> = tags.into_iter().filter_map(|tag| case.figure(tag)).collect();
        value["cases"][index]["figures"] = serde_json::to_value(figures)?;
    }
    Ok(value)
}

fn introduction(machine: &Machine, versions: &[Version]) -> String {
    let placement = if machine.placement.is_one_core() {
        "all processes on one core"
    } else {
        "the processes pinned to two cores"
    };
    let versions: Vec<String> =
        versions.iter().map(|it| format!("{} {}", it.name, it.version)).collect();
    format!(
        "{}; {}; {placement}; commit {}. {}.\n",
        machine.cpu,
        machine.kernel,
        machine.commit,
        versions.join(", "),
    )
}

/// The table of a group in Markdown.
fn table(group: &GroupResult) -> String {
    let tag = group.tag();
    let figures: Vec<(&CaseResult, Option<Figure>)> =
        group.cases.iter().map(|case| (case, case.figure(tag))).collect();
    let best = best_of_brigade(group, tag);

    let mut text = format!("\n### {}\n\n{} {}\n\n", group.name, group.work, caption(&figures, tag));
    let mut head = format!("| | {} | min | max |", group.unit.name());
    let mut line = "|---|---:|---:|---:|".to_owned();
    if let Some(detail) = group.detail {
        let _never_fails = write!(head, " {detail} |");
        line.push_str("---:|");
    }
    if best.is_some() {
        head.push_str(" advantage of brigade |");
        line.push_str("---:|");
    }
    text.push_str(&format!("{head}\n{line}\n"));
    for (case, figure) in figures {
        if case.missing.is_none() {
            text.push_str(&row(group, case, figure, best));
        }
    }
    for (case, reason) in group.cases.iter().filter_map(|it| Some((it, it.missing.as_ref()?))) {
        let _never_fails = write!(text, "\nNot measured: {}, because {reason}.\n", case.name);
    }
    text
}

fn caption(figures: &[(&CaseResult, Option<Figure>)], tag: Tag) -> String {
    let counts = figures.iter().filter_map(|(_, figure)| figure.map(|it| it.samples));
    let (fewest, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    let rounds = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
    match tag {
        Tag::Mixed => {
            format!("Rounds: {rounds}. The cores moved during the measurement: do not compare.")
        }
        _ => format!("Cores: {}. Rounds: {rounds}.", tag.name()),
    }
}

fn row(
    group: &GroupResult,
    case: &CaseResult,
    figure: Option<Figure>,
    best: Option<f64>,
) -> String {
    let name = match case.side {
        Side::Brigade => format!("**{}**", case.name),
        Side::Peer => case.name.clone(),
        Side::Bound => format!("*{}*", case.name),
    };
    let Some(figure) = figure else {
        let columns = 3 + usize::from(group.detail.is_some()) + usize::from(best.is_some());
        return format!("| {name} {}\n", "| failed ".repeat(columns) + "|");
    };
    let spread = figure.spread;
    let mut text = format!("| {name} ");
    for value in [spread.median, spread.min, spread.max] {
        let _never_fails = write!(text, "| {} ", short(value));
    }
    if group.detail.is_some() {
        let _never_fails = write!(text, "| {} ", figure.detail.map(short).unwrap_or_default());
    }
    if let Some(best) = best {
        let advantage = match case.side {
            Side::Brigade => String::new(),
            Side::Peer | Side::Bound => {
                let advantage = group.unit.advantage(best, spread.median);
                if advantage.is_finite() {
                    format!("{}×", short(advantage))
                } else {
                    String::new()
                }
            }
        };
        let _never_fails = write!(text, "| {advantage} ");
    }
    text + "|\n"
}

/// The figure that the peers are compared with: the best of ours.
fn best_of_brigade(group: &GroupResult, tag: Tag) -> Option<f64> {
    let ours = group.cases.iter().filter(|case| case.side == Side::Brigade);
    let medians = ours.filter_map(|case| case.figure(tag)).map(|figure| figure.spread.median);
    medians.reduce(|best, value| if group.unit.advantage(value, best) > 1.0 { value } else { best })
}

/// Three significant digits.
pub(crate) fn short(value: f64) -> String {
    let digits = if value > 0.0 { 2 - value.log10().floor() as i32 } else { 0 };
    format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{Cores, Sample, Unit};
    use crate::harness::Tagged;

    #[test]
    fn three_digits_are_kept() {
        assert_eq!(short(0.012_34), "0.0123");
        assert_eq!(short(1.0), "1.00");
        assert_eq!(short(123.4), "123");
        assert_eq!(short(12_345.0), "12345");
        assert_eq!(short(0.0), "0");
    }

    #[test]
    fn peers_are_compared_with_the_best_of_ours() {
        let case = |name: &str, side, value| CaseResult {
            name: name.to_owned(),
            side,
            missing: None,
            samples: vec![Tagged { tag: Tag::Near, sample: Sample::of(value) }],
            failures: Vec::new(),
        };
        let mut cases = vec![
            case("a", Side::Brigade, 2.0),
            case("b", Side::Brigade, 1.0),
            case("c", Side::Peer, 5.0),
            case("d", Side::Peer, 0.0),
        ];
        cases[3].missing = Some("it is not here".to_owned());
        let group = GroupResult {
            family: "f",
            name: "g",
            work: "Work.",
            unit: Unit::Nanoseconds,
            detail: None,
            cores: Cores::Two,
            cases,
        };
        let text = table(&group);
        assert!(text.contains("Cores: near. Rounds: 1."), "{text}");
        assert!(text.contains("| **b** | 1.00 | 1.00 | 1.00 |  |"), "{text}");
        assert!(text.contains("| c | 5.00 | 5.00 | 5.00 | 5.00× |"), "{text}");
        assert!(text.contains("\n\nNot measured: d, because it is not here.\n"), "{text}");
    }
}
