//! Measurements on sets of images that the commands `ddpm eval` and the pipeline of `ddpm reproduce` share.

mod checkpoint_samples;
mod chosen_extractor;
mod class_score;
mod distances;
mod feature_classifier;
mod image_set;
mod own_path;
mod reference_features;
mod sample_split;
mod step_errors;
mod studied_sampler;
mod training_neighbours;

pub(crate) use checkpoint_samples::CheckpointSamples;
pub(crate) use chosen_extractor::{ChosenExtractor, WantedExtractor};
pub(crate) use class_score::{PARTS, class_score};
pub(crate) use distances::{Kind, distance, overlap};
pub(crate) use feature_classifier::train_features;
pub(crate) use image_set::{Images, features, load_extractor, of_folder};
pub(crate) use own_path::OwnPathJob;
pub(crate) use reference_features::reference_features;
pub(crate) use sample_split::{SplitJob, Trial};
pub(crate) use step_errors::StepErrorJob;
pub(crate) use studied_sampler::StudiedSampler;
pub(crate) use training_neighbours::ComparedSets;
