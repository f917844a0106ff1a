//! `ddpm devices`: the devices that this program can compute on.

use crate::global_options::Global;
use crate::output::print;
use anyhow::Result;
use serde_json::json;
use torch_ext::device::{cuda_status, libtorch_folder};
use torch_ext::dist::nccl_version;

/// Print the devices that can be used: CPU threads, whether CUDA is linked and usable, and NCCL for several GPUs
#[derive(clap::Args, Debug)]
pub(crate) struct Devices {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub(crate) fn run(&self, global: &Global) -> Result<()> {
        global.given.refuse(&["seed"], "on ddpm devices, which runs nothing")?;
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
                "nccl": nccl_version().ok(),
            });
            print(&format!("{answer}\n"))
        } else {
            let state = match (cuda.linked, cuda.usable()) {
                (_, true) => "usable",
                (true, false) => "linked, not usable",
                (false, false) => "not linked",
            };
            let folder = libtorch_folder();
            let nccl = nccl_version().unwrap_or_else(|error| format!("none: {error}"));
            print(&format!(
                "libtorch  {}\ncpu       {threads} threads\ncuda      {state}: {}\nnccl      {nccl}\n",
                folder.display(),
                cuda.message
            ))
        }
    }
}
