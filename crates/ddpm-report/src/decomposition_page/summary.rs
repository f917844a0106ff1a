//! The result of `ddpm decompose` for a terminal: the page’s tables without its plots.

use super::{bounds, levels, memorization, own_path, sample_split, step_errors, terms, wasserstein};
use crate::kit::Page;
use crate::results::{DecomposeReport, NetworkReport};

/// The summary, to be printed with [`Page::to_text`]; `all` levels or a selection.
pub fn summary(result: &DecomposeReport, all: bool) -> Page {
    let mut page = Page::new(title(result));
    for sentence in result.advice.iter().flatten() {
        page.headline(sentence);
    }
    if let Some(split) = &result.sample_split {
        page.headline(sample_split::headline(split));
    }
    let network = result.network.as_deref();
    let about = page.section("Setup");
    if let Some(network) = network {
        about.paragraph(measurement(network));
    }
    about.paragraph_if(result.variance_note());
    let section = page.section("W₂");
    if let Some(ablation) = result.w2_ablation.as_ref() {
        section.table(wasserstein::table(ablation)).paragraph(wasserstein::method(ablation));
    } else if let Some(w2) = &result.w2 {
        section.table(wasserstein::exact_table(w2));
    }
    if let Some(split) = &result.sample_split {
        let section = page.section("The distance of the samples");
        section.table(sample_split::parts(split)).paragraph(sample_split::facts(split));
        section.paragraph_if(sample_split::trials(split));
    }
    if let Some(errors) = &result.step_errors {
        let section = page.section("Where the sampler errs");
        section.paragraph(step_errors::totals(errors)).table(step_errors::table(errors, all));
        section.paragraph_if(step_errors::placement(errors));
    }
    if let Some(found) = &result.own_path {
        let section = page.section("On the sampler’s own path");
        section.paragraph(own_path::facts(found)).table(own_path::table(found));
    }
    let section = page.section("The terms");
    if let Some(table) = terms::table(result) {
        section.table(table);
    }
    section.paragraph_if(terms::interpolation(result));
    section.paragraph_if(terms::truncation(result));
    if let Some(network) = network {
        section.paragraph(memorization::initialization(network));
        let section = page.section("Variational bound and its parts");
        section.table(bounds::parts(network)).table(bounds::bounds(network));
        bounds::checks(section, network);
        if network.memorization.is_some() || network.training.is_some() {
            page.section("Memorization").table(memorization::brackets(network));
        }
    }
    if let Some(classical) = &result.classical {
        page.section("Classical terms").table(terms::classical_table(result, classical));
    }
    let section = page.section("Levels");
    if let Some(network) = network {
        section.table(memorization::table(network, all));
    }
    if let Some(levels) = &result.per_level {
        section.table(levels::table(levels, all));
    }
    page
}

fn title(result: &DecomposeReport) -> String {
    let name = result.target.as_ref().or(result.checkpoint.as_ref());
    let noising = result.schedule.as_ref().or(result.process.as_ref());
    let sampler = match result.variance {
        Some(variance) => format!("ddpm with variance {variance}"),
        None => result.sampler.clone().unwrap_or_default(),
    };
    format!(
        "{}: {} dimension{}, {}, {} steps, {sampler}",
        name.map_or("target", String::as_str),
        result.dim,
        if result.dim == 1 { "" } else { "s" },
        noising.map_or("", String::as_str),
        result.steps,
    )
}

/// On what a network was measured.
fn measurement(network: &NetworkReport) -> String {
    let facts = &network.measured;
    let fitting = match facts.fitting_images {
        0 => String::new(),
        images => format!(" {images} further images fit the variance and count nowhere else."),
    };
    format!(
        "Data set {}, grid {}, {} of {} levels measured, {} training and {} held-out images, {} noise draw{} for each image and level; x_0 {}.{fitting}",
        facts.data,
        if facts.chosen_levels { "none (the levels are chosen)" } else { facts.grid.name() },
        network.levels.len(),
        facts.train_steps,
        facts.train_images,
        facts.held_out_images,
        facts.repeats,
        if facts.repeats == 1 { "" } else { "s" },
        if facts.threshold == "none" { "as predicted" } else { facts.threshold.as_str() },
    )
}
