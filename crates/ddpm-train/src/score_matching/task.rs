//! Training of a score network by score matching.

use super::data_source::Source;
use super::denoising::denoising;
use super::explicit::explicit;
use super::published_score::PublishedScore;
use super::score_objective::ScoreObjective;
use super::simple::simple;
use crate::{TrainError, Trainable};
use ddpm_core::noise::{NoiseSource, Purpose};
use ddpm_core::{Level, Noising};
use ddpm_data::Shard;
use ddpm_nets::{NoiseLevels, NoisedBatch, Parameters, normal_rows, per_row};
use rand_distr::{Distribution, StandardUniform};
use std::ops::Range;
use std::path::Path;
use tch::{Kind, Tensor};
use torch_ext::TorchError;

/// Score matching at all levels of a noising process.
///
/// Each sample gets its level, its noise and its random directions from its global index, whatever the batch.
#[derive(Debug)]
pub struct ScoreMatching<N, S> {
    network: N,
    source: S,
    noising: Noising,
    objective: ScoreObjective,
    levels: NoiseSource,
    noise: NoiseSource,
    directions: NoiseSource,
}

impl<N: PublishedScore, S: Source> ScoreMatching<N, S> {
    /// Training of `network` on the data of `source`, noised to the levels of `noising`; `seed` names everything random.
    ///
    /// Fails where the objective has options out of range or asks for what the source does not know.
    pub fn new(
        network: N,
        source: S,
        noising: Noising,
        objective: ScoreObjective,
        seed: u64,
    ) -> Result<Self, TrainError> {
        objective.validate("objective.projections")?;
        let least = noising.level_at(0.0)?;
        if objective.needs_noise() && least.is_clean() {
            let reason = "is learned from the noise, which the least noisy level does not have; raise t_min";
            return Err(TrainError::key("objective.kind", reason));
        }
        Ok(ScoreMatching {
            network,
            source,
            noising,
            objective,
            levels: NoiseSource::new(seed, Purpose::TrainingTime),
            noise: NoiseSource::new(seed, Purpose::TrainingNoise),
            directions: NoiseSource::new(seed, Purpose::Projection),
        })
    }

    fn level_of(&self, sample: u64) -> Result<Level, TrainError> {
        let u: f64 = StandardUniform.sample(&mut self.levels.rng(sample, 0));
        Ok(self.noising.level_at(u)?)
    }

    /// Draw `draw` of each sample's random directions: standard normal, in the shape of `like`.
    fn normal(&self, samples: &Range<u64>, draw: u64, like: &Tensor) -> Result<Tensor, TorchError> {
        normal_rows(&self.directions, samples.clone(), draw, &like.size()[1..], like.device())
    }

    /// The loss of every row: `[n]`.
    fn row_losses(&self, samples: &Range<u64>, batch: &NoisedBatch) -> Result<Tensor, TrainError> {
        let NoisedBatch { eps, x_t, levels, .. } = batch;
        let columns = torch_ext::fence(|| NoiseLevels::new(levels, x_t.device()))?;
        let field = |x: &Tensor| self.network.network().score(x, &columns);
        Ok(match self.objective {
            ScoreObjective::Simple {} => simple(&field, x_t, eps, columns.sigma())?,
            ScoreObjective::Denoising { .. } => denoising(&field, x_t, eps, columns.sigma())?,
            ScoreObjective::Explicit { .. } => {
                let score = self.source.score(x_t, levels).unwrap_or_else(|| {
                    let reason = "explicit needs data whose score is known, a closed-form target";
                    Err(TrainError::key("objective.kind", reason))
                })?;
                explicit(&field, x_t, &score)?
            }
            ScoreObjective::Implicit { .. } | ScoreObjective::Sliced { .. } => {
                let components = self.source.components();
                let directions =
                    self.objective.directions(components, &|draw| self.normal(samples, draw, x_t))?;
                self.objective.curvature_losses(&field, x_t, &directions)?
            }
        })
    }
}

impl<N: PublishedScore, S: Source> Trainable for ScoreMatching<N, S> {
    fn parameters(&self) -> &Parameters {
        self.network.network().parameters()
    }

    fn loss(&self, step: u64, shard: &Shard) -> Result<Tensor, TrainError> {
        let samples = shard.samples(step);
        let x0 = self.source.batch(step, shard)?;
        self.network.network().check_rows(&x0)?;
        let levels = samples.clone().map(|sample| self.level_of(sample)).collect::<Result<Vec<_>, _>>()?;
        let batch = NoisedBatch::keyed(&x0, levels, &self.noise, samples.clone(), 0)?;
        let losses = self.row_losses(&samples, &batch)?;
        let components = self.source.components();
        let weights = batch.levels.iter().map(|level| self.objective.row_weight(level, components));
        Ok(torch_ext::fence(|| {
            let weights = per_row(weights, &losses);
            (losses * weights).mean(Kind::Float)
        })?)
    }

    fn publish(&self, dir: &Path, weights: &[Tensor]) -> Result<(), TrainError> {
        self.network.publish(dir, weights)
    }
}
