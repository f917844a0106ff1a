//! A noising process that stops at a given noise level.
//!
//! A divergence between paths bounds the error of the law at the lowest visited level. Schedules and processes end at different levels, so that their
//! divergences are comparable only down to one common level: [`Noising::stopped_at`].

use crate::{CoreError, Noising, Schedule};

impl Noising {
    /// The same process, stopped at the noise `sigma` = sigma_t/alpha_t. A schedule keeps its levels above `sigma` and gets one exactly there.
    ///
    /// # Errors
    /// Where `sigma` is below the least noise or not below the most.
    pub fn stopped_at(&self, sigma: f64) -> Result<Noising, CoreError> {
        let (least, most) = self.ends()?;
        // A level that differs from the lowest one by rounding is that level.
        let inside = sigma >= least.relative_sigma() * (1.0 - 1e-12) && sigma < most.relative_sigma();
        CoreError::check(
            "smallest noise level",
            "between the least and the most noise of the process",
            sigma,
            inside,
        )?;
        let log_snr = -2.0 * sigma.ln();
        match self {
            Noising::Discrete(schedule) => {
                let above =
                    schedule.levels().map(|level| level.log_snr()).filter(|own| *own < log_snr - 1e-12);
                let log_snrs: Vec<f64> = std::iter::once(log_snr).chain(above).collect();
                Ok(Noising::Discrete(Schedule::from_log_snr(schedule.scale(), log_snrs)?))
            }
            Noising::Continuous { process, t_min } => {
                let time = process.time_of(&process.level_at_log_snr(log_snr)?)?.max(*t_min);
                Ok(Noising::Continuous { process: process.clone(), t_min: time })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Grid, Noising, Process, ScheduleConfig, ScheduleKind};

    #[test]
    fn every_process_stops_exactly_at_the_level() {
        let schedules = [ScheduleKind::Linear, ScheduleKind::Cosine, ScheduleKind::Karras]
            .map(|kind| Noising::Discrete(ScheduleConfig::with_steps(kind, 100).build().unwrap()));
        let processes = [Process::VP, Process::Edm { sigma_max: 80.0 }]
            .map(|process| Noising::Continuous { t_min: process.smallest_time(), process });
        for noising in schedules.into_iter().chain(processes) {
            let stopped = noising.stopped_at(0.2).unwrap();
            assert!((stopped.ends().unwrap().0.relative_sigma() / 0.2 - 1.0).abs() < 1e-9, "{noising:?}");
            let (own, new) = (noising.trajectory(8, Grid::Linspace), stopped.trajectory(8, Grid::Linspace));
            let (own, new) = (own.unwrap(), new.unwrap());
            assert_eq!(own.levels()[0].log_snr(), new.levels()[0].log_snr(), "the most noise stays");
            let lowest = new.levels().iter().rfind(|level| !level.is_clean()).unwrap();
            assert!((lowest.relative_sigma() / 0.2 - 1.0).abs() < 1e-9, "{noising:?}");
            // Stopped at its own lowest level it is unchanged.
            let least = noising.ends().unwrap().0.relative_sigma();
            let same = noising.stopped_at(least).unwrap().trajectory(8, Grid::Linspace).unwrap();
            assert!(
                own.levels()
                    .iter()
                    .zip(same.levels())
                    .all(|(a, b)| { a.log_snr() == b.log_snr() || (a.log_snr() - b.log_snr()).abs() < 1e-9 })
            );
            for outside in [least / 2.0, 1e9, 0.0, f64::NAN] {
                let error = noising.stopped_at(outside).unwrap_err().to_string();
                assert!(error.contains("smallest noise level"), "{error}");
            }
        }
    }
}
