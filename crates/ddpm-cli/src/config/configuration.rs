//! What the configurations of all kinds of run have in common.

use crate::global_options::Global;
use anyhow::{Context, Result};
use ddpm_train::TrainConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use toml::Value;

/// A section in which the value of one key, its kind, selects which other keys it has.
pub(crate) struct TaggedSection {
    /// The section and its key.
    pub(crate) path: [&'static str; 2],
    /// The key of the kind.
    pub(crate) tag: &'static str,
    /// Every kind; the first is that of a file without this section.
    pub(crate) kinds: &'static [&'static str],
    /// Whether a value is such a section, with the keys of its kind.
    pub(crate) accepts: fn(Value) -> bool,
}

/// The configuration of one kind of run: the sections of a TOML file as typed values.
pub(crate) trait Configuration: Clone + PartialEq + Serialize + DeserializeOwned {
    /// What such a run trains, for messages.
    const TRAINS: &'static str;
    /// Keys of `[sample]` with the values that they have where a file leaves them out.
    const SAMPLE_DEFAULTS: &'static [(&'static str, i64)];

    /// Sections of which a file may give settings without their kind.
    const TAGGED: &'static [TaggedSection] = &[];

    /// Checks each section, and that they fit together.
    fn validate(&self) -> Result<()>;

    /// The section `[train]`.
    fn train(&self) -> &TrainConfig;

    /// The settings that the trained weights depend on; every other setting is at its default and may change when the run resumes.
    fn trained_part(&self) -> Self;

    /// All seeds.
    fn seeds(&mut self) -> Vec<&mut u64>;

    /// The key of the local folder with the data; none where the data are drawn from a closed-form target.
    fn data_dir(&mut self) -> Option<&mut Option<PathBuf>>;

    /// Number of parameters of the network.
    fn parameters(&self) -> Result<u64>;

    /// The whole configuration, defaults included.
    fn to_toml(&self) -> Result<String> {
        toml::to_string(self).context("the configuration cannot be written as TOML")
    }

    /// Lets `--seed` and `--data-dir` override the file.
    fn override_from(&mut self, global: &Global, data_dir: Option<&Path>) -> Result<()> {
        if let Some(seed) = global.seed {
            self.seeds().into_iter().for_each(|own| *own = seed);
        }
        if let Some(dir) = data_dir {
            let own = self.data_dir().context(
                "--data-dir has no effect: the data of this run are drawn from the closed-form target in [data]",
            )?;
            *own = Some(dir.to_path_buf());
        }
        Ok(())
    }
}
