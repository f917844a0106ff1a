//! The files that a run writes, by name: what starting afresh removes.

use ddpm_data::OwnFiles;

/// Folders of checkpoints: complete, set aside, and left by a killed process.
const CHECKPOINTS: [&str; 5] =
    ["step-#", "damaged-step-#", "damaged-step-#-#", ".step-#.new.partial", ".step-#.old.partial"];

/// The files of a checkpoint.
const CHECKPOINT: [(&str, &[&str]); 4] = [
    ("", &["model_index.json", "denoising_error.json"]),
    ("/unet", &["config.json", "diffusion_pytorch_model.safetensors"]),
    ("/scheduler", &["scheduler_config.json"]),
    (
        "/state",
        &[
            "config.toml",
            "manifest.json",
            "state.json",
            "weights.safetensors",
            "optimizer.safetensors",
            "average-*.safetensors",
            "times.safetensors",
        ],
    ),
];

/// The other files.
const OTHERS: [(&str, &[&str]); 7] = [
    ("", &["config.toml", "images.json", "metrics.jsonl", "log.jsonl", "events.out.tfevents.#.*"]),
    (".stages", &["train.json", "sample.json", "evaluate.json"]),
    (
        "samples",
        &[
            "grid.png",
            "data.png",
            "trajectory.png",
            "forward.png",
            "step-#.png",
            "samples.safetensors",
            "plane.svg",
        ],
    ),
    ("samples/images", &["#.png", "samples.json", ".lock"]),
    ("report", &["index.html", "classical.json", "decomposition.json"]),
    ("report/decomposition", &["index.html", "report.json"]),
    ("checkpoints", &["latest", ".latest.partial"]),
];

/// Every file of a run but its mark.
pub(crate) fn files() -> Vec<OwnFiles> {
    let others = OTHERS.iter().map(|&(folder, names)| OwnFiles { folder: folder.to_owned(), names });
    let checkpoints = CHECKPOINTS.iter().flat_map(|checkpoint| {
        CHECKPOINT.iter().map(move |&(below, names)| OwnFiles {
            folder: format!("checkpoints/{checkpoint}{below}"),
            names,
        })
    });
    others.chain(checkpoints).collect()
}
