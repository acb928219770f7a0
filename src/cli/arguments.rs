//! Every command and flag, with its help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "tawny",
    version,
    about = "Collects a device's metrics, shows them on /metrics, and delivers them whatever the network does",
    long_about = "Collects a device's metrics, shows them on /metrics, and delivers them to Datadog and other \
                  backends, whatever the network does meanwhile. Without a command it runs the agent.",
    after_help = "Settings come from a YAML file, the environment and flags; later ones win.\n\
                  Exit codes: 0 stopped or done, 1 died or failed, 2 settings that cannot be used.\n\n\
                  Examples:\n  tawny\n  API_KEY=file:/run/secrets/key DATADOG_URL=https://api.datadoghq.eu/api tawny\n  tawny check --connect"
)]
pub struct Arguments {
    /// The settings file [default: TAWNY_CONFIG, else /etc/tawny/tawny.yaml if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Where the metrics page is served [default: 0.0.0.0:9103]
    #[arg(long, value_name = "ADDRESS:PORT", global = true)]
    pub listen: Option<String>,

    /// Collect, wrap and print instead of sending (as in `tawny run --dry-run`)
    #[arg(long)]
    pub dry_run: bool,

    /// What to do; `run` if nothing is said
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the agent (the default)
    #[command(after_help = "Example:\n  tawny run --config tawny.yaml --listen 127.0.0.1:9103")]
    Run {
        /// Collect, wrap and print instead of sending; no journal is written
        #[arg(long)]
        dry_run: bool,
    },
    /// Check the settings without starting anything
    #[command(
        long_about = "Checks the settings without starting anything: reports every problem at once, with its path, \
                      what was expected, and a hint. With --connect it also tries every output (address, proxy, TLS, \
                      key), Redis where it is set, and every collector's target.",
        after_help = "Example:\n  tawny check --connect --config tawny.yaml"
    )]
    Check {
        /// Also try every output, Redis and every target, a line each
        #[arg(long)]
        connect: bool,
    },
    /// Print the effective settings, secrets masked, and where each came from
    #[command(after_help = "Example:\n  AGGREGATE_INTERVAL=30 tawny config")]
    Config,
    /// Run every collector one time and print what a scrape and a push would carry
    #[command(
        long_about = "Runs every configured collector one time (a second time after a second, where rates need two \
                      readings) and prints what a scrape and a push would carry. No backend is touched, no journal \
                      is written.",
        after_help = "Example:\n  tawny once --json"
    )]
    Once {
        /// Print the points as JSON lines
        #[arg(long)]
        json: bool,
    },
    /// Name every component, or show one with its sample settings and metrics
    #[command(after_help = "Example:\n  tawny list host")]
    List {
        /// A component's name
        name: Option<String>,
    },
    /// Print the reference of every component as Markdown
    #[command(after_help = "Example:\n  tawny reference > REFERENCE.md")]
    Reference,
    /// Show what waits in the journal on disk, export it, or verify it
    #[command(after_help = "Example:\n  tawny journal export --directory /var/lib/tawny > points.jsonl")]
    Journal {
        /// The journal's folder [default: as the agent's]
        #[arg(long, value_name = "FOLDER", global = true)]
        directory: Option<PathBuf>,
        /// What to do with it; `show` if nothing is said
        #[command(subcommand)]
        command: Option<JournalCommand>,
    },
    /// Ask the running agent whether it is alive; for containers
    #[command(after_help = "Example:\n  HEALTHCHECK CMD [\"tawny\", \"healthcheck\"]")]
    Healthcheck,
    /// Print completions for a shell
    #[command(after_help = "Example:\n  tawny completions bash > /etc/bash_completion.d/tawny")]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What to do with a journal. None of them changes it; all of them work while an agent has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum JournalCommand {
    /// Show depth, ages and bytes a point (the default)
    #[command(after_help = "Example:\n  tawny journal show")]
    Show,
    /// Print every point that waits as a JSON line
    #[command(after_help = "Example:\n  tawny journal export > points.jsonl")]
    Export,
    /// Read every record and report the damaged ones
    #[command(after_help = "Example:\n  tawny journal verify --directory /var/lib/tawny")]
    Verify,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn commands() -> Vec<clap::Command> {
        let mut all = vec![Arguments::command()];
        let mut done = Vec::new();
        while let Some(command) = all.pop() {
            all.extend(command.get_subcommands().cloned());
            done.push(command);
        }
        done
    }

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_help_ends_with_an_example() {
        assert_eq!(commands().len(), 13);
        for mut command in commands() {
            let help = command.render_long_help().to_string();
            let last = help
                .trim_end()
                .rsplit("\n\n")
                .next()
                .unwrap_or_default()
                .to_string();
            assert!(last.starts_with("Example"), "{}:\n{help}", command.get_name());
        }
    }

    #[test]
    fn flags_may_stand_before_and_behind_the_command() {
        let of = |text: &str| Arguments::try_parse_from(text.split(' '));
        let before = of("tawny --config a.yaml check").unwrap();
        let behind = of("tawny check --config a.yaml").unwrap();
        assert_eq!(
            (before.config.clone(), before.config),
            (behind.config, Some("a.yaml".into()))
        );
        assert!(of("tawny --dry-run").unwrap().dry_run);
        assert!(of("tawny journal export --directory /x").is_ok());
        assert!(of("tawny chek").is_err());
    }
}
