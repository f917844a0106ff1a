//! Samples: densities on the line, points in the plane, and pictures that the caller has.

use super::decomposition_report::DecompositionReport;
use super::sample_cloud::SampleCloud;
use crate::ReportError;
use crate::confidence::interval_of;
use crate::kit::{Axis, Page, Plot, Point, Series, Style, capitalized, number};
use ddpm_core::interval::Interval;

pub(super) fn add_to(page: &mut Page, report: &DecompositionReport) -> Result<(), ReportError> {
    if report.samples.is_none() && report.pictures.is_empty() {
        return Ok(());
    }
    let section = page.section("Samples");
    match &report.samples {
        Some(SampleCloud::Line { density, histogram }) => {
            let bins = histogram.iter().map(|&(x, value, stderr)| {
                let Interval { low, high, .. } = interval_of(value, stderr);
                // A density is never negative.
                Point::with_interval(x, value, low.max(0.0), high)
            });
            section.plot(
                Plot::new("Samples and target", Axis::linear("x"), Axis::linear("density"))
                    .description("A histogram of samples and the target’s density.")
                    .series(Series::line("target", density.clone()))
                    .series(Series::new("samples", Style::Points, bins.collect::<Vec<_>>())),
                format!(
                    "Histogram of the samples of {} steps from N(0, I) with the denoiser in use, and the target’s density. A point whose error bar \
                     misses the curve marks too many or too few samples there.",
                    number::count(report.result.steps as u64)
                ),
            );
        }
        Some(SampleCloud::Plane { axes, exact, samples }) => {
            section.paragraph(
                "Samples beside exact ones. Look for clusters with too many or too few points, for points between clusters, and for clusters that are \
                 too narrow or too wide.",
            );
            let range = range(&exact.iter().chain(samples));
            let axis = |name: &str, (low, high): (f64, f64)| Axis::linear(name).range(low, high);
            for (name, points) in
                [("exact samples of the target", exact), ("samples of the sampler", samples)]
            {
                section.plot(
                    Plot::new(capitalized(name), axis(&axes[0], range[0]), axis(&axes[1], range[1]))
                        .description("Points in two coordinates.")
                        .series(Series::scatter(name, points.clone())),
                    format!("{} {name}.", number::count(points.len() as u64)),
                );
            }
        }
        None => {}
    }
    for picture in &report.pictures {
        picture.add_to(section, "Pictures")?;
    }
    Ok(())
}

/// The extent of points in both coordinates, with a margin.
fn range<'a>(points: &(impl Iterator<Item = &'a (f64, f64)> + Clone)) -> [(f64, f64); 2] {
    let extent = |of: fn(&(f64, f64)) -> f64| {
        let values = points.clone().map(of);
        let (low, high) =
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let margin = 0.04 * (high - low).max(1e-6);
        (low - margin, high + margin)
    };
    [extent(|p| p.0), extent(|p| p.1)]
}
