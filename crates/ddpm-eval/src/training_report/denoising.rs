//! The denoising error at each level, on held-out and on training images.

use crate::classical::ClassicalReport;
use crate::denoising::{DenoisingError, LevelError, evenly_spaced, sum_weights};
use crate::estimate::{CONFIDENCE, confidence_in_words};
use crate::report::{Axis, Cell, Page, Plot, Point, Series, Table, Text};
use crate::{Difference, Estimate};
use ddpm_data::Split;

/// The splits in the order in which they are shown.
const SPLITS: [(Split, &str); 2] = [(Split::HeldOut, "held-out images"), (Split::Train, "training images")];

const SNR_AXIS: &str = "signal-to-noise ratio (noise to the left)";

pub(super) fn add_to(page: &mut Page, error: &DenoisingError, classical: Option<&ClassicalReport>) {
    let section = page.section("Denoising error by noise level");
    let images = error.levels.first().map_or(0, |level| level.n);
    let measured = error.curve(SPLITS[0].0).len().max(error.curve(SPLITS[1].0).len());
    section.paragraph(format!(
        "Each of {images} images a split gets noise of its own at {measured} of the {} levels that the sampler visits, and the network removes it again. \
         Bands are {} t-intervals over images. They do not contain the difference that another training run would make.",
        error.visited,
        confidence_in_words(),
    ));
    let curves = |of: &dyn Fn(&LevelError) -> Estimate| {
        SPLITS.map(|(split, name)| {
            (name, error.curve(split).iter().map(|level| point(level, of(level))).collect::<Vec<_>>())
        })
    };
    let plot = |title: &str, y: &str, description: &str, of: &dyn Fn(&LevelError) -> Estimate| {
        let mut plot = Plot::new(title, Axis::log(SNR_AXIS), Axis::log(y)).description(description);
        for (name, points) in curves(of) {
            if !points.is_empty() {
                plot = plot.series(Series::line_and_points(name, points).with_band());
            }
        }
        plot
    };
    let linear = |of: &dyn Fn(f64, f64) -> f64| {
        classical.map(|classical| {
            let points = classical.levels.iter().map(|level| (level.snr, of(level.snr, level.linear_mse)));
            Series::guide("best linear denoiser", points.collect::<Vec<_>>())
        })
    };
    let with = |plot: Plot, guide: Option<Series>| guide.into_iter().fold(plot, Plot::series);

    section.plot(
        with(
            plot(
                "Squared error of the denoised image",
                "E|x₀ − D(x_t)|²",
                "The error falls with the noise.",
                &LevelError::mse_estimate,
            ),
            linear(&|_, mse| mse),
        ),
        format!(
            "The squared distance between the image and what the sampler takes for it, summed over its {} values. {}",
            error.dim,
            if classical.is_some() {
                "The best linear denoiser knows means and covariances of the training images and nothing else: what lies below it, the network has learnt beyond them."
            } else {
                ""
            },
        ),
    );
    section.plot(
        with(
            plot(
                "Squared error of the predicted noise",
                "E|ε − ε_θ(x_t)|² a component",
                "The error rises as the noise falls.",
                &LevelError::epsilon_estimate,
            ),
            linear(&|snr, mse| snr * mse / error.dim as f64),
        ),
        "The same evaluations in the units of the loss, which is their mean over the levels. Predicting no noise at all would err by 1.",
    );
    add_gap(section, error);
}

/// How much worse held-out images are denoised than training images.
fn add_gap(section: &mut crate::report::Section, error: &DenoisingError) {
    let (held_out, train) = (error.curve(Split::HeldOut), error.curve(Split::Train));
    if held_out.is_empty() || train.is_empty() {
        return;
    }
    let points: Vec<Point> = held_out
        .iter()
        .zip(&train)
        .map(|(held_out, train)| {
            let gap = relative(&held_out.mse_estimate().minus_independent(&train.mse_estimate()), train.mse);
            let (low, high) = gap.interval(CONFIDENCE);
            Point::with_interval(held_out.snr, gap.mean, low, high)
        })
        .collect();
    section.plot(
        Plot::new(
            "How much worse held-out images are denoised",
            Axis::log(SNR_AXIS),
            Axis::linear("excess of the held-out error (%)"),
        )
        .description("The held-out error minus the training error, as a share of the training error.")
        .series(Series::line_and_points("held-out − training", points).with_band())
        .mark_y(0.0, "no difference"),
        "A network that only generalizes denoises both splits alike; one that remembers its images is better on those.",
    );
    let mut table = Table::new(
        Text::new("The error summed over all levels that the sampler visits, interpolated between the measured ones.")
            .footnote("Standard errors are over images: an image's errors are summed over its levels first, because they are not independent."),
        ["images", "n", "E Σ|x₀ − D(x_t)|²"],
    );
    for (split, name) in SPLITS {
        if let Some(sum) = error.mse_sum(split) {
            table.push([Cell::from(name), sum.n.into(), (sum.mean, sum.stderr).into()]);
        }
    }
    if let Some(gap) = sum_gap(error) {
        table.push([Cell::from("difference"), Cell::Empty, (gap.mean, gap.stderr).into()]);
    }
    section.table(table);
}

fn point(level: &LevelError, estimate: Estimate) -> Point {
    let (low, high) = estimate.interval(CONFIDENCE);
    Point::with_interval(level.snr, estimate.mean, low, high)
}

/// Held-out minus training error, summed over levels.
fn sum_gap(error: &DenoisingError) -> Option<Difference> {
    Some(error.mse_sum(Split::HeldOut)?.minus_independent(&error.mse_sum(Split::Train)?))
}

/// The same as a share of the training error, in per cent.
pub(super) fn relative_sum_gap(error: &DenoisingError) -> Option<Difference> {
    Some(relative(&sum_gap(error)?, error.mse_sum(Split::Train)?.mean))
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
        // The file holds the levels that this rule chose.
        let weights = sum_weights(error.visited, &evenly_spaced(error.visited, curve.len()));
        let halfway = |values: Vec<f64>| {
            let half = 0.5 * values.iter().sum::<f64>();
            let mut sum = 0.0;
            values.iter().position(|value| {
                sum += value;
                sum >= half
            })
        };
        let image = curve.iter().zip(&weights).map(|(level, weight)| weight * level.mse).collect();
        let noise =
            curve.iter().zip(&weights).rev().map(|(level, weight)| weight * level.epsilon_mse).collect();
        Some(Halves {
            image_above: curve[halfway(image)?],
            noise_below: curve[curve.len() - 1 - halfway(noise)?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denoising::SplitSum;

    /// A curve of ten levels with a given error at each; all 91 visited levels count.
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
            })
            .collect();
        let sums =
            vec![SplitSum { split: Split::Train, mse_sum: Estimate { mean: 200.0, stderr: 3.0, n: 5 } }];
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
        assert!(relative_sum_gap(&error).is_none());
        error
            .sums
            .push(SplitSum { split: Split::HeldOut, mse_sum: Estimate { mean: 230.0, stderr: 4.0, n: 5 } });
        let gap = relative_sum_gap(&error).unwrap();
        assert!((gap.mean - 15.0).abs() < 1e-12 && (gap.stderr - 2.5).abs() < 1e-12);
    }
}
