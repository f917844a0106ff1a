//! The denoising error at each noise level, on held-out and on training images.

use crate::kit::{Axis, Cell, Page, Plot, Point, Section, Series, Table, Text, number};
use crate::results::{ClassicalReport, DenoisingError, LevelError};
use crate::sections::{SNR_AXIS, held_out_excess};
use ddpm_core::interval::{CONFIDENCE, Difference, Estimate};
use ddpm_data::Split;

/// The splits in the order in which they are shown.
const SPLITS: [(Split, &str); 2] = [(Split::HeldOut, "held-out images"), (Split::Train, "training images")];
/// The plot ends at this share of the network's least error: below it the empirical denoiser returns the training image itself.
const SHOWN: f64 = 0.1;

pub(super) fn add_to(page: &mut Page, error: &DenoisingError, classical: Option<&ClassicalReport>) {
    let section = page.section("Denoising error by noise level");
    let curves = SPLITS.map(|(split, name)| (name, error.curve(split)));
    let Some((_, first)) = curves.iter().find(|(_, curve)| !curve.is_empty()) else {
        return;
    };
    section.paragraph(format!(
        "Each of {} is noised at {} levels with its own noise, and the network denoises it. The sampler visits {} levels. Intervals are over images; \
         they do not contain the variance between training runs.",
        images(&curves),
        first.len(),
        number::count(error.visited as u64),
    ));
    let plot =
        |title: &str, y: Axis, of: &dyn Fn(&LevelError) -> Estimate, linear: &dyn Fn(f64, f64) -> f64| {
            let mut plot = Plot::new(title, Axis::log(SNR_AXIS), y);
            for (name, curve) in curves.iter().filter(|(_, curve)| !curve.is_empty()) {
                let points =
                    curve.iter().map(|level| Point::from((level.snr, of(level).interval(CONFIDENCE))));
                plot = plot.series(Series::line(*name, points.collect::<Vec<_>>()).with_band());
            }
            if let Some(classical) = classical {
                let points =
                    classical.levels.iter().map(|level| (level.snr, linear(level.snr, level.linear_mse)));
                plot = plot.series(Series::guide("best linear denoiser", points.collect::<Vec<_>>()));
            }
            plot
        };

    let least = error.levels.iter().map(|level| level.mse).fold(f64::INFINITY, f64::min);
    let axis = Axis::log("E|x₀ − D(xₜ)|²").floor(SHOWN * least);
    let mut image =
        plot("Squared error of the denoised image", axis, &LevelError::mse_estimate, &|_, mse| mse)
            .description("The error falls with the noise, from the variance of the data at high noise.");
    let mut caption = Text::new(format!(
        "Squared distance between the image and the network’s prediction of it, summed over its {} values.",
        number::count(error.dim as u64)
    ));
    if let Some(classical) = classical {
        caption = caption.plain(
            " The best linear denoiser uses only the mean and covariance of the training images. Where the network’s error is below its error, the \
             network has learned more than these moments.",
        );
        if curves.iter().any(|(_, curve)| exceeds_linear(curve, classical)) {
            caption = caption.plain(
                " Where the network’s error is above it, at high noise, a small error in the predicted noise is a large one in the image.",
            );
        }
        if !classical.floor.is_empty() {
            let floor: Vec<(f64, f64)> = classical.floor.iter().map(|level| (level.snr, level.mse)).collect();
            image = image.series(Series::line("empirical denoiser, training images", floor));
            caption = caption.plain(
                " The empirical (memorizing) denoiser is the exact denoiser of the training images: no denoiser has a smaller error on them.",
            );
        }
    }
    section.plot(image, caption);
    section.plot(
        plot(
            "Squared error of the predicted noise",
            Axis::log("E|ε − ε̂(xₜ)|² per component"),
            &LevelError::epsilon_estimate,
            &|snr, mse| snr * mse / error.dim as f64,
        )
        .description("The error is small at high noise, where the noise is almost all of xₜ, and rises as the noise falls."),
        "The same evaluations in the units of the loss, which is their mean over the levels. Predicting zero noise would give an error of 1.",
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

/// The difference between held-out and training error: a plot by level, and the sums over all levels.
fn add_gap(section: &mut Section, error: &DenoisingError) {
    let (held_out, train) = (error.curve(Split::HeldOut), error.curve(Split::Train));
    if !held_out.is_empty() && !train.is_empty() {
        let gap = |(held_out, train): (&LevelError, &LevelError)| {
            let gap = held_out.epsilon_estimate().minus_independent(&train.epsilon_estimate());
            Point::from((held_out.snr, relative(&gap, train.epsilon_mse).interval(CONFIDENCE)))
        };
        section.plot(
            held_out_excess::plot(held_out.iter().zip(&train).map(gap).collect(), "predicted noise"),
            "A network that only generalizes has the same error on both splits. A network that memorizes has a smaller one on its training images.",
        );
    }
    let mut table = Table::new(
        Text::new("Errors over all levels that the sampler visits.").footnote(
            "Levels that were not measured are interpolated by a power of the signal-to-noise ratio. An image’s errors are summed over its levels first, \
             because they are not independent.",
        ),
        ["images", "n", "Σ E|x₀ − D(xₜ)|²", "mean E|ε − ε̂(xₜ)|² per component"],
    );
    for (split, name) in SPLITS {
        if let (Some(sum), Some(loss)) = (error.mse_sum(split), error.loss(split)) {
            let cell = |estimate: Estimate| Cell::from(estimate.interval(CONFIDENCE));
            table.push([Cell::from(name), sum.n.into(), cell(sum), cell(loss)]);
        }
    }
    section.table(table);
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
    use crate::results::{Format, SplitSum};

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
        DenoisingError { format: Format, dim: 4, visited: 91, repeats: 1, seed: 0, sums, levels }
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
