//! Results that pages, JSON files and the terminal show. `ddpm-eval` and `ddpm-cli` fill them.

mod advice_text;
mod classical_result;
mod decomposition_result;
mod denoising_error;
mod format;
mod level_entry;
mod likelihood;
mod network_result;
mod own_path;
mod sample_quality;
mod sample_split;
mod score_error;
mod set_distance;
mod step_error;
mod steps_sweep;
mod steps_table;

pub use advice_text::{AdviceBasis, advice_sentences};
pub use classical_result::{ClassicalLevel, ClassicalReport, FloorLevel};
pub use decomposition_result::{DecomposeReport, StandardErrors};
pub use denoising_error::{DenoisingError, FILE_NAME, LevelError, SplitSum};
pub use format::{Format, read_result};
pub use level_entry::LevelEntry;
pub use likelihood::{BoundParts, Likelihood};
pub use network_result::{
    AdviceReport, BoundReport, Checks, Floor, FloorReport, Images, InitializationBracket, MeasuredLevel,
    MeasurementFacts, Memorization, NetworkReport, TrainingErrorBracket, VarianceReport,
};
pub use own_path::{OwnPathLevel, OwnPathReport, StateMoments};
pub use sample_quality::{NearestImages, Neighbours, SampleQuality, SampledSet, TrainingNeighbours};
pub use sample_split::{OtherOrder, SampleSplit, SplitCell, SplitTrial, SplitValue};
pub use score_error::ScoreError;
pub use set_distance::{ClassScore, SetDistance, SetOverlap};
pub use step_error::{PlacedLevel, StepErrorEntry, StepErrorReport};
pub use steps_sweep::{Measure, Slope, Sweep, SweepCurve, SweepPoint};
pub use steps_table::{StepsRow, StepsTable, WithinReference};
