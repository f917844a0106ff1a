//! The checkpoints of a run that stay on the disk.

/// The checkpoints that stay when a new one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retention {
    /// The newest ones; 0 keeps all.
    pub(crate) last: usize,
    /// And those whose step this divides; 0 for none.
    pub(crate) every: u64,
}

impl Retention {
    /// The steps to remove among those that have a checkpoint, given in ascending order.
    pub(crate) fn surplus(self, steps: &[u64]) -> Vec<u64> {
        let old = if self.last == 0 { 0 } else { steps.len().saturating_sub(self.last) };
        let stays = |step: u64| self.every > 0 && step.is_multiple_of(self.every);
        steps[..old].iter().copied().filter(|&step| !stays(step)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kth_checkpoint_stays_beside_the_newest() {
        let keep = |last, every| Retention { last, every };
        let steps: Vec<u64> = (1..=10).map(|k| 10 * k).collect();
        assert_eq!(keep(2, 0).surplus(&steps), [10, 20, 30, 40, 50, 60, 70, 80]);
        assert_eq!(keep(2, 40).surplus(&steps), [10, 20, 30, 50, 60, 70]);
        assert_eq!(keep(0, 40).surplus(&steps), [] as [u64; 0]);
        assert_eq!(keep(20, 0).surplus(&steps), [] as [u64; 0]);
    }
}
