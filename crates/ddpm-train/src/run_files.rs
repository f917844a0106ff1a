//! The files that a run writes, by name: what starting afresh removes.

use ddpm_data::OwnFiles;

/// The file that marks a folder as a run, and that the writing process locks.
pub(crate) const MARK: &str = ".ddpm-run";

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
const OTHERS: [(&str, &[&str]); 8] = [
    (
        "",
        &["config.toml", "images.json", "metrics.jsonl", "log.jsonl", ".stopped", "events.out.tfevents.#.*"],
    ),
    (".stages", &["train.json", "sample.json", "evaluate.json", "quality.json"]),
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
    ("report", &["index.html", "classical.json", "decomposition.json", "quality.json"]),
    ("report/decomposition", &["index.html", "report.json"]),
    ("report/neighbours", &["index.html", "neighbours.json"]),
    ("checkpoints", &["latest", ".latest.partial", "best", ".best.partial", "best.json"]),
];

/// What is needed for the measurements on samples alone: the samples, and the run of the classifier whose features compare them.
const SAMPLES: (&str, &[&str]) =
    ("quality/samples", &["shard-#.safetensors", ".shard-#.safetensors.part", "samples.json", ".lock"]);
const CLASSIFIER: &str = "quality/features";

/// Every file of a run but its mark.
pub(crate) fn files() -> Vec<OwnFiles> {
    let (folder, names) = SAMPLES;
    let samples = OwnFiles { folder: folder.to_owned(), names };
    let mark = OwnFiles { folder: CLASSIFIER.to_owned(), names: &[MARK] };
    let above = OwnFiles { folder: "quality".to_owned(), names: &[] };
    of_run("").chain(of_run(CLASSIFIER)).chain([above, samples, mark]).collect()
}

/// The files of the run in a folder.
fn of_run(root: &str) -> impl Iterator<Item = OwnFiles> {
    let below = move |folder: &str| format!("{root}/{folder}").trim_matches('/').to_owned();
    let others = OTHERS.iter().map(move |&(folder, names)| OwnFiles { folder: below(folder), names });
    let checkpoints = CHECKPOINTS.iter().flat_map(move |checkpoint| {
        CHECKPOINT.iter().map(move |&(part, names)| OwnFiles {
            folder: below(&format!("checkpoints/{checkpoint}{part}")),
            names,
        })
    });
    others.chain(checkpoints)
}
