//! Test that an option without effect is refused: every option of every subcommand has a row that says in which contexts it has none.

use crate::arguments::{Cli, definition};
use std::collections::BTreeSet;
use std::path::Path;

/// Subcommand, option by the name of its field, its value (empty for a flag), and command lines on which it has no effect.
///
/// In a command line TARGET, IMAGE and VECTOR stand for `sample` with a closed-form target, a checkpoint of a network on images and one of a
/// network on vectors; DIR/g.json is a Gaussian target, DIR/n.safetensors noise for it.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const TARGET: &str = "sample --target DIR/g.json";
const IMAGE: &str = "sample --checkpoint DIR/image/checkpoints/latest";
const VECTOR: &str = "sample --checkpoint DIR/vector/checkpoints/latest";
const ENCODE: &str = "sample --checkpoint DIR/image/checkpoints/latest --encode DIR/a.png";
const INTERPOLATE: &str =
    "sample --checkpoint DIR/image/checkpoints/latest --interpolate DIR/a.png DIR/a.png";
const LIST: &str = "sample --list-samplers";
const PROCESS: &str = "sample --target DIR/g.json --process vp";
const DDIM: &str = "sample --target DIR/g.json --sampler ddim";
const DDIM_IMAGE: &str = "sample --checkpoint DIR/image/checkpoints/latest --sampler ddim";
const DDIM_VECTOR: &str = "sample --checkpoint DIR/vector/checkpoints/latest --sampler ddim";
const LANGEVIN: &str = "sample --target DIR/g.json --sampler langevin";
const DENOISE_TARGET: &str = "denoise --target DIR/g.json --input DIR/x --output DIR/y";
const DENOISE_IMAGE: &str = "denoise --checkpoint DIR/image/checkpoints/latest --input DIR/x --output DIR/y";
const DECOMPOSE: &str = "decompose --target DIR/m.json --steps 5";
const W2: &str = "decompose --target DIR/g.json --w2 --steps 5";
const W2_PROCESS: &str = "decompose --target DIR/g.json --w2 --steps 5 --process vp";
const NETWORK_DDIM: &str =
    "decompose --checkpoint DIR/image/checkpoints/latest --data digits --sampler ddim --samples 50";
const NETWORK: &str = "decompose --checkpoint DIR/image/checkpoints/latest --data digits";
const W2_DDIM: &str = "decompose --target DIR/g.json --w2 --steps 5 --sampler ddim";
const NOISE_DATA: &str = "noise --data digits --out DIR/n.png";
const NOISE_TARGET: &str = "noise --target DIR/g.json --out DIR/n.safetensors";
const NOISE_IMAGES: &str = "noise --images DIR --out DIR/n.png";
const NOISE_PROCESS: &str = "noise --target DIR/g.json --process vp --out DIR/n.safetensors";
const ALWAYS: &[&str] = &[];
/// Two files of features.
const FID_FILES: &[&str] = &["eval fid --features-a DIR/x --features-b DIR/y"];
const KID_FILES: &[&str] = &["eval kid --features-a DIR/x --features-b DIR/y"];
const OVERLAP_FILES: &[&str] = &["eval precision-recall --features-a DIR/x --features-b DIR/y"];
const IS_FILE: &[&str] = &["eval is --features-a DIR/x"];
/// Images in a folder, which are not sampled.
const FID_IMAGES: &[&str] = &["eval fid --images DIR --data digits --extractor pixels", FID_FILES[0]];
const KID_IMAGES: &[&str] = &["eval kid --images DIR --data digits --extractor pixels", KID_FILES[0]];
const OVERLAP_IMAGES: &[&str] =
    &["eval precision-recall --images DIR --data digits --extractor pixels", OVERLAP_FILES[0]];
const IS_IMAGES: &[&str] = &["eval is --images DIR --extractor pixels", IS_FILE[0]];
const STEPS: &[&str] =
    &["eval steps --checkpoint DIR/image/checkpoints/latest --data digits --extractor pixels"];
const NEIGHBOURS: &[&str] = &["eval neighbours --images DIR --data digits --extractor pixels --report DIR/n"];
/// The bound, which has no solver and no probes.
const NLL_BOUND: &[&str] = &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits --method vlb"];

/// Options of one sampler each, on another one.
const OTHER_SAMPLER: &[&str] = &[TARGET, LIST, IMAGE, VECTOR];
const OTHER_SAMPLER_W2: &[&str] = &[W2, DECOMPOSE, NETWORK];
/// Options of the noising process of a target.
const NO_NOISING: &[&str] = &[IMAGE, VECTOR, LIST];
const NO_SCHEDULE: &[&str] = &[IMAGE, VECTOR, LIST, PROCESS];
const NO_SCHEDULE_DENOISE: &[&str] = &[DENOISE_IMAGE];
const NO_SCHEDULE_DECOMPOSE: &[&str] = &[NETWORK, W2_PROCESS];
const NO_IMAGES: &[&str] = &[TARGET, VECTOR, LIST];
const UNCONDITIONAL: &[&str] = &[TARGET, VECTOR, LIST, IMAGE];
const NO_NETWORK: &[&str] = &[DECOMPOSE, W2];
const NO_DIVERGENCES: &[&str] = &[DECOMPOSE, W2, NETWORK_DDIM];

const ROWS: &[Row] = &[
    ("reproduce", "set", "", ALWAYS),
    ("reproduce", "run", "", ALWAYS),
    ("reproduce", "data_dir", "DIR", &["reproduce gmm2d-ddpm --run DIR/r"]),
    ("reproduce", "fresh", "", ALWAYS),
    ("reproduce", "yes", "", ALWAYS),
    ("reproduce", "seed", "1", ALWAYS),
    ("train", "config", "", ALWAYS),
    ("train", "set", "", ALWAYS),
    ("train", "run", "", ALWAYS),
    ("train", "data_dir", "DIR", &["train --config gmm2d-ddpm --run DIR/r"]),
    ("train", "resume", "", ALWAYS),
    ("train", "seed", "1", ALWAYS),
    ("schedule", "schedule", "", ALWAYS),
    ("schedule", "beta_start", "0.1", &["schedule --schedule cosine"]),
    ("schedule", "beta_end", "0.1", &["schedule --schedule cosine"]),
    ("schedule", "sigma_min", "0.1", &["schedule"]),
    ("schedule", "sigma_max", "9", &["schedule"]),
    ("schedule", "rho", "7", &["schedule"]),
    ("schedule", "betas", "DIR/betas.txt", &["schedule --schedule cosine"]),
    ("schedule", "alpha_bars", "DIR/betas.txt", &["schedule --schedule cosine"]),
    ("schedule", "zero_terminal_snr", "", &["schedule --schedule karras"]),
    ("schedule", "steps", "", ALWAYS),
    ("schedule", "all", "", &["schedule --json -"]),
    ("schedule", "json", "", ALWAYS),
    ("schedule", "plot", "", ALWAYS),
    ("schedule", "seed", "1", &["schedule"]),
    ("sample", "checkpoint", "DIR/image/checkpoints/latest", &[TARGET, LIST]),
    ("sample", "target", "DIR/g.json", &[LIST, IMAGE]),
    ("sample", "steps", "3", &[LIST]),
    ("sample", "num", "3", &[LIST, ENCODE, INTERPOLATE]),
    ("sample", "grid", "leading", &[LIST, LANGEVIN]),
    ("sample", "visited", "DIR/levels.json", &[LIST, LANGEVIN]),
    ("sample", "noise", "DIR/n.safetensors", &[LIST, ENCODE, INTERPOLATE]),
    ("sample", "class", "1", UNCONDITIONAL),
    ("sample", "guidance", "2", UNCONDITIONAL),
    ("sample", "null_class", "1", UNCONDITIONAL),
    ("sample", "guidance_interval", "1,2", UNCONDITIONAL),
    ("sample", "classifier", "DIR", NO_IMAGES),
    ("sample", "classifier_scale", "2", UNCONDITIONAL),
    ("sample", "batch_size", "3", &[LIST]),
    ("sample", "trajectory", "DIR/t.png", &[LIST, ENCODE]),
    ("sample", "gif", "DIR/t.gif", &[TARGET, VECTOR, LIST, ENCODE]),
    ("sample", "threshold", "dynamic", &[TARGET, VECTOR, LIST, ENCODE]),
    ("sample", "epsilon_scale", "1.01", &[TARGET, VECTOR, LIST]),
    ("sample", "inpaint", "DIR/a.png", NO_IMAGES),
    ("sample", "mask", "DIR/a.png", UNCONDITIONAL),
    ("sample", "encode", "DIR/a.png", NO_IMAGES),
    ("sample", "interpolate", "DIR/a.png DIR/a.png", NO_IMAGES),
    ("sample", "frames", "3", UNCONDITIONAL),
    ("sample", "shards", "", &[TARGET, IMAGE, VECTOR, LIST]),
    ("sample", "out", "DIR/out.safetensors", &[LIST]),
    ("sample", "list_samplers", "", ALWAYS),
    ("sample", "sampler", "ddim", &[LIST, ENCODE, INTERPOLATE]),
    ("sample", "variance", "fixed-small", &[DDIM, DDIM_IMAGE, LIST]),
    ("sample", "eta", "0.5", OTHER_SAMPLER),
    ("sample", "use_clipped_model_output", "", &[TARGET, LIST, IMAGE, VECTOR, DDIM, DDIM_VECTOR]),
    ("sample", "churn", "1", OTHER_SAMPLER),
    ("sample", "s_min", "1", &[TARGET, IMAGE, "sample --target DIR/g.json --sampler edm"]),
    ("sample", "s_max", "1", &[TARGET, IMAGE, "sample --target DIR/g.json --sampler edm"]),
    ("sample", "s_noise", "1", &[TARGET, IMAGE, "sample --target DIR/g.json --sampler edm"]),
    ("sample", "rtol", "1e-3", OTHER_SAMPLER),
    ("sample", "atol", "1e-3", OTHER_SAMPLER),
    ("sample", "step_size", "0.1", OTHER_SAMPLER),
    ("sample", "constant_step", "", &[TARGET, IMAGE, LANGEVIN]),
    ("sample", "level_steps", "3", &[TARGET, IMAGE, LANGEVIN]),
    ("sample", "corrector_snr", "0.1", OTHER_SAMPLER),
    ("sample", "corrections", "2", OTHER_SAMPLER),
    ("sample", "at", "3", OTHER_SAMPLER),
    (
        "sample",
        "final_denoise",
        "",
        &[TARGET, IMAGE, VECTOR, LIST, "sample --target DIR/g.json --process vp --sampler langevin"],
    ),
    ("sample", "train_steps", "100", NO_SCHEDULE),
    ("sample", "process", "vp", NO_NOISING),
    ("sample", "t_min", "0.1", &[IMAGE, VECTOR, LIST, TARGET]),
    ("sample", "beta_min", "0.2", &[IMAGE, VECTOR, LIST, TARGET]),
    ("sample", "beta_max", "9", &[IMAGE, VECTOR, LIST, TARGET]),
    ("sample", "horizon", "5", &[IMAGE, VECTOR, LIST, TARGET]),
    ("sample", "schedule", "cosine", NO_SCHEDULE),
    ("sample", "beta_start", "0.1", NO_SCHEDULE),
    ("sample", "beta_end", "0.1", NO_SCHEDULE),
    ("sample", "sigma_min", "0.1", NO_SCHEDULE),
    ("sample", "sigma_max", "9", NO_SCHEDULE),
    ("sample", "rho", "7", NO_SCHEDULE),
    ("sample", "betas", "DIR/betas.txt", NO_SCHEDULE),
    ("sample", "alpha_bars", "DIR/betas.txt", NO_SCHEDULE),
    ("sample", "zero_terminal_snr", "", NO_SCHEDULE),
    ("sample", "seed", "1", &[LIST, "sample --target DIR/g.json --noise DIR/n.safetensors"]),
    ("noise", "data", "digits", ALWAYS),
    ("noise", "data_dir", "DIR", &[NOISE_TARGET, NOISE_IMAGES]),
    ("noise", "images", "DIR", ALWAYS),
    ("noise", "target", "DIR/g.json", ALWAYS),
    ("noise", "num", "", ALWAYS),
    ("noise", "levels", "", ALWAYS),
    ("noise", "sequential", "", ALWAYS),
    ("noise", "out", "", ALWAYS),
    ("noise", "image_size", "8", &[NOISE_DATA, NOISE_TARGET, NOISE_IMAGES]),
    ("noise", "resize", "fit-pad", &[NOISE_DATA, NOISE_TARGET, NOISE_IMAGES]),
    ("noise", "channels", "3", &[NOISE_DATA, NOISE_TARGET, NOISE_IMAGES]),
    ("noise", "on_error", "skip", &[NOISE_DATA, NOISE_TARGET, NOISE_IMAGES]),
    ("noise", "train_steps", "100", &[NOISE_PROCESS]),
    ("noise", "process", "vp", ALWAYS),
    ("noise", "t_min", "0.1", &[NOISE_DATA]),
    ("noise", "beta_min", "0.2", &[NOISE_DATA]),
    ("noise", "beta_max", "9", &[NOISE_DATA]),
    ("noise", "horizon", "5", &[NOISE_DATA]),
    ("noise", "schedule", "cosine", &[NOISE_PROCESS]),
    ("noise", "beta_start", "0.1", &[NOISE_PROCESS]),
    ("noise", "beta_end", "0.1", &[NOISE_PROCESS]),
    ("noise", "sigma_min", "0.1", &[NOISE_PROCESS]),
    ("noise", "sigma_max", "9", &[NOISE_PROCESS]),
    ("noise", "rho", "7", &[NOISE_PROCESS]),
    ("noise", "betas", "DIR/betas.txt", &[NOISE_PROCESS]),
    ("noise", "alpha_bars", "DIR/betas.txt", &[NOISE_PROCESS]),
    ("noise", "zero_terminal_snr", "", &[NOISE_PROCESS]),
    ("noise", "seed", "", ALWAYS),
    ("denoise", "checkpoint", "DIR/image/checkpoints/latest", &[DENOISE_TARGET]),
    ("denoise", "target", "DIR/g.json", &[DENOISE_IMAGE]),
    ("denoise", "input", "", ALWAYS),
    ("denoise", "output", "", ALWAYS),
    ("denoise", "batch_size", "3", &[DENOISE_TARGET]),
    ("denoise", "train_steps", "100", NO_SCHEDULE_DENOISE),
    ("denoise", "process", "vp", &[DENOISE_IMAGE, DENOISE_TARGET]),
    ("denoise", "t_min", "0.1", &[DENOISE_IMAGE, DENOISE_TARGET]),
    ("denoise", "beta_min", "0.2", &[DENOISE_IMAGE, DENOISE_TARGET]),
    ("denoise", "beta_max", "9", &[DENOISE_IMAGE, DENOISE_TARGET]),
    ("denoise", "horizon", "5", &[DENOISE_IMAGE, DENOISE_TARGET]),
    ("denoise", "schedule", "cosine", NO_SCHEDULE_DENOISE),
    ("denoise", "beta_start", "0.1", NO_SCHEDULE_DENOISE),
    ("denoise", "beta_end", "0.1", NO_SCHEDULE_DENOISE),
    ("denoise", "sigma_min", "0.1", NO_SCHEDULE_DENOISE),
    ("denoise", "sigma_max", "9", NO_SCHEDULE_DENOISE),
    ("denoise", "rho", "7", NO_SCHEDULE_DENOISE),
    ("denoise", "betas", "DIR/betas.txt", NO_SCHEDULE_DENOISE),
    ("denoise", "alpha_bars", "DIR/betas.txt", NO_SCHEDULE_DENOISE),
    ("denoise", "zero_terminal_snr", "", NO_SCHEDULE_DENOISE),
    ("denoise", "seed", "1", &[DENOISE_TARGET, DENOISE_IMAGE]),
    ("decompose", "target", "DIR/g.json", &[NETWORK]),
    ("decompose", "steps", "", ALWAYS),
    ("decompose", "grid", "", ALWAYS),
    ("decompose", "visited", "DIR/levels.json", &[DECOMPOSE, W2]),
    ("decompose", "write_levels", "DIR/levels.json", &[DECOMPOSE, W2]),
    ("decompose", "perturb", "0.1", &[NETWORK]),
    ("decompose", "images", "10", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "w2", "", &[NETWORK]),
    ("decompose", "samples", "10", &[W2, DECOMPOSE]),
    ("decompose", "step_errors", "4", &[W2, DECOMPOSE, NETWORK]),
    ("decompose", "own_path", "4", &[W2, DECOMPOSE]),
    ("decompose", "extractor", "pixels", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "fine_steps", "100", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "sample_batch", "10", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "epsilon_scale", "1.01", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "report", "", ALWAYS),
    ("decompose", "all", "", &[W2, NETWORK_DDIM, "decompose --target DIR/m.json --steps 5 --json -"]),
    ("decompose", "json", "", ALWAYS),
    ("decompose", "sampler", "ddim", &[NETWORK]),
    ("decompose", "variance", "fixed-small", &[W2_DDIM]),
    ("decompose", "eta", "0.5", OTHER_SAMPLER_W2),
    ("decompose", "use_clipped_model_output", "", &[W2, DECOMPOSE, NETWORK, W2_DDIM]),
    ("decompose", "churn", "1", OTHER_SAMPLER_W2),
    ("decompose", "s_min", "1", OTHER_SAMPLER_W2),
    ("decompose", "s_max", "1", OTHER_SAMPLER_W2),
    ("decompose", "s_noise", "1", OTHER_SAMPLER_W2),
    ("decompose", "rtol", "1e-3", OTHER_SAMPLER_W2),
    ("decompose", "atol", "1e-3", OTHER_SAMPLER_W2),
    ("decompose", "step_size", "0.1", OTHER_SAMPLER_W2),
    ("decompose", "constant_step", "", OTHER_SAMPLER_W2),
    ("decompose", "level_steps", "3", OTHER_SAMPLER_W2),
    ("decompose", "corrector_snr", "0.1", OTHER_SAMPLER_W2),
    ("decompose", "corrections", "2", OTHER_SAMPLER_W2),
    ("decompose", "train_steps", "100", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "process", "vp", &[NETWORK, DECOMPOSE]),
    ("decompose", "t_min", "0.1", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "beta_min", "0.2", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "beta_max", "9", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "horizon", "5", &[NETWORK, W2, DECOMPOSE]),
    ("decompose", "schedule", "cosine", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "beta_start", "0.1", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "beta_end", "0.1", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "sigma_min", "0.1", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "sigma_max", "9", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "rho", "7", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "betas", "DIR/betas.txt", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "alpha_bars", "DIR/betas.txt", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "zero_terminal_snr", "", NO_SCHEDULE_DECOMPOSE),
    ("decompose", "checkpoint", "DIR/image/checkpoints/latest", NO_NETWORK),
    ("decompose", "data", "digits", NO_NETWORK),
    ("decompose", "data_dir", "DIR", NO_NETWORK),
    ("decompose", "image_size", "8", &[NETWORK]),
    ("decompose", "resize", "fit-pad", &[NETWORK]),
    ("decompose", "channels", "3", &[NETWORK]),
    ("decompose", "on_error", "skip", &[NETWORK]),
    ("decompose", "reference", "DIR", NO_DIVERGENCES),
    ("decompose", "flips", "true", NO_DIVERGENCES),
    ("decompose", "max_images", "10", NO_DIVERGENCES),
    ("decompose", "levels", "10", NO_DIVERGENCES),
    ("decompose", "repeats", "2", NO_DIVERGENCES),
    ("decompose", "batch_size", "10", NO_DIVERGENCES),
    // Scripts give it for every target, estimated or exact: the same command line decomposes both.
    ("decompose", "seed", "", ALWAYS),
    ("error-benchmark", "quick", "", ALWAYS),
    ("error-benchmark", "out", "", ALWAYS),
    (
        "error-benchmark",
        "data_dir",
        "DIR",
        &["error-benchmark --quick --out DIR/b --targets mixture-1d,digits-network"],
    ),
    ("error-benchmark", "targets", "", ALWAYS),
    ("error-benchmark", "fresh", "", ALWAYS),
    ("error-benchmark", "seed", "1", ALWAYS),
    ("eval features", "images", "", ALWAYS),
    (
        "eval features",
        "data",
        "digits",
        &["eval features --images DIR --extractor pixels --out DIR/f.safetensors"],
    ),
    (
        "eval features",
        "split",
        "train",
        &["eval features --images DIR --extractor pixels --out DIR/f.safetensors"],
    ),
    (
        "eval features",
        "data_dir",
        "DIR",
        &["eval features --images DIR --extractor pixels --out DIR/f.safetensors"],
    ),
    (
        "eval features",
        "image_size",
        "8",
        &["eval features --data digits --extractor pixels --out DIR/f.safetensors"],
    ),
    (
        "eval features",
        "resize",
        "fit-pad",
        &["eval features --data digits --extractor pixels --out DIR/f.safetensors"],
    ),
    (
        "eval features",
        "channels",
        "3",
        &["eval features --data digits --extractor pixels --out DIR/f.safetensors"],
    ),
    (
        "eval features",
        "on_error",
        "skip",
        &["eval features --data digits --extractor pixels --out DIR/f.safetensors"],
    ),
    ("eval features", "extractor", "", ALWAYS),
    ("eval features", "out", "", ALWAYS),
    (
        "eval features",
        "seed",
        "1",
        &["eval features --data digits --extractor pixels --out DIR/f.safetensors"],
    ),
    ("eval fid", "features_a", "", ALWAYS),
    ("eval fid", "features_b", "DIR/y", &[FID_IMAGES[0]]),
    ("eval fid", "images", "DIR", FID_FILES),
    ("eval fid", "checkpoint", "DIR", FID_FILES),
    ("eval fid", "extractor", "pixels", FID_FILES),
    ("eval fid", "data", "digits", FID_FILES),
    ("eval fid", "split", "train", FID_FILES),
    ("eval fid", "data_dir", "DIR", FID_FILES),
    ("eval fid", "image_size", "8", FID_FILES),
    ("eval fid", "resize", "fit-pad", FID_FILES),
    ("eval fid", "channels", "3", FID_FILES),
    ("eval fid", "on_error", "skip", FID_FILES),
    ("eval fid", "num", "5", FID_IMAGES),
    ("eval fid", "samples", "DIR/s", FID_IMAGES),
    ("eval fid", "steps", "5", FID_IMAGES),
    ("eval fid", "grid", "leading", FID_IMAGES),
    ("eval fid", "visited", "DIR/levels.json", FID_IMAGES),
    ("eval fid", "batch_size", "2", FID_IMAGES),
    ("eval fid", "sampler", "ddim", FID_IMAGES),
    ("eval fid", "variance", "fixed-small", FID_IMAGES),
    ("eval fid", "eta", "0.5", FID_IMAGES),
    ("eval fid", "use_clipped_model_output", "", FID_IMAGES),
    ("eval fid", "churn", "1", FID_IMAGES),
    ("eval fid", "s_min", "0", FID_IMAGES),
    ("eval fid", "s_max", "1", FID_IMAGES),
    ("eval fid", "s_noise", "1", FID_IMAGES),
    ("eval fid", "rtol", "1e-3", FID_IMAGES),
    ("eval fid", "atol", "1e-3", FID_IMAGES),
    ("eval fid", "step_size", "0.1", FID_IMAGES),
    ("eval fid", "constant_step", "", FID_IMAGES),
    ("eval fid", "level_steps", "5", FID_IMAGES),
    ("eval fid", "corrector_snr", "0.1", FID_IMAGES),
    ("eval fid", "corrections", "2", FID_IMAGES),
    ("eval fid", "seed", "1", FID_IMAGES),
    ("eval fid", "json", "", ALWAYS),
    ("eval kid", "features_a", "", ALWAYS),
    ("eval kid", "features_b", "DIR/y", &[KID_IMAGES[0]]),
    ("eval kid", "images", "DIR", KID_FILES),
    ("eval kid", "checkpoint", "DIR", KID_FILES),
    ("eval kid", "extractor", "pixels", KID_FILES),
    ("eval kid", "data", "digits", KID_FILES),
    ("eval kid", "split", "train", KID_FILES),
    ("eval kid", "data_dir", "DIR", KID_FILES),
    ("eval kid", "image_size", "8", KID_FILES),
    ("eval kid", "resize", "fit-pad", KID_FILES),
    ("eval kid", "channels", "3", KID_FILES),
    ("eval kid", "on_error", "skip", KID_FILES),
    ("eval kid", "num", "5", KID_IMAGES),
    ("eval kid", "samples", "DIR/s", KID_IMAGES),
    ("eval kid", "steps", "5", KID_IMAGES),
    ("eval kid", "grid", "leading", KID_IMAGES),
    ("eval kid", "visited", "DIR/levels.json", KID_IMAGES),
    ("eval kid", "batch_size", "2", KID_IMAGES),
    ("eval kid", "sampler", "ddim", KID_IMAGES),
    ("eval kid", "variance", "fixed-small", KID_IMAGES),
    ("eval kid", "eta", "0.5", KID_IMAGES),
    ("eval kid", "use_clipped_model_output", "", KID_IMAGES),
    ("eval kid", "churn", "1", KID_IMAGES),
    ("eval kid", "s_min", "0", KID_IMAGES),
    ("eval kid", "s_max", "1", KID_IMAGES),
    ("eval kid", "s_noise", "1", KID_IMAGES),
    ("eval kid", "rtol", "1e-3", KID_IMAGES),
    ("eval kid", "atol", "1e-3", KID_IMAGES),
    ("eval kid", "step_size", "0.1", KID_IMAGES),
    ("eval kid", "constant_step", "", KID_IMAGES),
    ("eval kid", "level_steps", "5", KID_IMAGES),
    ("eval kid", "corrector_snr", "0.1", KID_IMAGES),
    ("eval kid", "corrections", "2", KID_IMAGES),
    ("eval kid", "seed", "1", KID_IMAGES),
    ("eval kid", "json", "", ALWAYS),
    ("eval precision-recall", "features_a", "", ALWAYS),
    ("eval precision-recall", "features_b", "DIR/y", &[OVERLAP_IMAGES[0]]),
    ("eval precision-recall", "images", "DIR", OVERLAP_FILES),
    ("eval precision-recall", "checkpoint", "DIR", OVERLAP_FILES),
    ("eval precision-recall", "extractor", "pixels", OVERLAP_FILES),
    ("eval precision-recall", "data", "digits", OVERLAP_FILES),
    ("eval precision-recall", "split", "train", OVERLAP_FILES),
    ("eval precision-recall", "data_dir", "DIR", OVERLAP_FILES),
    ("eval precision-recall", "image_size", "8", OVERLAP_FILES),
    ("eval precision-recall", "resize", "fit-pad", OVERLAP_FILES),
    ("eval precision-recall", "channels", "3", OVERLAP_FILES),
    ("eval precision-recall", "on_error", "skip", OVERLAP_FILES),
    ("eval precision-recall", "num", "5", OVERLAP_IMAGES),
    ("eval precision-recall", "samples", "DIR/s", OVERLAP_IMAGES),
    ("eval precision-recall", "steps", "5", OVERLAP_IMAGES),
    ("eval precision-recall", "grid", "leading", OVERLAP_IMAGES),
    ("eval precision-recall", "visited", "DIR/levels.json", OVERLAP_IMAGES),
    ("eval precision-recall", "batch_size", "2", OVERLAP_IMAGES),
    ("eval precision-recall", "sampler", "ddim", OVERLAP_IMAGES),
    ("eval precision-recall", "variance", "fixed-small", OVERLAP_IMAGES),
    ("eval precision-recall", "eta", "0.5", OVERLAP_IMAGES),
    ("eval precision-recall", "use_clipped_model_output", "", OVERLAP_IMAGES),
    ("eval precision-recall", "churn", "1", OVERLAP_IMAGES),
    ("eval precision-recall", "s_min", "0", OVERLAP_IMAGES),
    ("eval precision-recall", "s_max", "1", OVERLAP_IMAGES),
    ("eval precision-recall", "s_noise", "1", OVERLAP_IMAGES),
    ("eval precision-recall", "rtol", "1e-3", OVERLAP_IMAGES),
    ("eval precision-recall", "atol", "1e-3", OVERLAP_IMAGES),
    ("eval precision-recall", "step_size", "0.1", OVERLAP_IMAGES),
    ("eval precision-recall", "constant_step", "", OVERLAP_IMAGES),
    ("eval precision-recall", "level_steps", "5", OVERLAP_IMAGES),
    ("eval precision-recall", "corrector_snr", "0.1", OVERLAP_IMAGES),
    ("eval precision-recall", "corrections", "2", OVERLAP_IMAGES),
    ("eval precision-recall", "seed", "1", OVERLAP_IMAGES),
    ("eval precision-recall", "json", "", ALWAYS),
    ("eval is", "features_a", "", ALWAYS),
    ("eval is", "images", "DIR", IS_FILE),
    ("eval is", "checkpoint", "DIR", IS_FILE),
    ("eval is", "extractor", "pixels", IS_FILE),
    ("eval is", "data", "digits", IS_FILE),
    ("eval is", "split", "train", IS_FILE),
    ("eval is", "data_dir", "DIR", IS_FILE),
    ("eval is", "image_size", "8", IS_FILE),
    ("eval is", "resize", "fit-pad", IS_FILE),
    ("eval is", "channels", "3", IS_FILE),
    ("eval is", "on_error", "skip", IS_FILE),
    ("eval is", "num", "5", IS_IMAGES),
    ("eval is", "samples", "DIR/s", IS_IMAGES),
    ("eval is", "steps", "5", IS_IMAGES),
    ("eval is", "grid", "leading", IS_IMAGES),
    ("eval is", "visited", "DIR/levels.json", IS_IMAGES),
    ("eval is", "batch_size", "2", IS_IMAGES),
    ("eval is", "sampler", "ddim", IS_IMAGES),
    ("eval is", "variance", "fixed-small", IS_IMAGES),
    ("eval is", "eta", "0.5", IS_IMAGES),
    ("eval is", "use_clipped_model_output", "", IS_IMAGES),
    ("eval is", "churn", "1", IS_IMAGES),
    ("eval is", "s_min", "0", IS_IMAGES),
    ("eval is", "s_max", "1", IS_IMAGES),
    ("eval is", "s_noise", "1", IS_IMAGES),
    ("eval is", "rtol", "1e-3", IS_IMAGES),
    ("eval is", "atol", "1e-3", IS_IMAGES),
    ("eval is", "step_size", "0.1", IS_IMAGES),
    ("eval is", "constant_step", "", IS_IMAGES),
    ("eval is", "level_steps", "5", IS_IMAGES),
    ("eval is", "corrector_snr", "0.1", IS_IMAGES),
    ("eval is", "corrections", "2", IS_IMAGES),
    ("eval is", "seed", "1", IS_IMAGES),
    ("eval is", "json", "", ALWAYS),
    ("eval nll", "checkpoint", "", ALWAYS),
    ("eval nll", "target", "", ALWAYS),
    ("eval nll", "points", "DIR/n.safetensors", &["eval nll --checkpoint DIR/image/checkpoints/latest"]),
    ("eval nll", "data", "digits", &["eval nll --target DIR/g.json --points DIR/n.safetensors"]),
    ("eval nll", "split", "train", &["eval nll --target DIR/g.json --points DIR/n.safetensors"]),
    ("eval nll", "data_dir", "DIR", &["eval nll --target DIR/g.json --points DIR/n.safetensors"]),
    (
        "eval nll",
        "image_size",
        "8",
        &[
            "eval nll --target DIR/g.json --points DIR/n.safetensors",
            "eval nll --checkpoint DIR/image/checkpoints/latest --data digits",
        ],
    ),
    ("eval nll", "resize", "fit-pad", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "channels", "3", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "on_error", "skip", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "method", "vlb", &["eval nll --target DIR/g.json --points DIR/n.safetensors"]),
    ("eval nll", "rtol", "1e-3", NLL_BOUND),
    ("eval nll", "atol", "1e-3", NLL_BOUND),
    ("eval nll", "probes", "2", NLL_BOUND),
    ("eval nll", "num", "2", &["eval nll --target DIR/g.json --points DIR/n.safetensors"]),
    ("eval nll", "batch_size", "2", &["eval nll --target DIR/g.json --points DIR/n.safetensors"]),
    ("eval nll", "json", "", ALWAYS),
    ("eval nll", "seed", "1", &["eval nll --target DIR/g.json --points DIR/n.safetensors"]),
    ("eval nll", "train_steps", "100", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "process", "vp", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "t_min", "0.1", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "beta_min", "0.2", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "beta_max", "9", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "horizon", "5", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "schedule", "cosine", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "beta_start", "0.1", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "beta_end", "0.1", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "sigma_min", "0.1", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "sigma_max", "9", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    ("eval nll", "rho", "7", &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"]),
    (
        "eval nll",
        "betas",
        "DIR/betas.txt",
        &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"],
    ),
    (
        "eval nll",
        "alpha_bars",
        "DIR/betas.txt",
        &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"],
    ),
    (
        "eval nll",
        "zero_terminal_snr",
        "",
        &["eval nll --checkpoint DIR/image/checkpoints/latest --data digits"],
    ),
    ("eval neighbours", "images", "", ALWAYS),
    ("eval neighbours", "data", "", ALWAYS),
    ("eval neighbours", "data_dir", "", ALWAYS),
    ("eval neighbours", "extractor", "", ALWAYS),
    ("eval neighbours", "report", "", ALWAYS),
    ("eval neighbours", "seed", "1", NEIGHBOURS),
    ("eval neighbours", "image_size", "8", NEIGHBOURS),
    ("eval neighbours", "resize", "fit-pad", NEIGHBOURS),
    ("eval neighbours", "channels", "3", NEIGHBOURS),
    ("eval neighbours", "on_error", "skip", NEIGHBOURS),
    ("eval steps", "checkpoint", "", ALWAYS),
    ("eval steps", "data", "", ALWAYS),
    ("eval steps", "split", "", ALWAYS),
    ("eval steps", "data_dir", "", ALWAYS),
    ("eval steps", "extractor", "", ALWAYS),
    ("eval steps", "num", "", ALWAYS),
    ("eval steps", "samplers", "", ALWAYS),
    ("eval steps", "counts", "", ALWAYS),
    ("eval steps", "batch_size", "", ALWAYS),
    ("eval steps", "json", "", ALWAYS),
    ("eval steps", "seed", "", ALWAYS),
    ("eval steps", "image_size", "8", STEPS),
    ("eval steps", "resize", "fit-pad", STEPS),
    ("eval steps", "channels", "3", STEPS),
    ("eval steps", "on_error", "skip", STEPS),
    ("eval run", "num", "", ALWAYS),
    ("eval run", "data_dir", "", ALWAYS),
    ("eval run", "seed", "1", &["eval run DIR/image"]),
    ("eval train-features", "data", "", ALWAYS),
    ("eval train-features", "data_dir", "", ALWAYS),
    ("eval train-features", "image_size", "8", &["eval train-features --data digits --out DIR/t"]),
    ("eval train-features", "resize", "fit-pad", &["eval train-features --data digits --out DIR/t"]),
    ("eval train-features", "channels", "3", &["eval train-features --data digits --out DIR/t"]),
    ("eval train-features", "on_error", "skip", &["eval train-features --data digits --out DIR/t"]),
    ("eval train-features", "out", "", ALWAYS),
    ("eval train-features", "seed", "", ALWAYS),
    ("data list", "seed", "1", &["data list"]),
    ("data fetch", "seed", "1", &["data fetch digits"]),
    ("data info", "data_dir", "", ALWAYS),
    ("data info", "image_size", "8", &["data info digits"]),
    ("data info", "resize", "fit-pad", &["data info digits"]),
    ("data info", "channels", "3", &["data info digits"]),
    ("data info", "on_error", "skip", &["data info digits"]),
    ("data info", "json", "", ALWAYS),
    ("data info", "seed", "1", &["data info digits"]),
    ("data fit-gaussian", "data_dir", "", ALWAYS),
    ("data fit-gaussian", "image_size", "8", &["data fit-gaussian digits --out DIR/f.safetensors"]),
    ("data fit-gaussian", "resize", "fit-pad", &["data fit-gaussian digits --out DIR/f.safetensors"]),
    ("data fit-gaussian", "channels", "3", &["data fit-gaussian digits --out DIR/f.safetensors"]),
    ("data fit-gaussian", "on_error", "skip", &["data fit-gaussian digits --out DIR/f.safetensors"]),
    ("data fit-gaussian", "centred", "", ALWAYS),
    ("data fit-gaussian", "out", "", ALWAYS),
    ("data fit-gaussian", "seed", "1", &["data fit-gaussian digits --out DIR/f.safetensors"]),
    ("config list", "seed", "1", &["config list"]),
    ("config show", "seed", "1", &["config show digits"]),
    ("config check", "set", "", ALWAYS),
    ("config check", "seed", "1", &["config check digits"]),
    ("devices", "json", "", ALWAYS),
    ("devices", "seed", "1", &["devices"]),
    ("gpu-check", "config", "", ALWAYS),
    ("gpu-check", "json", "", ALWAYS),
    ("gpu-check", "seed", "1", &["gpu-check"]),
];

/// Global options whose help says that they are harmless, and clap's own.
const EVERYWHERE: [&str; 5] = ["device", "threads", "verbose", "help", "version"];

/// Every (subcommand, option) of the command line; positional arguments have an effect wherever they are taken.
fn options() -> BTreeSet<(String, String)> {
    fn collect(prefix: &str, command: &clap::Command, found: &mut BTreeSet<(String, String)>) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let name = format!("{prefix} {}", sub.get_name()).trim().to_string();
            if sub.has_subcommands() {
                collect(&name, sub, found);
                continue;
            }
            for option in sub.get_arguments().filter(|option| !option.is_positional()) {
                let id = option.get_id().as_str();
                if !EVERYWHERE.contains(&id) {
                    found.insert((name.clone(), id.to_string()));
                }
            }
        }
    }
    let mut command = definition();
    command.build();
    let mut found = BTreeSet::new();
    collect("", &command, &mut found);
    found
}

/// Runs a command line in this process; the error as one text.
fn run(line: &str, more: &[&str]) -> Result<(), String> {
    let words = ["ddpm"].into_iter().chain(line.split_whitespace()).chain(more.iter().copied());
    let arguments = Cli::read_from(words).map_err(|error| error.to_string())?;
    arguments.run().map_err(|error| format!("{error:#}"))
}

#[test]
fn every_option_has_a_row() {
    let rows: BTreeSet<(String, String)> =
        ROWS.iter().map(|(command, option, ..)| ((*command).to_string(), (*option).to_string())).collect();
    let options = options();
    let missing: Vec<_> = options.difference(&rows).collect();
    let stale: Vec<_> = rows.difference(&options).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "without a row: {missing:?}; without an option: {stale:?}"
    );
}

#[test]
fn an_option_without_effect_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    prepare(dir);
    let path = dir.display().to_string();
    let mut wrong = Vec::new();
    for (_, option, value, contexts) in ROWS {
        let name = format!("--{}", option.replace('_', "-"));
        let value = value.replace("DIR", &path);
        for context in *contexts {
            let line = context.replace("DIR", &path);
            let more: Vec<&str> = std::iter::once(name.as_str()).chain(value.split_whitespace()).collect();
            match run(&line, &more) {
                Err(text) if text.contains(&name) => {}
                other => wrong.push(format!("{context} {}: {other:?}", more.join(" "))),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A Gaussian target, a mixture, noise, betas, and two checkpoints of a few steps.
fn prepare(dir: &Path) {
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
    write("g.json", r#"{"kind":"gaussian","mean":[0],"var":[1]}"#);
    write("m.json", r#"{"kind":"mixture","weights":[0.3,0.7],"means":[[-1.5],[1]],"stds":[0.25,0.4]}"#);
    write("betas.txt", "0.1\n0.2\n0.3\n");
    let x = tch::Tensor::zeros([2, 1], (tch::Kind::Float, tch::Device::Cpu));
    ddpm_nets::tensor_file::write(&dir.join("n.safetensors"), [("x_T", &x)]).unwrap();
    let t = tch::Tensor::zeros([2], (tch::Kind::Int64, tch::Device::Cpu));
    ddpm_nets::tensor_file::write(&dir.join("x"), [("x", &x), ("t", &t)]).unwrap();
    let train = |preset: &str, run_name: &str, settings: &[&str]| {
        let folder = dir.join(run_name).display().to_string();
        let mut more = vec!["--run", folder.as_str(), "--device", "cpu"];
        more.extend(settings.iter().flat_map(|setting| ["--set", *setting]));
        run(&format!("train --config {preset}"), &more).unwrap();
    };
    let small =
        ["model.block_out_channels=[8,16]", "model.norm_num_groups=4", "train.batch_size=4", "train.steps=1"];
    train("digits", "image", &small);
    train("gmm2d-ddpm", "vector", &["model.width=8", "train.batch_size=8", "train.steps=1"]);
}
