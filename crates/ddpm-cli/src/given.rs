//! The options that stand on the command line, so that one without effect can be refused by its name.

use anyhow::{Result, bail};
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

/// The options that stand on the command line, by the names of their fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given(Vec<String>);

impl Given {
    /// The options given to the subcommand that runs, global ones included.
    pub(crate) fn of(matches: &ArgMatches) -> Self {
        let mut matches = matches;
        while let Some((_, inner)) = matches.subcommand() {
            matches = inner;
        }
        let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
        Given(matches.ids().map(|id| id.as_str().to_owned()).filter(|id| given(id)).collect())
    }

    /// Refuses the first of these options that was given. `why` ends the sentence: "with ..." names what it cannot be used with, "on ..." what it
    /// has no effect on.
    pub(crate) fn refuse(&self, options: &[&str], why: &str) -> Result<()> {
        match options.iter().find(|option| self.0.iter().any(|given| given == *option)) {
            Some(option) => {
                let verb = if why.starts_with("with ") { "cannot be used" } else { "has no effect" };
                bail!("--{} {verb} {why}", option.replace('_', "-"))
            }
            None => Ok(()),
        }
    }

    /// [`Given::refuse`] of every option of a group.
    pub(crate) fn refuse_group<A: Args>(&self, why: &str) -> Result<()> {
        let options = of_group::<A>();
        self.refuse(&options.iter().map(String::as_str).collect::<Vec<_>>(), why)
    }

    /// [`Given::refuse`] of every option of a group but these.
    pub(crate) fn refuse_others_of_group<A: Args>(&self, allowed: &[&str], why: &str) -> Result<()> {
        let options = of_group::<A>();
        let others = options.iter().map(String::as_str).filter(|option| !allowed.contains(option));
        self.refuse(&others.collect::<Vec<_>>(), why)
    }

    /// Whether an option of a group was given.
    pub(crate) fn has_any_of<A: Args>(&self) -> bool {
        of_group::<A>().iter().any(|option| self.0.contains(option))
    }

    /// Refuses every option but these.
    pub(crate) fn refuse_all_but(&self, allowed: &[&str], why: &str) -> Result<()> {
        let others: Vec<&str> =
            self.0.iter().map(String::as_str).filter(|given| !allowed.contains(given)).collect();
        self.refuse(&others, why)
    }
}

/// The names of a group's options.
fn of_group<A: Args>() -> Vec<String> {
    let group = A::augment_args(Command::new("group"));
    group.get_arguments().map(|option| option.get_id().as_str().to_owned()).collect()
}
