//! `ddpm gpu-check`: outputs, gradients and speed of a network on a GPU, compared with the CPU, with recorded values and with what the GPU can do.

mod agreement;
mod collectives;
mod golden;
mod record;
mod speed;

use crate::config::{self, RunConfig};
use crate::global_options::Global;
use crate::output::{JsonOutput, check_files, print};
use crate::runtime::{self, StopFlag};
use agreement::{DeviceResults, relative};
use anyhow::{Result, bail, ensure};
use ddpm_core::Schedule;
use ddpm_nets::UNetConfig;
use record::{Difference, Record};
use speed::Peaks;
use tch::Device;
use torch_ext::device::{DeviceChoice, cuda_status, gpu_name};

/// Check a GPU in a minute: outputs, gradients and a training step against the CPU and recorded values, exchange between GPUs, speed
#[derive(clap::Args, Debug)]
pub(crate) struct GpuCheck {
    /// The preset whose network is timed
    #[arg(long, default_value = "cifar10-ho2020")]
    config: String,
    /// The file for all figures as JSON, or - for the standard output, alone
    #[arg(long, value_name = "FILE", default_value = "gpu-check.json")]
    json: JsonOutput,
}

/// Largest difference from the CPU, relative to the largest value, in f32 (TF32 is off).
const TOLERANCE: f64 = 1e-3;
/// The same under bf16 autocast, whose numbers have 8 bits.
const TOLERANCE_BF16: f64 = 5e-2;
/// Precision, and whether the fastest algorithms may be taken although they do not repeat their results.
const SPEEDS: [(&str, bool, bool); 4] = [
    ("speed f32", false, true),
    ("speed bf16", true, true),
    ("fastest f32", false, false),
    ("fastest bf16", true, false),
];

impl GpuCheck {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm gpu-check, whose numbers are fixed")?;
        let output = Some(self.json.clone());
        check_files(&[("--json", JsonOutput::path(&output))], &[])?;
        let choice = match global.device {
            DeviceChoice::Auto => DeviceChoice::Cuda,
            other => other,
        };
        StopFlag::install()?.abandonable("the check is not complete", || self.check(choice, global.threads))
    }

    fn check(&self, choice: DeviceChoice, threads: Option<usize>) -> Result<()> {
        let device = runtime::prepare(choice, threads)?;
        if device == Device::Cpu {
            bail!("gpu-check compares a GPU with the CPU; use --device cuda");
        }
        let (_, RunConfig::Images(config)) = config::load(&self.config, &[])? else {
            bail!("{}: gpu-check needs a network on images, such as digits", self.config)
        };
        let mut record = Record {
            device: runtime::device_name(device),
            gpu: gpu_name(device),
            config: self.config.clone(),
            versions: runtime::versions().into_iter().collect(),
            ..Record::default()
        };
        let screen = Screen { quiet: matches!(self.json, JsonOutput::Standard) };
        let named = record.gpu.clone().map(|name| format!(", {name}")).unwrap_or_default();
        screen.line("device", &format!("{}{named}", record.device))?;
        let schedule = config.diffusion.scheduler()?.schedule().clone();
        compare(&config.model, &schedule, device, &mut record)?;
        record.golden = golden::differences(device, TOLERANCE)?;
        for difference in record.differences.iter().chain(&record.golden) {
            let Difference { what, from, relative, allowed } = difference;
            screen.line(what, &format!("differs from {from} by {relative:.1e} (allowed {allowed:.0e})"))?;
        }
        let word = if record.repeats { "the same bits" } else { "OTHER BITS" };
        screen.line("repetition", &format!("{word} at a second evaluation"))?;
        measure(&config.model, &schedule, device, &screen, &mut record)?;
        exchange(&screen, &mut record)?;
        let verdict = record.verdict();
        record.passed = verdict.is_ok();
        self.json.write(&record)?;
        verdict?;
        screen.print("the GPU agrees with the CPU\n")
    }
}

/// What people read; nothing where the standard output is for the JSON.
struct Screen {
    quiet: bool,
}

impl Screen {
    fn line(&self, what: &str, text: &str) -> Result<()> {
        self.print(&format!("{what:12} {text}\n"))
    }

    fn print(&self, text: &str) -> Result<()> {
        if self.quiet { Ok(()) } else { print(text) }
    }
}

/// The preset's network on the device and on the CPU, and on the device again.
fn compare(model: &UNetConfig, schedule: &Schedule, device: Device, record: &mut Record) -> Result<()> {
    let on = |device| DeviceResults::of(model, schedule, device);
    let (cpu, gpu) = (on(Device::Cpu)?, on(device)?);
    for (what, a, b, allowed) in [
        ("forward", &cpu.output, &gpu.output, TOLERANCE),
        ("loss", &cpu.loss, &gpu.loss, TOLERANCE),
        ("gradients", &cpu.gradients, &gpu.gradients, TOLERANCE),
        ("trained", &cpu.loss_after_step, &gpu.loss_after_step, TOLERANCE),
        ("bf16", &cpu.output, &gpu.output_bf16, TOLERANCE_BF16),
    ] {
        record.differences.push(Difference {
            what: what.to_string(),
            from: "the CPU".to_string(),
            relative: relative(a, b),
            allowed,
        });
    }
    let again = on(device)?;
    record.repeats = gpu.gradients.equal(&again.gradients) && gpu.output_bf16.equal(&again.output_bf16);
    Ok(())
}

/// Speed of training steps beside what the GPU can do.
fn measure(
    model: &UNetConfig,
    schedule: &Schedule,
    device: Device,
    screen: &Screen,
    record: &mut Record,
) -> Result<()> {
    let peaks = Peaks::measure(device)?;
    screen.line(
        "peaks",
        &format!(
            "{:.1} TFLOP/s in f32, {:.0} in bf16 (product of two 8192 x 8192 matrices); {:.2} TB/s of memory",
            peaks.f32_tflops, peaks.bf16_tflops, peaks.terabytes_per_second
        ),
    )?;
    for (what, bf16, deterministic) in SPEEDS {
        torch_ext::determinism::set(deterministic)?;
        let speed = speed::training(model, schedule, device, bf16, &peaks)?;
        let how = if deterministic { "" } else { ", deterministic = false" };
        screen.line(
            what,
            &format!(
                "{:.0} images/s trained at batch {}{how}, {:.1} GB: {:.0} % of the matrix rate, {:.0} % of what matrix rate and memory allow",
                speed.images_per_second,
                speed.batch,
                speed.peak_memory_bytes.unwrap_or_default() as f64 / 1e9,
                100.0 * speed.share_of_matrix_rate,
                100.0 * speed.share_of_roofline
            ),
        )?;
        record.speeds.insert(what.to_string(), speed);
    }
    torch_ext::determinism::set(true)?;
    record.peaks = Some(peaks);
    Ok(())
}

/// Exchange between all GPUs of the machine.
fn exchange(screen: &Screen, record: &mut Record) -> Result<()> {
    let devices: Vec<Device> = (0..cuda_status().devices as usize).map(Device::Cuda).collect();
    let exchange = collectives::check(&devices);
    match exchange {
        Ok(exchange) => {
            screen.line(
                "exchange",
                &format!(
                    "NCCL {} over {} GPU(s): sums and averaged gradients are right{}",
                    exchange.nccl.as_deref().unwrap_or("-"),
                    devices.len(),
                    exchange
                        .gigabytes_per_second
                        .map(|rate| format!("; {rate:.0} GB/s of sums of 256 MB"))
                        .unwrap_or_default()
                ),
            )?;
            record.exchange = Some(exchange);
        }
        Err(error) => {
            screen.line("exchange", &format!("FAILED: {error:#}"))?;
            record.exchange_error = Some(format!("{error:#}"));
        }
    }
    Ok(())
}

impl Record {
    fn verdict(&self) -> Result<()> {
        ensure!(
            self.repeats,
            "the GPU does not repeat its results: a resumed run would differ from one that never stopped"
        );
        ensure!(
            self.differences.iter().chain(&self.golden).all(Difference::is_allowed),
            "the GPU's results differ by more than is allowed: see above"
        );
        if let Some(error) = &self.exchange_error {
            bail!("the GPUs cannot train together, one alone can: {error}");
        }
        Ok(())
    }
}
