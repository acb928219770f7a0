//! The command line: reads it, does what it says, and is the only place that prints.
//!
//! * [`arguments`]: every command and flag, with its help
//! * `check`, `journal`, `list`, `once`, `run`, `settings`: a command each, or a few that belong together
//! * `health`: asks the running agent whether it is alive
//! * `log`: what the agent says of itself while it runs
//! * `print`: to stdout and stderr

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use crate::catalog::CATALOG;
use crate::cli::arguments::{Arguments, Command};
use crate::component::settings::Problem;
use crate::config::environment::Environment;
use crate::config::load::{self, Flags, Loaded};

pub mod arguments;

mod check;
mod health;
mod journal;
mod list;
mod log;
mod once;
mod print;
mod progress;
mod run;
mod settings;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Done, or stopped as told.
    Done,
    /// Died, or did not succeed.
    Failed,
    /// The settings or the command line cannot be used; nothing was started.
    Unusable,
}

impl From<End> for ExitCode {
    fn from(end: End) -> Self {
        match end {
            End::Done => Self::SUCCESS,
            End::Failed => Self::from(1),
            End::Unusable => Self::from(2),
        }
    }
}

/// Reads the command line and does what it says. Exit codes: 0 stopped or done, 1 died or failed, 2 settings or
/// command line that cannot be used.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let environment = Environment::of_process();
    let done = match dispatch(arguments, &environment) {
        Ok(end) => end,
        // The reader of a pipe has gone: it has what it wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => End::Done,
        Err(error) => {
            print::complaint(&format!("cannot print: {error}"));
            End::Failed
        }
    };
    done.into()
}

fn dispatch(arguments: Arguments, environment: &Environment) -> std::io::Result<End> {
    let flags = Flags {
        config: arguments.config,
        listen: arguments.listen,
        directory: None,
    };
    let load = |flags: &Flags| loaded(environment, flags);
    let command = arguments.command.unwrap_or(Command::Run {
        dry_run: arguments.dry_run,
    });
    match command {
        Command::Run { dry_run } => {
            let dry_run = dry_run || arguments.dry_run;
            load(&flags).map_or(Ok(End::Unusable), |loaded| run::run(loaded, dry_run))
        }
        Command::Check { connect } => load(&flags).map_or(Ok(End::Unusable), |loaded| {
            check::check(loaded, environment, connect)
        }),
        Command::Config => load(&flags).map_or(Ok(End::Unusable), |loaded| settings::show(&loaded)),
        Command::Once { json } => load(&flags).map_or(Ok(End::Unusable), |loaded| once::once(loaded, json)),
        Command::List { name } => list::list(&CATALOG, name.as_deref()),
        Command::Reference => list::reference(&CATALOG),
        Command::Journal { directory, command } => {
            let flags = Flags { directory, ..flags };
            load(&flags).map_or(Ok(End::Unusable), |loaded| journal::journal(&loaded, command))
        }
        Command::Healthcheck => {
            load(&flags).map_or(Ok(End::Unusable), |loaded| health::check(&loaded.settings))
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tawny", &mut text);
            print::bytes(&text)?;
            Ok(End::Done)
        }
    }
}

/// Loads the settings; where they cannot be used, says all that is wrong.
fn loaded(environment: &Environment, flags: &Flags) -> Option<Loaded> {
    match load::load(environment, flags, &CATALOG) {
        Ok(loaded) => Some(loaded),
        Err(refused) => {
            refused.warnings.iter().for_each(warn);
            for problem in &refused.problems {
                print::complaint(&problem.to_string());
            }
            let count = refused.problems.len();
            let problems = if count == 1 { "problem" } else { "problems" };
            print::complaint(&format!(
                "{count} {problems} in the settings; nothing was started"
            ));
            None
        }
    }
}

fn warn(warning: &Problem) {
    print::complaint(&format!("warning: {warning}"));
}

/// How long the end of a command waits for tasks that do not end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs a command that waits, on two threads with small stacks: the agent shares the device with what it is there for.
fn block_on<F: Future>(work: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_stack_size(1024 * 1024)
        .thread_name("tawny")
        .enable_all()
        .build()?;
    let output = runtime.block_on(work);
    // What tasks own ends with them: a program that was listened to would otherwise outlive the agent. A blocking call
    // that hangs (a dead network filesystem) must not hold up the end for longer.
    runtime.shutdown_timeout(LAST_WORDS);
    Ok(output)
}
