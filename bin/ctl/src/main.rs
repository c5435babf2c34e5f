//! `brigadectl`: the operator's hand on a running supervisor.
#![forbid(unsafe_code)]

mod doctor;
mod render;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use brigade_supervisor::SIGNAL_TABLE;
use brigade_supervisor::command::{Command, Order, Pace, Scale, Wait};
use brigade_supervisor::config::{Config, ReloadScope};
use brigade_supervisor::control::{Client, ClientError, default_path};
use brigade_supervisor::status::{Reply, Verdict};
use clap::{Args, Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 usage, 3 the program does not run, 4 no such program or no
supervisor, 5 timed out (the work goes on), 6 the configuration is of no use, 7 refused";

/// Asks a supervisor, or tells it what to do.
#[derive(Parser)]
#[command(name = "brigadectl", version, after_help = EXIT_CODES)]
struct Arguments {
    /// The supervisor's control socket [default: $BRIGADE_CONTROL_SOCKET, else
    /// /run/brigade/control.sock, or in the user's runtime directory]
    #[arg(long, global = true, value_name = "PATH")]
    control: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Wait for the answer at most so long
    #[arg(long, global = true, value_name = "SECONDS")]
    timeout: Option<f64>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Shows the programs and their processes
    Status {
        /// Only these
        programs: Vec<String>,
    },
    /// Has the configuration read again and the workers exchanged
    Reload {
        /// Exchange every worker, whatever the configuration says
        #[arg(long, conflicts_with = "changed")]
        all: bool,
        /// Exchange only what changed
        #[arg(long)]
        changed: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Exchanges the workers of programs, each new one ready before its predecessor leaves
    Restart(Programs),
    /// Stops programs
    Stop(Programs),
    /// Starts programs that were stopped or have finished
    Start(Programs),
    /// Changes how many processes a program has
    Scale {
        /// The program
        program: String,
        /// A number, +N, -N, or `configured`
        #[arg(allow_hyphen_values = true)]
        count: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Shows the last lines that a program has written
    Logs {
        /// The program
        program: String,
        /// How many
        #[arg(short = 'n', long, default_value_t = 50)]
        lines: usize,
    },
    /// Says whether a configuration is of use: the supervisor's own, or a file
    Check {
        /// The file; no supervisor is asked then
        file: Option<PathBuf>,
    },
    /// Has the log files opened anew
    Reopen,
    /// Ends the supervisor and everything below it
    Shutdown {
        /// Kill everything
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Prints what each signal means to the supervisor
    Signals,
    /// Examines whether this kernel does what the safety of killed processes rests on
    Doctor,
}

#[derive(Args)]
struct Programs {
    /// The programs, or `all`
    #[arg(required = true)]
    programs: Vec<String>,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Args)]
struct Waiting {
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
}

impl Waiting {
    fn wait(&self) -> Wait {
        if self.no_wait { Wait::Begun } else { Wait::Done }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if matches!(arguments.verb, Verb::Doctor) {
        return doctor::run(arguments.json).exit_code().into();
    }
    let replies = answer(&arguments);
    let mut worst = Verdict::Ok;
    for reply in &replies {
        if arguments.json {
            // A reply consists of texts and numbers, which always have a JSON form.
            println!("{}", serde_json::to_string(reply).unwrap_or_default());
        } else {
            render::print(reply);
        }
        if worst == Verdict::Ok {
            worst = reply.verdict;
        }
    }
    worst.exit_code().into()
}

fn answer(arguments: &Arguments) -> Vec<Reply> {
    let client = client(arguments);
    let ask = |command, wait| vec![ask(&client, Order { command, wait })];
    let each = |programs: &[String], wait, command: fn(String) -> Command| {
        each_program(&client, programs, wait, command)
    };
    match &arguments.verb {
        Verb::Status { programs } if programs.is_empty() => ask(Command::Status(None), Wait::Done),
        Verb::Status { programs } => each(programs, Wait::Done, |name| Command::Status(Some(name))),
        Verb::Reload { all, changed, waiting } => {
            let scope = match (all, changed) {
                (true, _) => Some(ReloadScope::All),
                (_, true) => Some(ReloadScope::Changed),
                _ => None,
            };
            ask(Command::Reload(scope), waiting.wait())
        }
        Verb::Restart(Programs { programs, waiting }) => {
            each(programs, waiting.wait(), Command::Restart)
        }
        Verb::Stop(Programs { programs, waiting }) => each(programs, waiting.wait(), Command::Stop),
        Verb::Start(Programs { programs, waiting }) => {
            each(programs, waiting.wait(), Command::Start)
        }
        Verb::Scale { program, count, waiting } => match Scale::parse(count) {
            Some(scale) => ask(Command::Scale(program.clone(), scale), waiting.wait()),
            None => {
                let message = format!("`{count}` is not a number, +N, -N or `configured`");
                vec![Reply::new(Verdict::Usage, message)]
            }
        },
        Verb::Logs { program, lines } => ask(Command::Logs(program.clone(), *lines), Wait::Done),
        Verb::Check { file: Some(file) } => vec![check(file)],
        Verb::Check { file: None } => ask(Command::Check, Wait::Done),
        Verb::Reopen => ask(Command::Reopen, Wait::Done),
        Verb::Shutdown { now, waiting } => {
            let pace = if *now { Pace::Fast } else { Pace::Graceful };
            ask(Command::Shutdown(pace), waiting.wait())
        }
        Verb::Signals => vec![Reply::new(Verdict::Ok, SIGNAL_TABLE)],
        // Asks no supervisor: `main` has seen to it.
        Verb::Doctor => Vec::new(),
    }
}

fn client(arguments: &Arguments) -> Client {
    let named = arguments.control.clone();
    let named = named.or_else(|| std::env::var_os("BRIGADE_CONTROL_SOCKET").map(PathBuf::from));
    let client = Client::new(named.unwrap_or_else(default_path));
    match arguments.timeout.map(Duration::try_from_secs_f64) {
        Some(Ok(patience)) => client.patience(patience),
        _ => client,
    }
}

fn ask(client: &Client, order: Order) -> Reply {
    client.ask(&order).unwrap_or_else(|error| {
        let verdict = match error {
            ClientError::NoSupervisor { .. } => Verdict::NotFound,
            ClientError::TimedOut => Verdict::TimedOut,
            _ => Verdict::Failed,
        };
        Reply::new(verdict, error.to_string())
    })
}

/// Asks for the same for each program; `all` is every program that the supervisor has.
fn each_program(
    client: &Client,
    programs: &[String],
    wait: Wait,
    command: fn(String) -> Command,
) -> Vec<Reply> {
    let mut names = programs.to_vec();
    if names.iter().any(|name| name == "all") {
        let reply = ask(client, Order { command: Command::Status(None), wait: Wait::Done });
        let Some(status) = reply.status else { return vec![reply] };
        names = status.programs.into_iter().map(|program| program.name).collect();
    }
    names.into_iter().map(|name| ask(client, Order { command: command(name), wait })).collect()
}

fn check(file: &std::path::Path) -> Reply {
    match Config::load(file) {
        Ok(_) => Reply::new(Verdict::Ok, format!("{}: fine", file.display())),
        Err(error) => {
            let mut reply = Reply::new(Verdict::Invalid, "the configuration is of no use");
            reply.diagnostics = error.diagnostics;
            reply
        }
    }
}
