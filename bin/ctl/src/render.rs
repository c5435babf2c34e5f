//! Answers for people.

use brigade_supervisor::status::{
    InstanceState, InstanceStatus, ProgramState, ProgramStatus, Reply, Status, Verdict,
};

/// Prints an answer: what was asked for on the standard output, what is wrong on the other.
pub(crate) fn print(reply: &Reply) {
    if let Some(status) = &reply.status {
        print!("{}", render_status(status));
    }
    for line in reply.lines.iter().flatten() {
        println!("{}[{}] {}", line.instance, line.pid, line.text);
    }
    let good = matches!(reply.verdict, Verdict::Ok);
    if !reply.message.is_empty() {
        if good {
            println!("{}", reply.message);
        } else {
            eprintln!("brigadectl: {}", reply.message);
        }
    }
    reply.diagnostics.iter().for_each(|problem| eprintln!("{problem}"));
    reply.failures.iter().for_each(|failure| eprintln!("{failure}"));
}

fn render_status(status: &Status) -> String {
    let mut text = format!(
        "brigaded {}: {}, process {}, up {}, generation {}\n",
        status.version,
        status.state,
        status.pid,
        span(status.uptime_ms),
        status.generation
    );
    if let Some(config) = &status.config {
        text += &format!("config {config}\n");
    }
    for socket in &status.sockets {
        text += &format!("socket {} {}\n", socket.name, socket.address);
    }
    if status.lines_dropped > 0 {
        text += &format!("{} lines of output were dropped\n", status.lines_dropped);
    }
    status.programs.iter().for_each(|program| text += &render_program(program));
    text
}

fn render_program(program: &ProgramStatus) -> String {
    let mark = match program.state {
        ProgramState::Running => '●',
        ProgramState::Starting | ProgramState::Reloading | ProgramState::Stopping => '↻',
        ProgramState::Stopped | ProgramState::Exited => '○',
        ProgramState::Failing | ProgramState::Failed => '×',
    };
    let desired = match program.scaled {
        Some(scaled) => format!("{scaled} (config {})", program.configured),
        None => program.desired.to_string(),
    };
    let mut text = format!(
        "{mark} {}: {}, {} of {desired} ready, generation {}, {} restarts\n",
        program.name, program.state, program.ready, program.generation, program.restarts
    );
    let last = program.instances.len().saturating_sub(1);
    for (index, instance) in program.instances.iter().enumerate() {
        let branch = if index == last { "└─" } else { "├─" };
        text += &format!("  {branch} {}\n", render_instance(instance));
    }
    text
}

fn render_instance(instance: &InstanceStatus) -> String {
    let mut parts = vec![format!("{} {}", instance.instance, instance.state)];
    parts.extend(instance.pid.map(|pid| format!("process {pid}")));
    parts.push(format!("generation {}", instance.generation));
    parts.extend(instance.uptime_ms.map(|time| format!("since {}", span(time))));
    if instance.restarts > 0 {
        parts.push(format!("{} restarts", instance.restarts));
    }
    parts.extend(instance.heartbeat_ms.map(|time| format!("heartbeat {} ago", span(time))));
    let due = match instance.state {
        InstanceState::Resting => "started again in",
        InstanceState::Starting => "given up in",
        _ => "killed in",
    };
    parts.extend(instance.due_ms.map(|time| format!("{due} {}", span(time))));
    if !matches!(instance.state, InstanceState::Up | InstanceState::Draining) {
        parts.extend(instance.last_exit.iter().map(|exit| format!("the last one {exit}")));
    }
    parts.extend(instance.status.iter().map(|status| format!("\"{status}\"")));
    parts.join(", ")
}

/// A length of time in its two largest units.
fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{}.{}s", seconds, ms % 1000 / 100),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_their_two_largest_units() {
        let table = [
            (7, "7ms"),
            (1_250, "1.2s"),
            (61_000, "1m1s"),
            (3_660_000, "1h1m"),
            (90_000_000, "1d1h"),
        ];
        for (ms, text) in table {
            assert_eq!(span(ms), text);
        }
    }
}
