//! `ddpm devices`: what this program can compute on.

use anyhow::Result;
use serde_json::json;
use torch_ext::device::{cuda_status, libtorch_folder};

/// Say what this program can compute on: CPU threads, and whether CUDA is linked and usable
#[derive(clap::Args, Debug)]
pub(crate) struct Devices {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub(crate) fn run(&self) -> Result<()> {
        let (threads, cuda) = (tch::get_num_threads(), cuda_status());
        if self.json {
            let answer = json!({
                "cpu_threads": threads,
                "libtorch": libtorch_folder(),
                "cuda": {
                    "linked": cuda.linked,
                    "available": cuda.usable(),
                    "devices": cuda.devices,
                    "message": cuda.message,
                },
            });
            println!("{answer}");
        } else {
            println!("libtorch  {}", libtorch_folder().display());
            println!("cpu       {threads} threads");
            let state = match (cuda.linked, cuda.usable()) {
                (_, true) => "usable",
                (true, false) => "linked, not usable",
                (false, false) => "not linked",
            };
            println!("cuda      {state}: {}", cuda.message);
        }
        Ok(())
    }
}
