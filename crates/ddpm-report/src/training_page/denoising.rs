//! The denoising error at each level, on held-out and on training images.

use crate::confidence::confidence_in_words;
use crate::kit::{Axis, Cell, Page, Plot, Point, Section, Series, Table, Text, number};
use crate::results::ClassicalReport;
use crate::results::{DenoisingError, LevelError};
use ddpm_core::interval::CONFIDENCE;
use ddpm_core::interval::Interval;
use ddpm_core::interval::{Difference, Estimate};
use ddpm_data::Split;

/// The splits in the order in which they are shown.
const SPLITS: [(Split, &str); 2] = [(Split::HeldOut, "held-out images"), (Split::Train, "training images")];

const SNR_AXIS: &str = "signal-to-noise ratio (noise to the left)";

pub(super) fn add_to(page: &mut Page, error: &DenoisingError, classical: Option<&ClassicalReport>) {
    let section = page.section("Denoising error by noise level");
    let curves = SPLITS.map(|(split, name)| (name, error.curve(split)));
    let Some((_, first)) = curves.iter().find(|(_, curve)| !curve.is_empty()) else {
        return;
    };
    section.paragraph(format!(
        "Each of {} is noised at {} levels with its own noise, and the network denoises it. The sampler visits {} levels. Bands are {} t-intervals \
         over images; they do not contain the variation between training runs.",
        images(&curves),
        first.len(),
        number::count(error.visited as u64),
        confidence_in_words(),
    ));
    let plot =
        |title: &str, y: &str, of: &dyn Fn(&LevelError) -> Estimate, linear: &dyn Fn(f64, f64) -> f64| {
            let mut plot = Plot::new(title, Axis::log(SNR_AXIS), Axis::log(y));
            for (name, curve) in curves.iter().filter(|(_, curve)| !curve.is_empty()) {
                let points: Vec<Point> = curve.iter().map(|level| point(level.snr, &of(level))).collect();
                plot = plot.series(Series::line(*name, points).with_band());
            }
            if let Some(classical) = classical {
                let points =
                    classical.levels.iter().map(|level| (level.snr, linear(level.snr, level.linear_mse)));
                plot = plot.series(Series::guide("best linear denoiser", points.collect::<Vec<_>>()));
            }
            plot
        };

    let mut image = plot(
        "Squared error of the denoised image",
        "E|x₀ − D(xₜ)|²",
        &LevelError::mse_estimate,
        &|_, mse| mse,
    )
    .description("At high noise the error is the variance of the data or above it; it falls with the noise.");
    let mut caption = Text::new(format!(
        "The squared distance between the image and what the sampler takes for it, summed over its {} values.",
        number::count(error.dim as u64)
    ));
    if let Some(classical) = classical {
        caption = caption.plain(
            " The best linear denoiser knows the mean and the covariance of the training images and nothing else: what lies below it, the network \
             has learnt beyond them.",
        );
        if curves.iter().any(|(_, curve)| exceeds_linear(curve, classical)) {
            caption = caption.plain(
                " Where the network lies above it, at high noise, a small error in the predicted noise is a large one in the image.",
            );
        }
        let floor = visible_floor(error, classical);
        if !floor.is_empty() {
            image = image.series(Series::line("floor on training images", floor));
            caption = caption.plain(
                " The floor is the error of a denoiser that knows the training images by heart, which on these no other can beat.",
            );
        }
    }
    section.plot(image, caption);
    section.plot(
        plot(
            "Squared error of the predicted noise",
            "E|ε − ε̂(xₜ)|² per component",
            &LevelError::epsilon_estimate,
            &|snr, mse| snr * mse / error.dim as f64,
        )
        .description("At high noise the noise is seen plainly; the error rises as the noise falls."),
        "The same evaluations in the units of the loss, which is their mean over the levels. Predicting no noise at all would err by 1.",
    );
    add_gap(section, error);
}

/// How many images were measured, such as "297 held-out images and 297 training images".
fn images(curves: &[(&str, Vec<LevelError>); 2]) -> String {
    let counts = curves
        .iter()
        .filter_map(|(name, curve)| Some(format!("{} {name}", number::count(curve.first()?.n as u64))));
    counts.collect::<Vec<_>>().join(" and ")
}

/// Whether a network denoises worse somewhere than the best linear denoiser, by more than chance.
fn exceeds_linear(curve: &[LevelError], classical: &ClassicalReport) -> bool {
    curve.iter().any(|level| {
        let low = level.mse_estimate().interval(CONFIDENCE).low;
        classical.levels.iter().any(|linear| linear.snr == level.snr && low > linear.linear_mse)
    })
}

/// The floor as far as it belongs beside the measured curves: at low noise it falls to nothing faster than any power.
fn visible_floor(error: &DenoisingError, classical: &ClassicalReport) -> Vec<(f64, f64)> {
    let least = error.levels.iter().map(|level| level.mse).fold(f64::INFINITY, f64::min);
    let floor = classical.floor.iter().map(|level| (level.snr, level.mse));
    floor.filter(|&(_, mse)| mse > 0.1 * least).collect()
}

/// How much worse held-out images are denoised than training images.
fn add_gap(section: &mut Section, error: &DenoisingError) {
    let (held_out, train) = (error.curve(Split::HeldOut), error.curve(Split::Train));
    if !held_out.is_empty() && !train.is_empty() {
        let gap = |(held_out, train): (&LevelError, &LevelError)| {
            let gap = relative(
                &held_out.epsilon_estimate().minus_independent(&train.epsilon_estimate()),
                train.epsilon_mse,
            );
            let Interval { low, high, .. } = gap.interval(CONFIDENCE);
            Point::with_interval(held_out.snr, gap.mean, low, high)
        };
        let points: Vec<Point> = held_out.iter().zip(&train).map(gap).collect();
        let zero: Vec<(f64, f64)> = points.iter().map(|point| (point.x, 0.0)).collect();
        section.plot(
            Plot::new(
                "How much worse held-out images are denoised",
                Axis::log(SNR_AXIS),
                Axis::linear("excess of the held-out noise error (%)"),
            )
            .description("The held-out error of the predicted noise minus that on training images, as a share of the latter.")
            .series(Series::line("held-out over training", points).with_band())
            .series(Series::guide("no difference", zero)),
            "A network that only generalizes denoises both splits alike; one that remembers its images is better on those.",
        );
    }
    let mut table = Table::new(
        Text::new("Over all levels that the sampler visits.").footnote(
            "Levels that were not measured are interpolated by a power of the signal-to-noise ratio. Standard errors are over images: an image's errors are \
             added up over its levels first, because they are not independent.",
        ),
        ["images", "n", "Σ E|x₀ − D(xₜ)|²", "mean E|ε − ε̂(xₜ)|² per component"],
    );
    for (split, name) in SPLITS {
        if let (Some(sum), Some(loss)) = (error.mse_sum(split), error.loss(split)) {
            let measured = |estimate: Estimate| Cell::from((estimate.mean, estimate.stderr));
            table.push([Cell::from(name), sum.n.into(), measured(sum), measured(loss)]);
        }
    }
    section.table(table);
}

fn point(snr: f64, estimate: &Estimate) -> Point {
    let Interval { low, high, .. } = estimate.interval(CONFIDENCE);
    Point::with_interval(snr, estimate.mean, low, high)
}

/// Held-out minus training loss over all visited levels, in per cent of the training loss.
pub(super) fn loss_gap(error: &DenoisingError) -> Option<Difference> {
    let (held_out, train) = (error.loss(Split::HeldOut)?, error.loss(Split::Train)?);
    Some(relative(&held_out.minus_independent(&train), train.mean))
}

/// A difference in per cent of a reference. The reference's own error is small beside the difference's and is left out.
fn relative(difference: &Difference, reference: f64) -> Difference {
    let scale = 100.0 / reference;
    Difference { mean: scale * difference.mean, stderr: scale * difference.stderr, ..*difference }
}

/// The levels between which the two errors gather, on held-out images where there are any.
pub(super) struct Halves {
    /// Half of the error of x_0 lies at this level and noisier ones.
    pub(super) image_above: LevelError,
    /// Half of the error of epsilon lies at this level and cleaner ones.
    pub(super) noise_below: LevelError,
}

impl Halves {
    pub(super) fn of(error: &DenoisingError) -> Option<Self> {
        let curve =
            SPLITS.map(|(split, _)| error.curve(split)).into_iter().find(|curve| !curve.is_empty())?;
        let halfway = |values: Vec<f64>| {
            let half = 0.5 * values.iter().sum::<f64>();
            let mut sum = 0.0;
            values.iter().position(|value| {
                sum += value;
                sum >= half
            })
        };
        let image = curve.iter().map(|level| level.weight * level.mse).collect();
        let noise = curve
            .iter()
            .rev()
            .map(|level| level.epsilon_weight.unwrap_or(level.weight) * level.epsilon_mse)
            .collect();
        Some(Halves {
            image_above: curve[halfway(image)?],
            noise_below: curve[curve.len() - 1 - halfway(noise)?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::SplitSum;

    fn sum(split: Split, mean: f64, stderr: f64) -> SplitSum {
        let loss = Estimate { mean, stderr, n: 5 };
        SplitSum { split, mse_sum: loss, loss }
    }

    /// A curve of ten levels with a given error at each, which stand for 91.
    fn error(mse: [f64; 10], epsilon: [f64; 10]) -> DenoisingError {
        let levels = (0..10)
            .map(|k| LevelError {
                split: Split::Train,
                t: Some(91 - 10 * k as u32),
                snr: 10f64.powi(k as i32 - 5),
                mse: mse[k],
                stderr: 0.1,
                epsilon_mse: epsilon[k],
                epsilon_stderr: 0.1,
                n: 5,
                weight: if k % 9 == 0 { 5.5 } else { 10.0 },
                epsilon_weight: None,
            })
            .collect();
        let sums = vec![sum(Split::Train, 200.0, 3.0)];
        DenoisingError { dim: 4, visited: 91, repeats: 1, seed: 0, sums, levels }
    }

    #[test]
    fn halves_are_where_the_weighted_sums_pass_one_half() {
        let mut spike = [0.0; 10];
        spike[7] = 1.0;
        let halves = Halves::of(&error([1.0; 10], spike)).unwrap();
        // Ends count half of what an inner level does: levels 0..=4 hold 45.5 of 91.
        assert_eq!((halves.image_above.t, halves.noise_below.t), (Some(51), Some(21)));
        assert!(Halves::of(&DenoisingError { levels: Vec::new(), ..error(spike, spike) }).is_none());
    }

    #[test]
    fn the_gap_is_relative_to_the_training_error() {
        let mut error = error([1.0; 10], [1.0; 10]);
        assert!(loss_gap(&error).is_none());
        error.sums.push(sum(Split::HeldOut, 230.0, 4.0));
        let gap = loss_gap(&error).unwrap();
        assert!((gap.mean - 15.0).abs() < 1e-12 && (gap.stderr - 2.5).abs() < 1e-12);
    }
}
