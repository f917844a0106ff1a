//! Several processes that share a training: the same numbers as one process, failures that end all of them, resuming.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod common;

use common::group::{PATIENCE, alone, ended, errors, free_port, group, program, rank, succeed};
use common::{TINY, set};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `ddpm train` of a small run without dropout, on one thread of the CPU, with a line of metrics after each step.
fn train(run: &str, changes: &[&str]) -> Vec<String> {
    let mut words: Vec<String> =
        ["train", "--config", "digits", "--run", run, "--threads", "1", "--device", "cpu"]
            .map(String::from)
            .into();
    words.extend(set(&TINY));
    words.extend(set(&["model.dropout=0.0", "train.log_every=1", "train.sample_every=0"]));
    words.extend(set(&["train.validate_every=0", "train.batch_size=24", "train.steps=20"]));
    words.extend(set(changes));
    words
}

/// A quantity after each step.
fn series(folder: &Path, run: &str, name: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line[name].as_f64()).collect()
}

fn wait_for_steps(folder: &Path, run: &str, steps: usize) {
    let until = Instant::now() + PATIENCE;
    while series(folder, run, "step").len() < steps {
        assert!(Instant::now() < until, "the run does not reach step {steps}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn weights(folder: &Path, run: &str) -> Vec<u8> {
    std::fs::read(folder.join(run).join("checkpoints/latest/state/weights.safetensors")).unwrap()
}

fn assert_same_losses(folder: &Path, run: &str, other: &str) {
    for name in ["step", "loss", "gradient_norm"] {
        let (a, b) = (series(folder, run, name), series(folder, other, name));
        assert_eq!(a.len(), b.len(), "{run}, {other}");
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5), "{name}: {run} {a:?}, {other} {b:?}");
    }
    assert!(!series(folder, run, "loss").is_empty());
}

#[test]
fn the_same_batch_on_one_two_and_four_processes_gives_the_same_losses() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    alone(folder, &train("one", &[]));
    // Two jobs on one machine at once.
    let jobs = [group(folder, 2, &train("two", &[])), group(folder, 4, &train("four", &[]))];
    for output in jobs.into_iter().flat_map(ended) {
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    }
    succeed(folder, 2, &train("parts", &["train.accumulate=3"]));
    for run in ["two", "four", "parts"] {
        assert_same_losses(folder, "one", run);
    }
    // Levels by importance depend on the losses of all processes.
    let importance = [
        "train.times.sampler=\"importance\"",
        "train.times.history=1",
        "diffusion.schedule.train_steps=5",
        "sample.steps=2",
    ];
    alone(folder, &train("importance-one", &importance));
    succeed(folder, 3, &train("importance-three", &importance));
    assert_same_losses(folder, "importance-one", "importance-three");
}

/// After one step Adam's first moment is a tenth of the gradient.
#[test]
fn the_first_gradient_is_the_same_tensor_by_tensor() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let first = |run| train(run, &["train.steps=1"]);
    alone(folder, &first("one"));
    for (world, run) in [(2, "two"), (4, "four")] {
        succeed(folder, world, &first(run));
    }
    let moments = |run: &str| {
        let file = folder.join(run).join("checkpoints/latest/state/optimizer.safetensors");
        let mut tensors = ddpm_nets::tensor_file::read(&file).unwrap();
        tensors.retain(|name, _| name.starts_with("exp_avg."));
        tensors
    };
    let expected = moments("one");
    assert!(expected.len() > 20);
    let largest = |tensor: &tch::Tensor| tensor.abs().max().double_value(&[]);
    let overall = expected.values().map(largest).fold(0.0, f64::max);
    assert!(overall > 1e-4, "{overall:e}");
    for run in ["two", "four"] {
        let got = moments(run);
        for (name, one) in &expected {
            // The bias of an attention's keys has no effect: its gradient is 0 but for rounding.
            let scale = largest(one).max(1e-9 * overall);
            let difference = largest(&(one - &got[name]));
            assert!(difference <= 1e-5 * scale, "{run}, {name}: {difference:e} of {scale:e}");
        }
    }
}

#[test]
fn the_first_process_alone_prints_and_a_group_resumes_at_any_size() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    alone(folder, &train("whole", &["train.steps=40"]));
    let outputs = ended(group(folder, 3, &train("grown", &["train.steps=20"])));
    assert_eq!(String::from_utf8_lossy(&outputs[0].stdout), "grown/checkpoints/latest\n");
    assert!(errors(&outputs[0]).contains("3 processes of 8 images"), "{}", errors(&outputs[0]));
    for output in &outputs[1..] {
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{}", errors(output));
    }
    let with_resume = |steps: &str| [train("grown", &[steps]), vec!["--resume".to_string()]].concat();
    succeed(folder, 2, &with_resume("train.steps=30"));
    alone(folder, &with_resume("train.steps=40"));
    assert_same_losses(folder, "whole", "grown");
}

#[test]
fn a_stop_asked_of_one_process_ends_all_after_the_same_step_with_one_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let words = train("run", &["train.steps=100000", "train.checkpoint_every=0"]);
    let children = group(folder, 3, &words);
    wait_for_steps(folder, "run", 5);
    signal(&children[1], "-TERM");
    for output in ended(children) {
        assert_eq!(output.status.code(), Some(75), "{}", errors(&output));
    }
    let names: Vec<_> = std::fs::read_dir(folder.join("run/checkpoints")).unwrap().collect();
    assert_eq!(names.len(), 2, "latest and one checkpoint: {names:?}");

    // A launcher that starts the processes again must not let them train on; a new job may.
    let restarted = |restarts: &str| {
        let words = [train("run", &["train.steps=100000"]), vec!["--resume".to_string()]].concat();
        let port = free_port();
        let start = |k: usize| {
            let mut command = program(folder);
            command.args(&words).env("RANK", k.to_string()).env("WORLD_SIZE", "2");
            command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", port.to_string());
            command
                .env("DDPM_DIST_TIMEOUT", "60")
                .env("TORCHELASTIC_RESTART_COUNT", restarts)
                .spawn()
                .unwrap()
        };
        [start(0), start(1)]
    };
    let steps = series(folder, "run", "step").len();
    for output in ended(restarted("1").into()) {
        assert_eq!(output.status.code(), Some(75), "{}", errors(&output));
    }
    assert_eq!(series(folder, "run", "step").len(), steps);
    let children = restarted("0");
    wait_for_steps(folder, "run", steps + 2);
    signal(&children[0], "-INT");
    assert!(ended(children.into()).iter().all(|output| output.status.code() == Some(75)));
}

#[test]
fn a_killed_process_ends_the_others_and_the_restarted_group_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let changes = ["train.steps=60", "train.checkpoint_every=7", "model.dropout=0.1"];
    succeed(folder, 3, &train("whole", &changes));
    let words = [train("killed", &changes), vec!["--resume".to_string()]].concat();
    let children = group(folder, 3, &words);
    wait_for_steps(folder, "killed", 10);
    signal(&children[2], "-KILL");
    for output in &ended(children)[..2] {
        assert_eq!(output.status.code(), Some(2), "{}", errors(output));
        assert!(errors(output).contains("2 does not answer"), "{}", errors(output));
    }
    assert!(series(folder, "killed", "step").len() < 60, "it was killed too late to show anything");
    succeed(folder, 3, &words);
    assert!(weights(folder, "killed") == weights(folder, "whole"));
}

#[test]
fn what_keeps_a_group_from_beginning_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let refused = |children: Vec<Child>, words: &str| {
        for output in ended(children) {
            assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
            assert!(errors(&output).contains(words), "{}", errors(&output));
        }
    };
    // A batch that the processes cannot share.
    let words = train("none", &["train.batch_size=16"]);
    refused(group(folder, 3, &words), "nearest numbers of processes that share it are 2 and 4, got 16");

    // A rank that never arrives, and a port with a listener that is none of ours.
    let foreign = TcpListener::bind("0.0.0.0:0").unwrap();
    let (port, taken) = (free_port(), foreign.local_addr().unwrap().port());
    let short = |rank: usize, port: u16| {
        let mut command = program(folder);
        command.args(train("none", &[])).env("RANK", rank.to_string()).env("WORLD_SIZE", "3");
        command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", port.to_string());
        command.env("DDPM_DIST_TIMEOUT", "10").spawn().unwrap()
    };
    let missing = vec![short(0, port), short(2, port)];
    refused(missing, "rank 1 of 3 did not arrive within 10 s");
    refused(vec![short(0, taken)], "is in use; set another MASTER_PORT");
    refused(vec![short(1, taken)], "rank 0 does not answer at 127.0.0.1");

    // A rank that fails by itself is named by the others.
    let port = free_port();
    std::fs::create_dir(folder.join("occupied")).unwrap();
    std::fs::write(folder.join("occupied/file"), "").unwrap();
    let words = train("occupied", &[]);
    let outputs = ended((0..2).map(|k| rank(folder, k, 2, port, &words)).collect());
    assert!(outputs.iter().all(|output| output.status.code() == Some(2)));
    assert!(
        errors(&outputs[1]).contains("rank 0 failed first: occupied has files"),
        "{}",
        errors(&outputs[1])
    );

    // Work for one process.
    let mut command = program(folder);
    command.args(["decompose", "--target", "none.json"]);
    command.env("RANK", "1").env("WORLD_SIZE", "2").env("MASTER_ADDR", "a").env("MASTER_PORT", "1");
    refused(vec![command.spawn().unwrap()], "work for one process, and this is one of 2");
    assert!(!folder.join("none").exists());
}

/// torchrun's own restarts: a process is killed once, and the run ends with the bits of one that was not disturbed.
#[test]
fn torchrun_restarts_a_group_that_lost_a_process() {
    let Some(python) = ddpm_testkit::python("restarts by torchrun") else { return };
    let torchrun = python.with_file_name("torchrun");
    if !torchrun.is_file() {
        eprintln!("skipped: no torchrun beside {}", python.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let start = |words: &[String]| {
        let mut command = Command::new(&torchrun);
        command.args(["--standalone", "--no-python", "--nproc-per-node=2", "--max-restarts=1", "--"]);
        command.arg(assert_cmd::cargo::cargo_bin("ddpm")).args(words).current_dir(folder);
        command.env("OMP_WAIT_POLICY", "passive").env("DDPM_CACHE", folder.join("cache"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let words =
        |run| [train(run, &["train.steps=60", "train.checkpoint_every=7"]), vec!["--resume".into()]].concat();
    let whole = ended(vec![start(&words("whole"))]).remove(0);
    assert_eq!(whole.status.code(), Some(0), "{}", errors(&whole));

    let child = start(&words("killed"));
    wait_for_steps(folder, "killed", 10);
    // Its log names the first process, which alone writes; the group's store belongs to torchrun.
    let log = std::fs::read_to_string(folder.join("killed/log.jsonl")).unwrap();
    let first: Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    let killed = Command::new("kill").args(["-KILL", &first["pid"].to_string()]).status().unwrap();
    assert!(killed.success());
    let killed = ended(vec![child]).remove(0);
    assert_eq!(killed.status.code(), Some(0), "{}", errors(&killed));
    assert!(errors(&killed).contains("resumed after step"), "{}", errors(&killed));
    assert!(weights(folder, "killed") == weights(folder, "whole"));
}

/// The script of docs/cluster.md with stand-ins for `srun` and `scontrol`: a pre-emption ends with a requeue, and the requeued job with the bits of a run that was not
/// disturbed.
#[test]
fn the_slurm_script_requeues_a_job_that_was_asked_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cluster.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let script = guide.split("```").find(|block| block.contains("#SBATCH --signal")).unwrap();
    let options: Vec<String> = train("run", &["train.steps=60", "train.checkpoint_every=50"])
        .iter()
        .skip(5)
        .filter(|word| *word != "--threads" && *word != "1")
        .map(|word| format!("'{word}'"))
        .collect();
    let script = script.replace("mine.toml", "digits").replace("--threads 8", "--threads 1");
    let script = script.replace("--resume", &format!("--resume {}", options.join(" ")));
    let executable = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    std::fs::create_dir(folder.join("bin")).unwrap();
    std::os::unix::fs::symlink(assert_cmd::cargo::cargo_bin("ddpm"), folder.join("bin/ddpm")).unwrap();
    // The step of a job: two tasks; the highest exit code counts.
    executable(
        "bin/srun",
        "#!/bin/bash\nshift\nexport SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 SLURM_STEP_NODELIST=localhost\n\
         for k in 0 1; do SLURM_PROCID=$k SLURM_LOCALID=$k \"$@\" & pids[k]=$!; done\n\
         echo \"${pids[@]}\" > tasks\nworst=0\n\
         for pid in \"${pids[@]}\"; do wait $pid; code=$?; ((code > worst)) && worst=$code; done\nexit $worst\n",
    );
    executable("bin/scontrol", "#!/bin/bash\necho \"$@\" >> requeued\n");
    let job = |run: &str| {
        executable("job.sh", script.replace("/shared/runs/mine", run).trim_start_matches('\n'));
        let mut command = Command::new("bash");
        let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
        // The job's number decides the port.
        let number = std::iter::repeat_with(free_port)
            .map(|port| port + 10_000)
            .find(|&port| (20_000..40_000).contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok());
        command.arg("job.sh").current_dir(folder).env("PATH", path).env("DDPM_CACHE", folder.join("cache"));
        command.env("SLURM_JOB_ID", (number.unwrap() - 20_000).to_string()).env("OMP_WAIT_POLICY", "passive");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let finished = |child: Child| {
        let output = ended(vec![child]).remove(0);
        (output.status.code(), errors(&output))
    };
    let whole = finished(job("whole"));
    assert_eq!(whole.0, Some(0), "{}", whole.1);

    let child = job("run");
    wait_for_steps(folder, "run", 10);
    // Slurm signals the tasks.
    let tasks = std::fs::read_to_string(folder.join("tasks")).unwrap();
    let sent = Command::new("kill").arg("-TERM").args(tasks.split_whitespace()).status().unwrap();
    assert!(sent.success());
    let stopped = finished(child);
    assert_eq!(stopped.0, Some(75), "{}", stopped.1);
    assert!(std::fs::read_to_string(folder.join("requeued")).unwrap().starts_with("requeue "));
    let requeued = finished(job("run"));
    assert_eq!(requeued.0, Some(0), "{}", requeued.1);
    assert!(requeued.1.contains("resumed after step"), "{}", requeued.1);
    assert!(weights(folder, "run") == weights(folder, "whole"));
}

#[test]
fn processes_with_different_settings_end_with_both_digests() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let port = free_port();
    let of = |k: usize| rank(folder, k, 2, port, &train("run", &[&format!("train.seed={k}")]));
    let outputs = ended(vec![of(0), of(1)]);
    for (k, output) in outputs.iter().enumerate() {
        assert_eq!(output.status.code(), Some(2), "rank {k}: {}", errors(output));
    }
    let said = errors(&outputs[0]);
    assert!(said.contains("rank 0") && said.contains("rank 1"), "{said}");
    assert_eq!(series(folder, "run", "step").len(), 0, "a step was recorded");
}
