//! The placement of as many steps that would cost the same each, from what the steps of a sampler cost.
//!
//! A method of order p errs by about c(lambda) h^(p+1) in a step of length h of the log-SNR lambda. Where these errors add up, their sum for a number
//! of steps is least where all are equal: the density of levels is proportional to c^(1/(p+1)). Measured costs of a sampler's steps give c on
//! each of them.

use crate::{CoreError, Level};

/// Log-SNRs of `steps` + 1 levels between the first and the last of `levels` (the noisiest first, all with some signal and some noise), such that
/// steps of a method of `order` would cost the same. `costs` has an entry for each step between neighbouring `levels`, positive or 0.
pub fn equal_costs(levels: &[Level], costs: &[f64], order: u32, steps: usize) -> Result<Vec<f64>, CoreError> {
    if levels.len() < 2 || costs.len() + 1 != levels.len() {
        let (expected, got) = (levels.len().saturating_sub(1).max(1), costs.len());
        return Err(CoreError::Dimension { what: "costs of steps".into(), expected, got });
    }
    CoreError::check("steps", "at least 1", steps as f64, steps > 0)?;
    for (index, &cost) in costs.iter().enumerate() {
        if !(cost >= 0.0 && cost.is_finite()) {
            return Err(CoreError::Entry { name: "costs", index, expected: "positive or 0", got: cost });
        }
    }
    for (index, level) in levels.iter().enumerate() {
        if !level.log_snr().is_finite() {
            let (name, expected) = ("levels", "with some signal and some noise");
            return Err(CoreError::Entry { name, index, expected, got: level.log_snr() });
        }
    }
    // Density times length of each interval is cost^(1/(p+1)): the share of the levels that it deserves.
    let exponent = 1.0 / f64::from(order + 1);
    let shares: Vec<f64> = costs.iter().map(|cost| cost.powf(exponent)).collect();
    let total: f64 = shares.iter().sum();
    CoreError::check("sum of costs", "positive", total, total > 0.0)?;
    let mut placed = Vec::with_capacity(steps + 1);
    let (mut interval, mut before) = (0, 0.0);
    for k in 0..=steps {
        let wanted = total * k as f64 / steps as f64;
        while interval + 1 < shares.len() && before + shares[interval] < wanted {
            before += shares[interval];
            interval += 1;
        }
        let (from, to) = (levels[interval].log_snr(), levels[interval + 1].log_snr());
        let fraction = if shares[interval] > 0.0 { (wanted - before) / shares[interval] } else { 1.0 };
        placed.push(from + (to - from) * fraction.clamp(0.0, 1.0));
    }
    Ok(placed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    fn levels(angles: &[f64]) -> Vec<Level> {
        // sigma/alpha = tan(angle).
        angles
            .iter()
            .map(|angle| Level::variance_exploding(-2.0 * angle.tan().ln(), Time::Sigma(angle.tan())))
            .collect()
    }

    /// DDIM on N(0, 1): a step from angle a to b, sigma = tan(angle), shrinks the standard deviation by cos(a - b), so that the best levels are evenly
    /// spaced in the angle (Sabour et al. 2024, theorem 3.1), and the result is cos^n of the angle of a step.
    #[test]
    fn the_best_levels_of_ddim_on_a_gaussian_are_found() {
        let (low, high) = (0.002f64.atan(), 80f64.atan());
        let spread =
            |angles: &[f64]| -> f64 { angles.windows(2).map(|pair| (pair[0] - pair[1]).cos()).product() };
        for (n, known) in [(5, 0.78175), (10, 0.88551), (20, 0.94119), (50, 0.97607)] {
            let best: Vec<f64> = (0..=n).map(|i| high + (low - high) * i as f64 / n as f64).collect();
            assert!((spread(&best) - known).abs() < 1e-5, "{} {known}", spread(&best));
            // From levels that are even in log sigma, improved by the costs of their own steps.
            let ends = [80f64.ln(), 0.002f64.ln()];
            let mut angles: Vec<f64> =
                (0..=n).map(|i| (ends[0] + (ends[1] - ends[0]) * i as f64 / n as f64).exp().atan()).collect();
            let before = spread(&angles);
            for _ in 0..12 {
                let costs: Vec<f64> = angles.windows(2).map(|pair| 1.0 - (pair[0] - pair[1]).cos()).collect();
                let placed = equal_costs(&levels(&angles), &costs, 1, n).unwrap();
                angles = placed.iter().map(|log_snr| (-0.5 * log_snr).exp().atan()).collect();
            }
            assert!(
                1.0 - spread(&angles) < 1.03 * (1.0 - known),
                "{n}: {before} {} {known}",
                spread(&angles)
            );
            assert!(1.0 - before > 1.5 * (1.0 - known), "{n}: {before} {known}");
        }
    }

    #[test]
    fn even_costs_stay_and_bad_input_is_named() {
        let at = levels(&[1.5, 1.0, 0.5, 0.1]);
        let log_snr: Vec<f64> = at.iter().map(Level::log_snr).collect();
        let placed = equal_costs(&at, &[2.0; 3], 2, 3).unwrap();
        assert!(placed.iter().zip(&log_snr).all(|(a, b)| (a - b).abs() < 1e-12), "{placed:?} {log_snr:?}");
        let refused = |costs: &[f64]| equal_costs(&at, costs, 1, 3).unwrap_err().to_string();
        assert!(refused(&[1.0]).contains("costs of steps"));
        assert!(refused(&[1.0, -1.0, 1.0]).contains("positive or 0"));
        assert!(refused(&[0.0; 3]).contains("sum of costs"));
        let clean = [at[0], Level::CLEAN];
        assert!(equal_costs(&clean, &[1.0], 1, 3).unwrap_err().to_string().contains("some noise"));
    }
}
