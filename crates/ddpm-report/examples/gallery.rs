//! Writes a page with every kind of block and plot, to look at: `cargo run --example report_gallery -- FOLDER`.
//!
//! The figures are drawn from formulas and a fixed pseudo-random sequence; they show the layout, not results.

use std::path::PathBuf;

use ddpm_report::kit::{Axis, Cell, Image, Page, Plot, Point, Series, Style, Table, Text};
use image::{DynamicImage, ImageFormat, RgbImage};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: report_gallery FOLDER")?);
    let page = gallery()?;
    page.write(&folder.join("index.html"))?;
    println!("{}", folder.join("index.html").display());
    Ok(())
}

fn gallery() -> Result<Page, Box<dyn std::error::Error>> {
    let mut page = Page::new("Where the error of a sampler comes from");
    page.headline(
        Text::new("With 50 steps, ")
            .strong("61 % of the error is discretization")
            .plain("; 340 steps would bring it below the training error.")
            .footnote(
                Text::new("Ho et al. (2020), ").link("arXiv:2006.11239", "https://arxiv.org/abs/2006.11239"),
            ),
    );
    page.headline(
        "The analytic variance would remove 0.0214 ± 0.0008 nats, more than any placement of steps.",
    );
    page.headline("Longer training helps only at low noise, where 17 % of the remaining error lies.");

    page.section("Training")
        .key_values([
            ("Network", Cell::from("U-Net")),
            ("Parameters", Cell::from(1_618_433_usize)),
            ("Steps", Cell::from(5000_usize)),
            ("Final loss (nats)", Cell::from((0.031_244, 0.000_123))),
            ("Learning rate", Cell::from(2e-5)),
        ])
        .plot(loss(), "Loss of each step, its running mean over 101 steps, and the held-out loss with two standard errors.")
        .preformatted("config.toml", "[train]\nsteps = 5000\nnote = \"<b> & 'quotes'\"\n");

    let section = page.section("Error by level");
    section.paragraph("Each level of the noising process adds a part of every term.");
    section.plot(
        terms(),
        "The four terms at each level, one on top of the other; the levels are not evenly spaced.",
    );

    page.section("Samplers")
        .table(sampler_table())
        .plot(
            convergence(),
            "Total error against the number of evaluations. Guides show the theoretical slopes.",
        )
        .plot(by_sampler(), "Error by sampler, for two schedules.")
        .plot(scatter(), "Error of single images against their likelihood.");

    let section = page.section("Pictures");
    section.subheading("Samples and trajectory");
    section.images(
        [
            Image::from_encoded(grid(8, 8)?, "64 samples in a grid")?.scaled(4),
            Image::from_encoded(grid(8, 3)?, "a trajectory")?.scaled(4),
        ],
        Text::new("Left: samples of ").code("step-00005000").plain(". Right: a reverse trajectory."),
    );
    section.subheading("Nothing to show");
    section.plot(
        Plot::new(
            "A plot of values that a logarithmic axis cannot show",
            Axis::linear("step"),
            Axis::log("loss"),
        )
        .series(Series::line("loss", [(0.0, 0.0), (1.0, f64::NAN), (2.0, -1.0)])),
        "What is missing is said.",
    );
    page.footer(Text::new("ddpm 0.1.0, commit ").code("0123abcd").plain(", 4 min 12 s on 2 cores."));
    Ok(page)
}

/// Uniform in [0, 1): a linear congruential sequence, constants of Knuth's MMIX.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal: the centred sum of twelve uniforms.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn loss() -> Plot {
    let mut random = Uniform(1);
    let mean = |step: f64| 0.028 + 0.9 * (-step / 60.0).exp() + 0.08 * (-step / 900.0).exp();
    let raw = Series::new(
        "each step",
        Style::Faint,
        (0..5000).map(|step| (f64::from(step), mean(f64::from(step)) * (0.25 * random.normal()).exp())),
    );
    let smooth = raw.smoothed("running mean", 101);
    let held_out = Series::line(
        "held out",
        (0..=10).map(|i| {
            let step = f64::from(i) * 500.0;
            let value = 1.08 * mean(step.max(20.0));
            Point::with_interval(step, value, value * 0.8, value * 1.2)
        }),
    )
    .with_band();
    Plot::new("Training loss", Axis::linear("step"), Axis::log("mean squared error of ε"))
        .description("The loss falls by a factor of 30 within 1 000 steps and then slowly.")
        .series(raw)
        .series(smooth)
        .series(held_out)
}

fn terms() -> Plot {
    let bump = |x: f64, centre: f64, width: f64| (-((x - centre) / width).powi(2)).exp();
    let levels: Vec<f64> = (0..24).map(|i| -9.0 + 18.0 * (f64::from(i) / 23.0).powf(1.3)).collect();
    let term = |name: &str, height: f64, centre: f64, width: f64| {
        Series::new(
            name,
            Style::StackedBars,
            levels.iter().map(|&x| (x, height * bump(x, centre, width))).collect::<Vec<_>>(),
        )
    };
    Plot::new("Contributions to the error by level", Axis::linear("log SNR"), Axis::linear("nats per level"))
        .series(term("initialization", 0.004, -8.0, 1.2))
        .series(term("discretization", 0.021, 1.0, 3.0))
        .series(term("training", 0.012, 4.5, 2.2))
        .series(term("truncation", 0.009, 8.6, 0.8))
}

fn convergence() -> Plot {
    let steps = [10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
    let series = |name: &str, scale: f64, order: i32| {
        Series::line_and_points(
            name,
            steps.map(|n| {
                let value = scale * f64::powi(n, -order) + 2e-4;
                (n, value, 0.12 * value)
            }),
        )
    };
    Plot::new("Convergence", Axis::log("evaluations of the denoiser"), Axis::log("KL (nats)"))
        .series(series("ddpm, fixed-small", 9.0, 1))
        .series(series("ddpm, analytic", 2.5, 1))
        .series(series("heun", 30.0, 2))
        .series(series("dpm-solver++(2M)", 8.0, 2))
        .series(Series::guide("∝ 1/N", steps.map(|n| (n, 20.0 / n))))
        .series(Series::guide("∝ 1/N²", steps.map(|n| (n, 10.0 / (n * n)))))
        .mark_y(3e-4, "training error")
}

fn by_sampler() -> Plot {
    let names = ["ddpm, fixed-small variance", "ddpm, analytic variance", "ddim", "heun", "dpm-solver++(2M)"];
    let values = |scale: f64| {
        [0.031, 0.012, 0.018, 0.0041, 0.0036]
            .into_iter()
            .enumerate()
            .map(move |(i, v)| (i as f64, scale * v, 0.0008))
    };
    Plot::new("Error by sampler at 50 evaluations", Axis::categories("", names), Axis::linear("KL (nats)"))
        .series(Series::new("linear schedule", Style::Bars, values(1.0)))
        .series(Series::new("cosine schedule", Style::Bars, values(0.7)))
}

fn scatter() -> Plot {
    let mut random = Uniform(7);
    let mut cloud = |name: &str, slope: f64| {
        Series::scatter(
            name,
            (0..150)
                .map(|_| {
                    let x = 2.0 + 0.8 * random.normal();
                    (x, slope * x + 0.5 * random.normal())
                })
                .collect::<Vec<_>>(),
        )
    };
    Plot::new(
        "Single images",
        Axis::linear("negative log-likelihood (bits/dim)"),
        Axis::linear("standardized error"),
    )
    .series(cloud("training images", 0.8))
    .series(cloud("held-out images", 1.3))
}

fn sampler_table() -> Table {
    Table::new("Error after 50 steps", ["sampler", "evaluations", "KL (nats)", "share", "FID"])
        .row([
            Cell::from("ddpm, fixed-small"),
            Cell::from(50_usize),
            Cell::from((0.031_2, 0.000_9)),
            Cell::Percent(0.612),
            Cell::from(13.37),
        ])
        .row([
            Cell::from("ddpm, analytic"),
            Cell::from(50_usize),
            Cell::from((0.012_41, 0.000_4)),
            Cell::Percent(0.243),
            Cell::from(9.02),
        ])
        .row([
            Cell::from("heun"),
            Cell::from(99_usize),
            Cell::from((0.004_1, 0.000_3)),
            Cell::Percent(0.08),
            Cell::Empty,
        ])
        .row([
            Cell::Text(Text::default().strong("dpm-solver++(2M)")),
            Cell::from(50_usize),
            Cell::from((3.6e-5, 2e-6)),
            Cell::Percent(7e-5),
            Cell::from(Some(4.1)),
        ])
}

/// A grid of 16 x 16 pictures of rings, as PNG.
fn grid(columns: u32, rows: u32) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let picture = RgbImage::from_fn(columns * 16, rows * 16, |x, y| {
        let (cell, dx, dy) = ((x / 16 + y / 16 * columns), f64::from(x % 16) - 7.5, f64::from(y % 16) - 7.5);
        let ring = (dx.hypot(dy) - 2.0 - f64::from(cell % 5)).abs();
        let level = (255.0 * (-ring * ring / 2.0).exp()) as u8;
        image::Rgb([level, level, (f64::from(level) * 0.9) as u8])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture).write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
