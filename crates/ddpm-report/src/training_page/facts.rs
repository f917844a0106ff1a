//! Configuration, commands and times of a training run.

use crate::kit::{Cell, Page, Table, Text, number};

/// The data set of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFacts {
    /// The data set, as people call it: `UCI digits`.
    pub name: String,
    /// Channels, rows and columns of an image.
    pub shape: [usize; 3],
    /// Images to train on.
    pub train_images: usize,
    /// Held-out images.
    pub held_out_images: usize,
}

/// What ran where, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFacts {
    /// What is trained: `U-Net`.
    pub model: String,
    /// Its parameters.
    pub parameters: u64,
    /// Optimizer steps done.
    pub steps: u64,
    /// Images in a batch.
    pub batch_size: usize,
    /// The device, as people call it: `cpu, 2 threads`.
    pub device: String,
    /// The stages in their order.
    pub stages: Vec<Stage>,
    /// Programs and libraries with their versions, the program's own first.
    pub versions: Vec<(String, String)>,
}

/// One stage of the pipeline.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What was done: `train`.
    pub name: String,
    /// How long it took, in seconds; `None` if its output was there already and no record of its time.
    pub seconds: Option<f64>,
}

impl RunFacts {
    /// Seconds of the stage of this name.
    pub(super) fn seconds_of(&self, stage: &str) -> Option<f64> {
        self.stages.iter().find(|entry| entry.name == stage).and_then(|entry| entry.seconds)
    }

    /// Seconds of all stages together, if all are known.
    pub(super) fn total_seconds(&self) -> Option<f64> {
        self.stages.iter().map(|stage| stage.seconds).sum()
    }
}

/// Adds the sections; `config` is the resolved configuration and `commands` those that make the run.
pub(super) fn add_to(page: &mut Page, data: &DataFacts, run: &RunFacts, config: &str, commands: &[String]) {
    let section = page.section("Configuration");
    let [channels, height, width] = data.shape;
    let mut facts: Vec<(&str, Cell)> = vec![
        ("Data", data.name.as_str().into()),
        ("Training images", data.train_images.into()),
        ("Held-out images", data.held_out_images.into()),
        ("Image", format!("{height} × {width}, {}", channels_in_words(channels)).into()),
        ("Model", run.model.as_str().into()),
        ("Parameters", run.parameters.into()),
        ("Optimizer steps", run.steps.into()),
        ("Batch size", run.batch_size.into()),
        ("Device", run.device.as_str().into()),
    ];
    facts.extend(run.versions.iter().map(|(name, version)| (name.as_str(), version.as_str().into())));
    section.key_values(facts);
    section.preformatted("The resolved configuration (config.toml)", config.trim_end());

    let section = page.section("Commands and times");
    if !commands.is_empty() {
        section.paragraph(
            "The commands that make this run. A run that was stopped resumes; finished stages are not repeated.",
        );
        for command in commands {
            section.paragraph(Text::default().code(command));
        }
    }
    if !run.stages.is_empty() {
        let mut table = Table::new("Time of each stage.", ["stage", "time"]);
        for stage in &run.stages {
            let time = stage.seconds.map_or(Cell::Empty, |seconds| number::duration(seconds).into());
            table.push([Cell::from(stage.name.as_str()), time]);
        }
        if let Some(total) = run.total_seconds().filter(|_| run.stages.len() > 1) {
            table.push([Cell::from(Text::default().strong("all")), number::duration(total).into()]);
        }
        section.table(table);
    }
}

fn channels_in_words(channels: usize) -> String {
    match channels {
        1 => "grey".to_string(),
        3 => "colour".to_string(),
        n => format!("{n} channels"),
    }
}
