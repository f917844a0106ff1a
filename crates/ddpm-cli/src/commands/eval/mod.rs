//! `ddpm eval`: distances between sets of images, by the features of an extractor.

mod data_options;
mod distance;
mod features;
mod first_set;
mod neighbours;
mod nll;
mod run;
mod score;
mod steps;
mod train_features;

use crate::evaluation::Kind;
use crate::global_options::Global;
use anyhow::Result;
use distance::Comparison;

/// Measure sets of images: features, distances, scores
#[derive(clap::Subcommand, Debug)]
#[command(after_help = "\
Extractors: inception (fetched), inception:FILE, torchscript:FILE, classifier:DIR (made by train-features), pixels.
Examples:
  ddpm eval train-features --data digits --out features/digits
  ddpm eval features --data digits --split held-out --extractor classifier:features/digits --out real.safetensors
  ddpm eval features --images samples/ --extractor classifier:features/digits --out made.safetensors
  ddpm eval fid --features-a made.safetensors --features-b real.safetensors
  ddpm eval nll --checkpoint runs/digits/checkpoints/latest --data digits --method vlb --num 50
  ddpm eval nll --target mixture.json --points samples.safetensors
  ddpm eval kid --images samples/ --data digits --split held-out --extractor classifier:features/digits --json -")]
pub(crate) enum Eval {
    Features(features::Features),
    /// Fréchet distance of two sets of features; FID where they are Inception's
    Fid(distance::Distance),
    /// Unbiased kernel distance of two sets of features
    Kid(distance::Distance),
    /// Precision, recall, density and coverage of two sets of features
    PrecisionRecall(distance::Distance),
    Is(score::Score),
    Nll(nll::Nll),
    Neighbours(neighbours::NeighboursOfSamples),
    Steps(steps::Steps),
    TrainFeatures(train_features::TrainFeatures),
    Run(run::EvalRun),
}

impl Eval {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        match self {
            Eval::Features(command) => command.run(global),
            Eval::Fid(command) => command.run(Comparison::Distance(Kind::Frechet), global),
            Eval::Kid(command) => command.run(Comparison::Distance(Kind::Kernel), global),
            Eval::PrecisionRecall(command) => command.run(Comparison::Overlap, global),
            Eval::Is(command) => command.run(global),
            Eval::Nll(command) => command.run(global),
            Eval::Neighbours(command) => command.run(global),
            Eval::Steps(command) => command.run(global),
            Eval::TrainFeatures(command) => command.run(global),
            Eval::Run(command) => command.run(global),
        }
    }
}
