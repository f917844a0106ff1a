//! A run's folder and its checkpoints on a real disk.

use super::*;
use crate::retention::Retention;

const LAST_TWO: Retention = Retention { last: 2, every: 0 };

fn with_checkpoints(folder: &Path, keep: Retention, steps: &[u64]) -> RunDir {
    let run = RunDir::new(folder.join("run"));
    run.create().unwrap();
    for &step in steps {
        let write = |dir: &Path| {
            let state = dir.join("state");
            fs::create_dir(&state).map_err(TrainError::io(dir))?;
            fs::write(state.join("state.json"), format!(r#"{{"step": {step}, "threads": 1, "seed": 0}}"#))
                .map_err(TrainError::io(dir))?;
            fs::write(dir.join("x"), [step as u8]).map_err(TrainError::io(dir))
        };
        run.publish(step, keep, write).unwrap();
    }
    run
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn checkpoints_appear_whole_and_old_ones_go() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path().join("run"));
    run.create().unwrap();
    assert_eq!(run.newest().unwrap(), None);
    assert_eq!(run.newest_intact().unwrap(), None);
    let run = with_checkpoints(folder.path(), LAST_TWO, &[5, 10, 15, 15]);
    assert_eq!(run.steps().unwrap(), [10, 15]);
    assert_eq!(fs::read_link(run.latest()).unwrap(), Path::new("step-00000015"));
    assert_eq!(fs::read(run.latest().join("x")).unwrap(), [15]);

    let failed = run.publish(20, LAST_TWO, |dir| {
        fs::write(dir.join("x"), "half").map_err(TrainError::io(dir))?;
        Err(TrainError::RunExists(dir.to_path_buf()))
    });
    assert!(failed.is_err());
    assert_eq!(run.newest().unwrap().unwrap().0, 15);
    assert_eq!(names(&run.root().join("checkpoints")), ["latest", "step-00000010", "step-00000015"]);
}

#[test]
fn only_the_files_of_a_run_are_removed_and_only_from_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = RunDir::new(folder.path().join("run"));
    let write = |file: &str| {
        let path = run.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    };
    let foreign = [
        "notes.txt",
        "samples/mine.png",
        "samples/images/face.jpg",
        "report/chapter1.tex",
        "checkpoints/other-model.pt",
        "checkpoints/best-step-00000010/unet/config.json",
    ];
    foreign.iter().for_each(|file| write(file));
    write("config.toml");
    let refused = run.lock().unwrap_err();
    assert!(matches!(refused, TrainError::NoRun(_)), "{refused}");
    assert!(foreign.iter().all(|file| run.root().join(file).exists()) && !run.root().join(MARK).exists());

    // A run of a version without marks.
    for file in [
        "metrics.jsonl",
        "events.out.tfevents.1.host.2.0",
        ".stages/train.json",
        "samples/grid.png",
        "samples/step-00000010.png",
        "samples/images/000001.png",
        "report/decomposition/index.html",
        "checkpoints/step-00000010/state/weights.safetensors",
        "checkpoints/step-00000010/unet/config.json",
        "checkpoints/damaged-step-00000005/unet/config.json",
        "checkpoints/.step-00000011.new.partial/unet/.config.json.a1B2.tmp",
    ] {
        write(file);
    }
    write("checkpoints/step-00000010/why.txt");
    std::os::unix::fs::symlink("step-00000010", run.latest()).unwrap();
    let lock = run.lock().unwrap();
    assert!(matches!(run.lock().unwrap_err(), TrainError::Data(ddpm_data::DataError::InUse { .. })));
    run.clear().unwrap();
    drop(lock);
    assert_eq!(run.newest().unwrap(), None);
    assert_eq!(names(run.root()), [MARK, "checkpoints", "notes.txt", "report", "samples"]);
    assert_eq!(
        names(&run.root().join("checkpoints")),
        ["best-step-00000010", "kept-step-00000010", "other-model.pt"]
    );
    assert!(foreign.iter().all(|file| run.root().join(file).exists()));
    assert_eq!(names(&run.root().join("checkpoints/kept-step-00000010")), ["why.txt"]);
    assert_eq!(names(&run.root().join("samples/images")), ["face.jpg"]);
}

#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let run = with_checkpoints(folder.path(), LAST_TWO, &[5]);
    let checkpoints = run.root().join("checkpoints");
    for litter in [".step-00000006.new.partial", ".step-00000004.old.partial"] {
        fs::create_dir_all(checkpoints.join(litter).join("unet")).unwrap();
    }
    for file in [".config.toml.abc.tmp", ".metrics.jsonl.xyz.tmp", ".hidden.tmp", "metrics.jsonl"] {
        fs::write(run.root().join(file), "").unwrap();
    }
    run.create().unwrap();
    assert_eq!(names(&checkpoints), ["latest", "step-00000005"]);
    assert_eq!(names(run.root()), [".hidden.tmp", "checkpoints", "metrics.jsonl"]);
}

#[test]
fn a_run_removes_what_its_retention_does_not_keep() {
    let folder = tempfile::tempdir().unwrap();
    let run = with_checkpoints(folder.path(), Retention { last: 1, every: 20 }, &[10, 20, 30, 40, 50]);
    assert_eq!(run.steps().unwrap(), [20, 40, 50]);
}

/// A copy of a run whose links became folders resumes as the run would, and nothing that is not there twice is removed.
#[test]
fn a_copied_latest_becomes_a_link_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = with_checkpoints(folder.path(), Retention { last: 0, every: 0 }, &[5, 10]);
    let checkpoints = run.root().join("checkpoints");
    let copy_of = |step: u64| {
        let _ = fs::remove_file(run.latest());
        let status =
            std::process::Command::new("cp").arg("-r").args([run.checkpoint(step), run.latest()]).status();
        assert!(status.unwrap().success());
    };
    let linked = |step: u64| {
        assert_eq!(run.newest_intact().unwrap().unwrap().0, step);
        assert_eq!(fs::read_link(run.latest()).unwrap(), run.checkpoint(step).file_name().unwrap());
    };
    let both = ["latest", "step-00000005", "step-00000010"];
    copy_of(10);
    linked(10);
    assert_eq!(names(&checkpoints), both);
    // The only copy of its step becomes that step's checkpoint.
    copy_of(10);
    fs::remove_dir_all(run.checkpoint(10)).unwrap();
    linked(10);
    assert_eq!(names(&checkpoints), both);
    // Anything else is kept.
    copy_of(10);
    fs::write(run.latest().join("notes"), "mine").unwrap();
    linked(10);
    copy_of(5);
    fs::write(run.latest().join("x"), "damaged").unwrap();
    linked(10);
    let kept = ["copied-latest", "copied-latest-1", "latest", "step-00000005", "step-00000010"];
    assert_eq!(names(&checkpoints), kept);
    // A checkpoint is published over a copied one, too.
    copy_of(5);
    run.publish(15, LAST_TWO, |dir| {
        fs::create_dir(dir.join("state")).map_err(TrainError::io(dir))?;
        fs::write(dir.join("x"), "new").map_err(TrainError::io(dir))
    })
    .unwrap();
    linked(15);
}

#[test]
fn a_damaged_checkpoint_is_set_aside_for_the_last_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = with_checkpoints(folder.path(), Retention { last: 0, every: 0 }, &[5, 10, 15]);
    let damage = |step| fs::write(run.checkpoint(step).join("x"), "?").unwrap();
    damage(15);
    damage(10);
    assert_eq!(run.newest_intact().unwrap().unwrap().0, 5);
    assert_eq!(run.newest().unwrap().unwrap().0, 5);
    assert_eq!(fs::read_link(run.latest()).unwrap(), Path::new("step-00000005"));
    let checkpoints = run.root().join("checkpoints");
    let all = ["damaged-step-00000010", "damaged-step-00000015", "latest", "step-00000005"];
    assert_eq!(names(&checkpoints), all);

    damage(5);
    let error = run.newest_intact().unwrap_err().to_string();
    assert!(
        error.contains("step-00000005/x: expected SHA-256") && error.contains("another --run"),
        "{error}"
    );
    assert_eq!(names(&checkpoints), all, "nothing more is touched");
}
