//! From errors of images to the report: a pure function of what was measured.

use super::contrast::{Curve, Functionals, Statistic};
use super::{LevelPlan, Names, NetworkStudy, SplitErrors};
use crate::{EvalConfig, EvalError, Spectrum};
use ddpm_core::classical::{ClassicalTerms, discretization_max, discretization_ratios};
use ddpm_core::decomposition::curve::{ErrorCurve, Parts, quadrature_error, split_with};
use ddpm_core::decomposition::{
    ReverseStep, ScheduleCurve, Situation, VariationalBound, gaussian_initialization, prior_divergence,
    reverse_steps, truncation_bound_of_moment,
};
use ddpm_core::interval::{CONFIDENCE, Interval};
use ddpm_core::{Level, TimeIndex, Variance};
use ddpm_data::{Dataset, ImageSet, Split};
use ddpm_report::results::{
    AdviceReport, BoundReport, Checks, DecomposeReport, Floor, FloorReport, Images, InitializationBracket,
    LevelEntry, MeasuredLevel, MeasurementFacts, Memorization, NetworkReport, StandardErrors,
    TrainingErrorBracket, VarianceReport, advice_sentences,
};
use std::collections::BTreeMap;
use std::f64::consts::LN_2;

/// A fitted variance is fitted to every so many-th image, which counts nowhere else.
const FITTING_SHARE: usize = 4;

/// Independent samples of images in a [`Statistic`].
const HELD_OUT: usize = 0;
const TRAIN: usize = 1;

pub(super) struct Analysis<'a> {
    pub(super) study: &'a NetworkStudy<'a>,
    pub(super) plan: &'a LevelPlan,
    pub(super) spectrum: &'a Spectrum,
    pub(super) names: &'a Names,
    pub(super) config: &'a EvalConfig,
}

/// One split with its curves.
struct Side<'a> {
    errors: &'a SplitErrors,
    network: Curve<'a>,
    empirical: Curve<'a>,
    gap: Curve<'a>,
    reference: Option<Curve<'a>>,
}

/// What a variance is fitted to.
struct Fit {
    images: usize,
    /// The network's mean error by measured level.
    mse: Vec<f64>,
}

/// What all parts of the report are computed from.
struct Context<'a> {
    plan: &'a LevelPlan,
    steps: Vec<ReverseStep>,
    functionals: Functionals,
    dim: usize,
    /// sum d/2 [log(v/post) + post/v - 1].
    mismatch: f64,
    /// Lower end of the initialization bracket.
    init: f64,
    held_out: Option<Side<'a>>,
    train: Side<'a>,
}

/// A floor's decomposition with the curves that it came from.
struct Parted {
    report: FloorReport,
    /// Standard errors of discretization, training and total.
    stderr: [f64; 3],
    /// By level of the schedule.
    mse: Vec<f64>,
    floor: Vec<f64>,
}

impl Analysis<'_> {
    pub(super) fn report(
        &self,
        data: &Dataset,
        measured: &[SplitErrors],
    ) -> Result<DecomposeReport, EvalError> {
        let (fit, measured) = self.set_aside(measured)?;
        let find = |split| measured.iter().find(|errors: &&SplitErrors| errors.split == split);
        let train = find(Split::Train)
            .ok_or_else(|| EvalError::mismatch("measured images", "training images", "none"))?;
        let context = self.context(train, find(Split::HeldOut), fit.as_ref())?;

        let mut floors = vec![self.floor(&context, Floor::EmpiricalTraining)?];
        if let Some(side) = &context.held_out {
            if side.reference.is_some() {
                floors.insert(0, self.floor(&context, Floor::Reference)?);
            }
            floors.push(self.floor(&context, Floor::EmpiricalLowerBound)?);
        }
        let chosen = &floors[0];
        let (advice, sentences) = self.advice(&context, chosen, fit.as_ref())?;
        let start = &self.plan.visited_levels()[0];
        let second_moment = self.spectrum.second_moment();
        let bounds = [context.held_out.as_ref(), Some(&context.train)]
            .into_iter()
            .flatten()
            .map(|side| context.bound(side))
            .collect::<Result<Vec<_>, _>>()?;
        let residual = floors
            .iter()
            .map(|floor| (floor.report.residual_nats / floor.report.vlb_nats.value).abs())
            .fold(0.0, f64::max);
        let network = NetworkReport {
            measured: self.facts(data, &context, fit.as_ref().map_or(0, |fit| fit.images)),
            levels: self.levels(&context)?,
            bounds,
            initialization: InitializationBracket {
                lower_nats: context.init,
                upper_nats: prior_divergence(second_moment, context.dim, start),
            },
            training: context.training_bracket()?,
            memorization: context.memorization()?,
            checks: self.checks(&context, &data.train, residual)?,
            advice,
            floors: floors.iter().map(|floor| floor.report.clone()).collect(),
        };
        self.summary(&context, chosen, network, sentences)
    }

    /// What a fitted variance is fitted to, and the images that are left.
    fn set_aside(&self, measured: &[SplitErrors]) -> Result<(Option<Fit>, Vec<SplitErrors>), EvalError> {
        if self.study.variance != Variance::Analytic {
            return Ok((None, measured.to_vec()));
        }
        // The sampler's own variance is fitted to held-out images where there are any: these come first.
        let Some((from, others)) = measured.split_first() else { return Ok((None, Vec::new())) };
        let fits = |image: usize| image % FITTING_SHARE == FITTING_SHARE - 1;
        let needed = 2 * FITTING_SHARE;
        if from.images() < needed {
            let expected = format!("at least {needed}, of which a quarter fits the variance");
            return Err(EvalError::mismatch("images with variance analytic", expected, from.images()));
        }
        let kept = from.select(|image| !fits(image));
        let fitting = from.select(fits);
        let fit = Fit { images: fitting.images(), mse: fitting.network.means() };
        Ok((Some(fit), std::iter::once(kept).chain(others.iter().cloned()).collect()))
    }

    fn context<'a>(
        &'a self,
        train: &'a SplitErrors,
        held_out: Option<&'a SplitErrors>,
        fit: Option<&Fit>,
    ) -> Result<Context<'a>, EvalError> {
        let (plan, dim) = (self.plan, self.spectrum.mean.len());
        let side = |errors: &'a SplitErrors| -> Result<Side<'a>, EvalError> {
            Ok(Side {
                errors,
                network: Curve::new(plan, &errors.network)?,
                empirical: Curve::new(plan, &errors.empirical)?,
                gap: Curve::new(plan, &errors.gap)?,
                reference: errors.reference.as_ref().map(|table| Curve::new(plan, table)).transpose()?,
            })
        };
        let visited = plan.visited_levels();
        let fitted = fit
            .map(|fit| -> Result<Vec<f64>, EvalError> {
                let curve = ErrorCurve::new(&plan.measured_levels(), &fit.mse)?;
                Ok(visited.iter().map(|level| curve.at(level) / dim as f64).collect())
            })
            .transpose()?;
        let steps = reverse_steps(&visited, self.study.variance, fitted.as_deref())?;
        let mean_squared = self.spectrum.mean.iter().map(|m| m * m).sum();
        Ok(Context {
            plan,
            functionals: Functionals::new(plan, &steps),
            mismatch: steps.iter().map(|step| dim as f64 * step.variance_mismatch()).sum(),
            init: gaussian_initialization(mean_squared, &self.spectrum.eigenvalues, &visited[0]),
            held_out: held_out.map(side).transpose()?,
            train: side(train)?,
            steps,
            dim,
        })
    }

    fn floor(&self, context: &Context<'_>, floor: Floor) -> Result<Parted, EvalError> {
        let Context { plan, functionals: f, steps, dim, mismatch, init, .. } = context;
        let train = &context.train;
        let missing = || EvalError::mismatch("floor", "held-out images", "none");
        let held_out = || context.held_out.as_ref().ok_or_else(missing);
        // The images of the network, and those of the floor if they are others.
        let (side, own, floors) = match floor {
            Floor::EmpiricalTraining => (train, TRAIN, TRAIN),
            Floor::Reference => (held_out()?, HELD_OUT, HELD_OUT),
            Floor::EmpiricalLowerBound => (held_out()?, HELD_OUT, TRAIN),
        };
        let m = match floor {
            Floor::Reference => side.reference.as_ref().ok_or_else(missing)?,
            _ => &train.empirical,
        };
        let curve = m.at_all();
        // On its own images mse = mmse_emp + E|D - D_emp|^2 without the cross term, whose mean is 0 and which is noise.
        let (mse, error, error_sum) = match floor {
            Floor::EmpiricalTraining => {
                let add =
                    |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).map(|(a, b)| a + b).collect::<Vec<f64>>();
                let total = |weights| add(m.sums(weights), side.gap.sums(weights));
                (add(m.at_all(), side.gap.at_all()), total(&f.error), total(&f.plain))
            }
            _ => (side.network.at_all(), side.network.sums(&f.error), side.network.sums(&f.plain)),
        };
        let information = Statistic::new(0.0).plus(floors, 1.0, &m.sums(&f.information));
        let riemann = m.sums(&f.error);
        let discretization =
            Statistic::new(*mismatch).plus(floors, 1.0, &riemann).plus(floors, -1.0, &m.sums(&f.information));
        let training = Statistic::new(0.0).plus(own, 1.0, &error).plus(floors, -1.0, &riemann);
        // Together, so that what is in both of them cancels within each image.
        let total = Statistic::new(mismatch + init).plus(own, 1.0, &error).plus(
            floors,
            -1.0,
            &m.sums(&f.information),
        );
        let prior = context.priors(side);
        let l_t = Statistic::new(0.0).plus(own, 1.0, &prior);
        let l_0 = Statistic::new(0.0).plus(own, 1.0, &side.errors.decoder);
        let vlb = Statistic::new(*mismatch).plus(own, 1.0, &prior).plus(own, 1.0, &error).plus(
            own,
            1.0,
            &side.errors.decoder,
        );

        let at_visited = |curve: &[f64]| plan.visited().iter().map(|&p| curve[p]).collect::<Vec<f64>>();
        let (mse_visited, floor_visited) = (at_visited(&mse), at_visited(&curve));
        let gains =
            ScheduleCurve::new(plan.all().to_vec(), curve.clone(), *dim)?.information(plan.visited())?;
        let (parts, sum) = split_with(steps, *dim, &mse_visited, &floor_visited, &gains)?;
        let bound = context.variational_bound(side, &mse_visited)?;
        let within = |statistic: &Statistic, value: f64| -> Result<Interval, EvalError> {
            // The curve's sum and the images' sums agree to rounding; the exact identity belongs to the former.
            Ok(Interval { value, ..statistic.interval()? })
        };
        let report = FloorReport {
            floor,
            images: floor.images(),
            discretization_nats: within(&discretization, sum.discretization)?,
            training_nats: within(&training, sum.training)?,
            total_nats: within(&total, init + sum.discretization + sum.training)?,
            info_nats: within(&information, sum.information)?,
            l_t_nats: within(&l_t, bound.prior)?,
            l_0_nats: within(&l_0, bound.decoder)?,
            vlb_nats: within(&vlb, bound.nats())?,
            residual_nats: bound.nats() - (bound.prior + sum.sum() + bound.decoder),
            quadrature_error_nats: context.quadrature_error(&curve)?,
            mse_sum: Statistic::new(0.0).plus(own, 1.0, &error_sum).interval()?,
            floor_sum: Statistic::new(0.0).plus(floors, 1.0, &m.sums(&f.plain)).interval()?,
            levels: self.entries(&mse_visited, &floor_visited, &parts),
        };
        let stderr = |statistic: &Statistic| Ok::<_, EvalError>(statistic.estimate()?.stderr);
        let stderr = [stderr(&discretization)?, stderr(&training)?, stderr(&total)?];
        Ok(Parted { report, stderr, mse, floor: curve })
    }

    /// The visited levels, the least noisy first.
    fn entries(&self, mse: &[f64], floor: &[f64], parts: &[Parts]) -> Vec<LevelEntry> {
        let visited = self.plan.visited_levels();
        let ratios = discretization_ratios(&visited);
        let timesteps = self.study.timesteps;
        let entry = |k: usize| LevelEntry {
            t: timesteps[k].one_based(),
            snr: visited[k].snr(),
            mmse: floor[k],
            mse: mse[k],
            discretization_nats: parts.get(k).map(|part| part.discretization),
            training_nats: parts.get(k).map(|part| part.training),
            discretization_ratio: ratios.get(k).copied(),
        };
        (0..timesteps.len()).rev().map(entry).collect()
    }

    fn levels(&self, context: &Context<'_>) -> Result<Vec<MeasuredLevel>, EvalError> {
        let last = self.plan.all().len() - 1;
        let train = context.train.errors;
        let held_out = context.held_out.as_ref().map(|side| side.errors);
        self.plan
            .measured()
            .iter()
            .enumerate()
            .map(|(k, &position)| {
                let at = |table: &super::ErrorTable| -> Result<Interval, EvalError> {
                    Ok(table.estimate(k)?.interval(CONFIDENCE))
                };
                let reference = held_out.and_then(|errors| errors.reference.as_ref());
                Ok(MeasuredLevel {
                    t: TimeIndex((last - position) as u32).one_based(),
                    snr: self.plan.all()[position].snr(),
                    visited: self.plan.visited().binary_search(&position).is_ok(),
                    train: at(&train.network)?,
                    held_out: held_out.map(|errors| at(&errors.network)).transpose()?,
                    empirical_train: at(&train.empirical)?,
                    empirical_held_out: held_out.map(|errors| at(&errors.empirical)).transpose()?,
                    gap_train: at(&train.gap)?,
                    reference_held_out: reference.map(at).transpose()?,
                })
            })
            .collect()
    }

    fn checks(&self, context: &Context<'_>, images: &ImageSet, residual: f64) -> Result<Checks, EvalError> {
        let (train, f) = (&context.train, &context.functionals);
        // All three with the weights of one curve: interpolated each by itself they would not add up between measured levels.
        let errors = train.errors;
        let excess = errors.network.map(|image, level| {
            let [network, empirical, gap] =
                [&errors.network, &errors.empirical, &errors.gap].map(|table| table.row(image)[level]);
            network - empirical - gap
        });
        let cross = Statistic::new(0.0).plus(TRAIN, 1.0, &excess.dot(&train.network.weights(&f.error)));
        let copies = if self.study.flips { 2.0 } else { 1.0 };
        let log_n = match images.labels().filter(|_| self.study.by_class) {
            None => (copies * images.len() as f64).ln(),
            Some(labels) => {
                let mut sizes: BTreeMap<i64, f64> = BTreeMap::new();
                labels.iter().for_each(|&label| *sizes.entry(label).or_default() += 1.0);
                sizes.values().map(|size| size * (copies * size).ln()).sum::<f64>() / images.len() as f64
            }
        };
        Ok(Checks {
            empirical_information_nats: Statistic::new(0.0)
                .plus(TRAIN, 1.0, &train.empirical.sums(&f.information))
                .interval()?,
            log_n_nats: log_n,
            cross_term_nats: cross.interval()?,
            largest_relative_residual: residual,
        })
    }

    fn advice(
        &self,
        context: &Context<'_>,
        chosen: &Parted,
        fit: Option<&Fit>,
    ) -> Result<(AdviceReport, Vec<String>), EvalError> {
        let fitted = match fit {
            Some(fit) => {
                let curve = ErrorCurve::new(&self.plan.measured_levels(), &fit.mse)?;
                self.plan.all().iter().map(|level| curve.at(level)).collect()
            }
            None => chosen.mse.clone(),
        };
        let floor = ScheduleCurve::new(self.plan.all().to_vec(), chosen.floor.clone(), context.dim)?;
        let situation = Situation {
            floor: floor.with_fit(fitted)?,
            mse: chosen.mse.clone(),
            init: context.init,
            grid: self.study.grid,
            steps: self.study.timesteps.len(),
            variance: self.study.variance,
        };
        let advice = situation.advise()?;
        let last = self.plan.all().len() - 1;
        let best_levels = advice.placement.positions.iter();
        let report = AdviceReport {
            best_variance: advice.best_variance,
            by_variance: advice
                .by_variance
                .iter()
                .map(|&(variance, discretization_nats, training_nats)| VarianceReport {
                    variance,
                    discretization_nats,
                    training_nats,
                })
                .collect(),
            best_levels: best_levels.map(|&p| TimeIndex((last - p) as u32).one_based()).collect(),
            best_discretization_nats: advice.placement.discretization,
            discretization_of_all_nats: advice.discretization_of_all,
            enough_steps: advice.enough_steps,
            shares: advice.shares(),
        };
        Ok((report, advice_sentences(&advice, &situation).to_vec()))
    }

    fn facts(&self, data: &Dataset, context: &Context<'_>, fitting_images: usize) -> MeasurementFacts {
        MeasurementFacts {
            data: self.names.data.clone(),
            reference: self.names.reference.clone().filter(|_| self.study.reference.is_some()),
            train_steps: self.plan.all().len(),
            grid: self.study.grid,
            train_images: context.train.errors.images(),
            held_out_images: context.held_out.as_ref().map_or(0, |side| side.errors.images()),
            training_set: data.train.len(),
            flips: self.study.flips,
            class_conditional: self.study.by_class,
            fitting_images,
            repeats: self.config.repeats,
            seed: self.config.seed,
            grey_levels: usize::from(data.train.grey_levels()),
            threshold: self.study.network.threshold.to_string(),
            confidence: CONFIDENCE,
        }
    }

    /// The fields of the report itself: those of the chosen floor, which add up.
    fn summary(
        &self,
        context: &Context<'_>,
        chosen: &Parted,
        network: NetworkReport,
        advice: Vec<String>,
    ) -> Result<DecomposeReport, EvalError> {
        let floor = &chosen.report;
        let visited = self.plan.visited_levels();
        let (start, lowest) = (&visited[0], &visited[visited.len() - 1]);
        let initialization = self.spectrum.initialization(start)?;
        let dim = context.dim;
        let bits = 1.0 / (dim as f64 * LN_2);
        let bound = network.bounds.iter().find(|bound| bound.images == floor.images);
        let [discretization, training, total] = chosen.stderr;
        let mut intervals: BTreeMap<String, [f64; 2]> = [
            ("discretization_nats", floor.discretization_nats),
            ("training_nats", floor.training_nats),
            ("total_nats", floor.total_nats),
            ("info_nats", floor.info_nats),
            ("l_t_nats", floor.l_t_nats),
            ("l_0_nats", floor.l_0_nats),
            ("vlb_bits_per_dim", floor.vlb_nats.scaled(bits, 0.0)),
        ]
        .into_iter()
        .chain(bound.map(|bound| ("vlb_continuum_gap_nats", bound.continuum_gap_nats)))
        .map(|(name, interval)| (name.to_owned(), interval.ends()))
        .collect();
        let bracket = network.initialization;
        intervals.insert("init_nats".to_owned(), [bracket.lower_nats, bracket.upper_nats]);
        Ok(DecomposeReport {
            checkpoint: Some(self.names.checkpoint.clone()),
            schedule: Some(self.names.schedule.clone()),
            steps: visited.len(),
            variance: Some(self.study.variance),
            dim,
            init_nats: Some(context.init),
            discretization_nats: Some(floor.discretization_nats.value),
            training_nats: Some(floor.training_nats.value),
            total_nats: Some(floor.total_nats.value),
            stderr: Some(StandardErrors {
                init_nats: 0.0,
                discretization_nats: discretization,
                training_nats: training,
                total_nats: total,
            }),
            truncation_w2_bound: Some(truncation_bound_of_moment(self.spectrum.second_moment(), dim, lowest)),
            classical: Some(ClassicalTerms {
                w2_init: initialization.w2,
                w2_init_kind: initialization.kind,
                training_mse_sum: floor.mse_sum.value,
                mmse_sum: Some(floor.floor_sum.value),
                discretization_max: discretization_max(&visited),
            }),
            per_level: Some(floor.levels.clone()),
            floor: Some(floor.floor.name().to_owned()),
            info_nats: Some(floor.info_nats.value),
            l_t_nats: Some(floor.l_t_nats.value),
            l_0_nats: Some(floor.l_0_nats.value),
            vlb_bits_per_dim: Some(floor.vlb_nats.value * bits),
            vlb_continuum_gap_nats: bound.map(|bound| bound.continuum_gap_nats.value),
            quadrature_error_nats: Some(floor.quadrature_error_nats),
            intervals: Some(intervals),
            advice: Some(advice),
            network: Some(Box::new(network)),
            ..DecomposeReport::default()
        })
    }
}

impl Context<'_> {
    /// The quadrature error of a curve over the visited range, from the levels at which it was measured; by level of the schedule.
    fn quadrature_error(&self, curve: &[f64]) -> Result<f64, EvalError> {
        let visited = self.plan.visited();
        let range = visited[0]..=visited[visited.len() - 1];
        let measured = self.plan.measured().iter().filter(|p| range.contains(p));
        let (levels, values): (Vec<Level>, Vec<f64>) =
            measured.map(|&p| (self.plan.all()[p], curve[p])).unzip();
        Ok(quadrature_error(&levels, &values)?)
    }

    /// L_T of each image.
    fn priors(&self, side: &Side<'_>) -> Vec<f64> {
        let start = &self.steps[0].t;
        side.errors.squared_norms.iter().map(|norm| prior_divergence(*norm, self.dim, start)).collect()
    }

    /// The bound from a curve of the network's error at the visited levels.
    fn variational_bound(&self, side: &Side<'_>, mse: &[f64]) -> Result<VariationalBound, EvalError> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let second_moment = mean(&side.errors.squared_norms);
        Ok(VariationalBound::new(&self.steps, self.dim, second_moment, mse, mean(&side.errors.decoder))?)
    }

    fn bound(&self, side: &Side<'_>) -> Result<BoundReport, EvalError> {
        let f = &self.functionals;
        let (prior, error) = (self.priors(side), side.network.sums(&f.error));
        let decoder = &side.errors.decoder;
        let one = |constant: f64, values: &[f64]| Statistic::new(constant).plus(0, 1.0, values).interval();
        let vlb =
            Statistic::new(self.mismatch).plus(0, 1.0, &prior).plus(0, 1.0, &error).plus(0, 1.0, decoder);
        let vlb = vlb.interval()?;
        let gap = Statistic::new(self.mismatch).plus(0, 1.0, &error).plus(
            0,
            -1.0,
            &side.network.sums(&f.continuum),
        );
        Ok(BoundReport {
            images: match side.errors.split {
                Split::Train => Images::Train,
                Split::HeldOut => Images::HeldOut,
            },
            vlb_bits_per_dim: vlb.scaled(1.0 / (self.dim as f64 * LN_2), 0.0),
            vlb_nats: vlb,
            l_t_nats: one(0.0, &prior)?,
            denoising_nats: one(self.mismatch, &error)?,
            l_0_nats: one(0.0, decoder)?,
            continuum_gap_nats: gap.interval()?,
            error_nats: one(0.0, &error)?,
            quadrature_error_nats: self.quadrature_error(&side.network.at_all())?,
        })
    }

    /// mse(held-out) - mse(train) in nats, and the same of the perfect memorizer.
    fn memorization(&self) -> Result<Option<Memorization>, EvalError> {
        let Some(held_out) = &self.held_out else { return Ok(None) };
        let difference = |held_out: &Curve<'_>, train: &Curve<'_>| {
            Statistic::new(0.0)
                .plus(HELD_OUT, 1.0, &held_out.sums(&self.functionals.error))
                .plus(TRAIN, -1.0, &train.sums(&self.functionals.error))
                .interval()
        };
        Ok(Some(Memorization {
            nats: difference(&held_out.network, &self.train.network)?,
            memorizer_nats: difference(&held_out.empirical, &self.train.empirical)?,
        }))
    }

    fn training_bracket(&self) -> Result<Option<TrainingErrorBracket>, EvalError> {
        let Some(side) = &self.held_out else { return Ok(None) };
        let errors = side.errors;
        let weights = &self.functionals.error;
        let own = side.network.sums(weights);
        let best = best_known(errors);
        let lower = Statistic::new(0.0).plus(HELD_OUT, 1.0, &own).plus(
            HELD_OUT,
            -1.0,
            &Curve::new(self.plan, &best)?.sums(weights),
        );
        let upper = Statistic::new(0.0).plus(HELD_OUT, 1.0, &own).plus(
            TRAIN,
            -1.0,
            &self.train.empirical.sums(weights),
        );
        Ok(Some(TrainingErrorBracket { lower_nats: lower.interval()?, upper_nats: upper.interval()? }))
    }
}

/// The errors of the best of network, memorizer and reference at each level; which is best for one half of the images is found on the other,
/// since the least of several noisy means is too small.
fn best_known(errors: &SplitErrors) -> super::ErrorTable {
    let candidates: Vec<&super::ErrorTable> =
        [Some(&errors.network), Some(&errors.empirical), errors.reference.as_ref()]
            .into_iter()
            .flatten()
            .collect();
    let best_of_half = |half: usize| -> Vec<usize> {
        let means: Vec<Vec<f64>> =
            candidates.iter().map(|table| table.select(|image| image % 2 == half).means()).collect();
        let least = |level: usize| {
            (0..means.len()).min_by(|&a, &b| means[a][level].total_cmp(&means[b][level])).unwrap_or_default()
        };
        (0..means[0].len()).map(least).collect()
    };
    let by_half = [best_of_half(0), best_of_half(1)];
    errors.network.map(|image, level| candidates[by_half[1 - image % 2][level]].row(image)[level])
}
