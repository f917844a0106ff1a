//! `ddpm eval steps`: sample quality against the number of steps.

use super::data_options::DataOptions;
use crate::checkpoints::load_images;
use crate::evaluation::{
    CheckpointSamples, Images, Kind, distance, features, load_extractor, of_folder, reference_features,
};
use crate::global_options::Global;
use crate::numbers::{count, count64};
use crate::output::{self, JsonOutput, check_files, print};
use crate::runtime::{self, NOTHING_WRITTEN, StopFlag};
use crate::terminal_noise::warn_of_signal;
use crate::workers::{self, in_turn};
use anyhow::{Context, Result, ensure};
use ddpm_core::scheme::SamplerInfo;
use ddpm_core::{CoreError, Scheme};
use ddpm_data::samples::Existing;
use ddpm_eval::extractor::{ExtractorChoice, FeatureExtractor, FeatureFile};
use ddpm_nets::checkpoint::Checkpoint;
use ddpm_report::kit::{Cell, Table};
use ddpm_report::results::{Format, SampledSet, StepsRow, StepsTable, WithinReference};
use ddpm_sample::Tolerance;
use std::path::PathBuf;
use std::str::FromStr;
use tch::Device;
use torch_ext::dist::Workers;

/// What counts as close to the reference.
const CLOSE: f64 = 1.05;

/// Sample quality of fast samplers against their number of steps, beside ancestral sampling through all levels
///
/// All samples start from the same noise. They stay in the cache, so that an interrupted table goes on where it stopped.
#[derive(clap::Args, Debug)]
pub(crate) struct Steps {
    /// The checkpoint
    #[arg(long, value_name = "DIR")]
    checkpoint: PathBuf,
    /// inception, inception:FILE, torchscript:FILE, classifier:DIR or pixels
    #[arg(long, value_name = "EX")]
    extractor: ExtractorChoice,
    /// Samples of each row
    #[arg(long, value_name = "N", value_parser = count64, default_value = "1000")]
    num: u64,
    /// Samplers, with their default options
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        default_value = "ddpm,ddim,ode-heun,dpmpp-2m,dpmpp-2m-sde,unipc"
    )]
    samplers: Vec<Fast>,
    /// Numbers of steps
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = count, default_value = "5,10,20,50,100")]
    counts: Vec<usize>,
    /// Samples at once
    #[arg(long, value_name = "N", value_parser = count64, default_value = "64")]
    batch_size: u64,
    /// Write JSON to a file, or to the standard output (-) instead of text
    #[arg(long, value_name = "FILE|-")]
    json: Option<JsonOutput>,
    #[command(flatten)]
    data: DataOptions,
}

/// A sampler whose number of steps is chosen.
#[derive(Clone, Debug)]
struct Fast(&'static SamplerInfo);

impl FromStr for Fast {
    type Err = CoreError;

    fn from_str(word: &str) -> Result<Self, CoreError> {
        let info = SamplerInfo::find(word)?;
        match info.scheme {
            Scheme::OdeRk45 | Scheme::Langevin { .. } | Scheme::AnnealedLangevin { .. } => {
                Err(CoreError::Unsupported(format!("{word} has no number of steps to choose")))
            }
            _ => Ok(Fast(info)),
        }
    }
}

/// What every row shares.
struct Rows<'a> {
    checkpoint: &'a Checkpoint,
    extractor: &'a dyn FeatureExtractor,
    real: &'a FeatureFile,
    seed: u64,
    device: Device,
    workers: &'a Workers,
}

impl Steps {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        check_files(
            &[("--json", JsonOutput::path(&self.json))],
            &[("--checkpoint", Some(self.checkpoint.as_path()))],
        )?;
        ensure!(self.num >= 2, "--num must be at least 2, got {}", self.num);
        let stop = StopFlag::install()?;
        let found = stop.abandonable(NOTHING_WRITTEN, || self.measure(global, &stop))?;
        if let Some(json) = &self.json {
            json.write(&found)?;
        }
        if JsonOutput::is_standard(&self.json) { Ok(()) } else { print(&text(&found)?) }
    }

    fn measure(&self, global: &Global, stop: &StopFlag) -> Result<StepsTable> {
        let workers = &workers::join()?;
        let device = runtime::prepare(global.device, global.threads)?;
        let checkpoint = load_images(&self.checkpoint, device)?;
        let noising = checkpoint.scheduler.noising();
        if let Some(levels) = noising.max_steps()
            && let Some(most) = self.counts.iter().find(|&&steps| steps > levels)
        {
            anyhow::bail!("--counts: at most the {levels} training levels, got {most}");
        }
        warn_of_signal(noising)?;
        let data = in_turn(workers, || self.data.load(&global.given))?;
        let extractor = in_turn(workers, || load_extractor(&self.extractor, device))?;
        let real = reference_features(&self.extractor, extractor.as_ref(), &data, workers, stop)?;
        let seed = global.seed.unwrap_or(0);
        let rows = Rows {
            checkpoint: &checkpoint,
            extractor: extractor.as_ref(),
            real: &real,
            seed,
            device,
            workers,
        };
        let ancestral = Fast(SamplerInfo::find("ddpm")?);
        let reference = self.row(&rows, &ancestral, noising.default_steps(), stop)?;
        let (mut all, mut within) = (Vec::new(), Vec::new());
        for sampler in &self.samplers {
            let mut close: Option<(u64, u64)> = None;
            for &steps in &self.counts {
                let row = self.row(&rows, sampler, steps, stop)?;
                if row.distance.value <= CLOSE * reference.distance.value
                    && close.is_none_or(|(_, evaluations)| row.evaluations < evaluations)
                {
                    close = Some((steps as u64, row.evaluations));
                }
                all.push(row);
            }
            within.push(WithinReference {
                sampler: sampler.0.name.into(),
                steps: close.map(|(steps, _)| steps),
                evaluations: close.map(|(_, evaluations)| evaluations),
            });
        }
        Ok(StepsTable {
            format: Format,
            model: self.checkpoint.display().to_string(),
            against: real.images.clone(),
            reference,
            rows: all,
            within,
        })
    }

    fn row(&self, of: &Rows<'_>, sampler: &Fast, steps: usize, stop: &StopFlag) -> Result<StepsRow> {
        let info = sampler.0;
        let scheme = match info.scheme {
            Scheme::Ddpm { .. } => Scheme::Ddpm { variance: of.checkpoint.scheduler.variance() },
            scheme => scheme,
        };
        let samples = CheckpointSamples {
            checkpoint: of.checkpoint,
            dir: &self.checkpoint,
            scheme,
            steps,
            grid: None,
            chosen: None,
            tolerance: Tolerance::default(),
            num: self.num,
            batch_size: self.batch_size,
            seed: of.seed,
            device: of.device,
        };
        let folder = samples.write(None, Existing::Refuse, of.workers, stop)?;
        let images = of_folder(&folder)?.images;
        let images = Images { images, name: format!("{} through {steps} levels", info.name) };
        let features = features(of.extractor, &images, of.workers, stop)?;
        let distance = distance(Kind::Frechet, &features, of.real, stop)
            .with_context(|| format!("{} through {steps} levels", info.name))?;
        Ok(StepsRow {
            samples: SampledSet {
                num: self.num,
                sampler: info.name.into(),
                steps: steps as u64,
                seed: of.seed,
            },
            evaluations: steps as u64 * u64::from(info.evaluations),
            distance,
        })
    }
}

/// Two tables.
fn text(found: &StepsTable) -> Result<String> {
    let distance = &found.reference.distance;
    let mut rows = Table::new(
        format!(
            "{} of {} samples to {}, {} features by {}.",
            distance.metric, distance.n_a, found.against, distance.dim, distance.extractor
        ),
        ["sampler", "steps", "evaluations", "distance", "without bias"],
    );
    for row in [&found.reference].into_iter().chain(&found.rows) {
        let corrected = match (row.distance.corrected, row.distance.interval) {
            (Some(value), Some([low, high])) => {
                Cell::Measured(ddpm_core::interval::Interval { value, low, high })
            }
            _ => Cell::Empty,
        };
        rows.push([
            row.samples.sampler.as_str().into(),
            Cell::Count(row.samples.steps),
            Cell::Count(row.evaluations),
            Cell::Number(row.distance.value),
            corrected,
        ]);
    }
    let mut within = Table::new(
        format!(
            "Fewest evaluations within 5 % of ancestral sampling through {} levels.",
            found.reference.samples.steps
        ),
        ["sampler", "steps", "evaluations"],
    );
    for row in &found.within {
        let cell = |count: Option<u64>| count.map_or("none".into(), Cell::Count);
        within.push([row.sampler.as_str().into(), cell(row.steps), cell(row.evaluations)]);
    }
    let width = output::width();
    Ok(format!("{}\n{}", rows.to_text(width)?, within.to_text(width)?))
}
