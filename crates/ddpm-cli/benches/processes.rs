//! Two processes with one thread each against one process with two threads, and how much of the exchange of gradients happens during the backward
//! pass. The network is that of the preset `fashion`.
//!
//! The variable DDPM_BENCH_DATA names a folder with Fashion-MNIST; without it the data are downloaded. The two ways take turns, because the speed of a
//! machine drifts; the figures are medians.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails may panic")]

use ddpm_nets::{UNet, UNetConfig};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tch::{Device, Kind, Tensor};
use torch_ext::dist::{DataParallel, Rendezvous, Workers};

/// Turns of each way.
const TURNS: usize = 5;
/// Steps of a training, of which the first half is not counted.
const STEPS: u64 = 20;
/// Images of a process in the measurement of the exchange: few, so that the exchange is not lost in the spread of the steps.
const IMAGES: i64 = 4;
/// Turns of that measurement.
const EXCHANGES: usize = 100;

fn main() {
    // `cargo test --benches` runs benchmarks with this option, to see that they start.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut rates = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        for (rates, (processes, threads)) in rates.iter_mut().zip([(1, 2), (2, 1)]) {
            rates.push(rate(&folder.path().join(format!("{turn}-{processes}")), processes, threads));
        }
    }
    let ratios = rates[0].iter().zip(&rates[1]).map(|(one, two)| two / one).collect();
    let [one, two] = rates.map(median);
    println!("1 process, 2 threads    {one:.1} images/s");
    println!("2 processes, 1 thread   {two:.1} images/s");
    println!("ratio                   {:.3} (median of {TURNS} pairs)", median(ratios));
    exchange();
}

fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}

/// Images a second in the second half of a training.
fn rate(run: &Path, processes: usize, threads: usize) -> f64 {
    let port = free_port();
    let children: Vec<Child> = (0..processes)
        .map(|rank| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_ddpm"));
            command.args(["train", "--config", "fashion", "--device", "cpu", "--threads"]);
            command.arg(threads.to_string()).arg("--run").arg(run);
            for change in [
                format!("train.steps={STEPS}"),
                format!("train.log_every={}", STEPS / 2),
                "train.validate_every=0".to_owned(),
                "train.sample_every=0".to_owned(),
            ] {
                command.args(["--set", &change]);
            }
            if let Some(data) = std::env::var_os("DDPM_BENCH_DATA") {
                command.arg("--data-dir").arg(data);
            }
            command.env("RANK", rank.to_string()).env("LOCAL_RANK", rank.to_string());
            command.env("WORLD_SIZE", processes.to_string());
            command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", port.to_string());
            command.env("OMP_WAIT_POLICY", "passive").stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    last["images_per_second"].as_f64().unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// Two ranks, which are threads here: a step without exchange, with it, and the exchange alone, in turn.
fn exchange() {
    tch::set_num_threads(1);
    let port = free_port();
    let ranks: Vec<_> = (0..2).map(|rank| std::thread::spawn(move || of_rank(rank, port))).collect();
    let turns: Vec<Vec<[f64; 3]>> = ranks.into_iter().map(|rank| rank.join().unwrap()).collect();
    let all = |of: fn(&[f64; 3]) -> f64| -> Vec<f64> { turns[0].iter().map(of).collect() };
    let exchange = median(all(|turn| turn[2]));
    let added = |share| quantile(all(|turn| turn[1] - turn[0]), share);
    println!(
        "step without exchange   {:.1} ms ({IMAGES} images a process)",
        1e3 * median(all(|turn| turn[0]))
    );
    println!("exchange alone          {:.2} ms", 1e3 * exchange);
    println!(
        "exchange adds to a step {:.2} ms (quartiles {:.2} to {:.2}), so that {:.0} % of it is hidden behind the backward pass",
        1e3 * added(0.5),
        1e3 * added(0.25),
        1e3 * added(0.75),
        100.0 * (1.0 - added(0.5) / exchange).max(0.0)
    );
}

/// Seconds of each turn.
fn of_rank(rank: usize, port: u16) -> Vec<[f64; 3]> {
    let place = Rendezvous {
        rank,
        world: 2,
        local_rank: rank,
        host: "127.0.0.1".to_owned(),
        port,
        serve: rank == 0,
        restarts: 0,
        timeout: Duration::from_secs(60),
    };
    let workers = Workers::connect(&place).unwrap();
    let config: toml::Table =
        toml::from_str(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/fashion.toml")))
            .unwrap();
    let model: UNetConfig = config["model"].clone().try_into().unwrap();
    let [height, width] = model.sample_size.height_width();
    let network = UNet::new(model, Device::Cpu, 0).unwrap();
    let weights = network.parameters().tensors();
    let parallel = DataParallel::new(&workers, weights).unwrap();
    let x = Tensor::randn([IMAGES, 1, height, width], (Kind::Float, Device::Cpu));
    let t = Tensor::full([IMAGES], 500, (Kind::Int64, Device::Cpu));
    let numbers: i64 = weights.iter().map(|weight| weight.numel() as i64).sum();
    let flat = Tensor::zeros([numbers], (Kind::Float, Device::Cpu));
    let step = || network.forward(&x, &t, None, true).square().mean(Kind::Float).backward();
    let timed = |work: &dyn Fn()| {
        workers.barrier().unwrap();
        let begun = Instant::now();
        work();
        workers.barrier().unwrap();
        begun.elapsed().as_secs_f64()
    };
    let mut turns = Vec::new();
    for _ in 0..=EXCHANGES {
        turns.push([
            timed(&step),
            timed(&|| {
                parallel.prepare().unwrap();
                step();
            }),
            timed(&|| workers.all_reduce(&flat).unwrap()),
        ]);
    }
    // The first turn fills caches.
    turns.split_off(1)
}
