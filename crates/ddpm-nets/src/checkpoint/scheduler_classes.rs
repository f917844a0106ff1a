//! The scheduler classes of diffusers whose noising process is known here, each with its own defaults for absent keys (diffusers 0.42.1).
//!
//! All of them noise data as DDPM does, with alpha_bar_t = prod (1 - beta_i) over timesteps 0..T-1. They differ in how they sample, and in
//! these defaults.

use ddpm_core::Grid;

/// A class of diffusers and what it takes where a key is absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SchedulerClass {
    pub(super) name: &'static str,
    /// beta_start and beta_end.
    pub(super) betas: [f64; 2],
    pub(super) spacing: Grid,
    /// clip_sample; none where the class has no such key, so that nothing is clipped whatever the file says.
    pub(super) clips: Option<bool>,
    /// Whether the class has the key thresholding.
    pub(super) thresholds: bool,
}

/// Ho et al. 2020's betas.
const HO: [f64; 2] = [1e-4, 0.02];
/// Stable Diffusion's betas.
const STABLE_DIFFUSION: [f64; 2] = [0.000_85, 0.012];

const fn class(
    name: &'static str,
    betas: [f64; 2],
    spacing: Grid,
    clips: Option<bool>,
    thresholds: bool,
) -> SchedulerClass {
    SchedulerClass { name, betas, spacing, clips, thresholds }
}

/// The known classes.
pub(super) const SCHEDULERS: [SchedulerClass; 17] = [
    class("DDPMScheduler", HO, Grid::Leading, Some(true), true),
    class("DDPMParallelScheduler", HO, Grid::Leading, Some(true), true),
    class("DDIMScheduler", HO, Grid::Leading, Some(true), true),
    class("DDIMParallelScheduler", HO, Grid::Leading, Some(true), true),
    class("PNDMScheduler", HO, Grid::Leading, None, false),
    class("LMSDiscreteScheduler", HO, Grid::Linspace, None, false),
    class("EulerDiscreteScheduler", HO, Grid::Linspace, None, false),
    class("EulerAncestralDiscreteScheduler", HO, Grid::Linspace, None, false),
    class("HeunDiscreteScheduler", STABLE_DIFFUSION, Grid::Linspace, Some(false), false),
    class("KDPM2DiscreteScheduler", STABLE_DIFFUSION, Grid::Linspace, None, false),
    class("KDPM2AncestralDiscreteScheduler", STABLE_DIFFUSION, Grid::Linspace, None, false),
    class("DPMSolverSDEScheduler", STABLE_DIFFUSION, Grid::Linspace, None, false),
    class("DPMSolverSinglestepScheduler", HO, Grid::Linspace, None, true),
    class("DPMSolverMultistepScheduler", HO, Grid::Linspace, None, true),
    class("DEISMultistepScheduler", HO, Grid::Linspace, None, true),
    class("UniPCMultistepScheduler", HO, Grid::Linspace, None, true),
    class("SASolverScheduler", HO, Grid::Linspace, None, true),
];

/// The class of a network with EDM's preconditioning.
pub(super) const EDM_CLASS: &str = "EDMEulerScheduler";

/// The class of that name; the text of the error names all that are known.
pub(super) fn find(name: &str) -> Result<SchedulerClass, String> {
    SCHEDULERS.into_iter().find(|class| class.name == name).ok_or_else(|| {
        let known = SCHEDULERS.map(|class| class.name).join(", ");
        format!(
            "_class_name: expected one of {known}, {EDM_CLASS}; got {name}, whose noising process is another"
        )
    })
}
