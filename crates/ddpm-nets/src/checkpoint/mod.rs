//! Checkpoints: diffusers pipeline directories.
//!
//! `DDPMPipeline.from_pretrained(DIR)` loads what [`Checkpoint::save`] wrote, and [`Checkpoint::load`] loads what diffusers wrote. Pickle is
//! neither read nor written.

mod classes;
mod classifier_checkpoint;
mod image_checkpoint;
mod json_keys;
mod layout;
mod legacy_names;
mod noising_file;
mod own_class;
mod python_json;
mod scheduler;
mod scheduler_classes;
mod scheduler_file;
mod unet_file;
mod vector_checkpoint;
mod weight_files;

pub use classes::Classes;
pub use classifier_checkpoint::ClassifierCheckpoint;
pub use image_checkpoint::{Checkpoint, read_scheduler, read_unet_config};
pub use layout::network_files;
pub use scheduler::{SamplingDefaults, Scheduler};
pub use vector_checkpoint::VectorCheckpoint;
