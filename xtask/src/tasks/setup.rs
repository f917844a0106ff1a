//! `cargo xtask setup`: finds or installs libtorch and links it for every build of this checkout.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::test_python::{self, TestPython};
use crate::environment::{Environment, cache_dir, obtain};
use crate::libtorch::{self, Build, Libtorch, Link, Request, Source};
use crate::machine;
use crate::workspace::Workspace;

const NOTES: &str = "\
Without a flag: LIBTORCH if it is set, else the target of .libtorch, else an installation by
pip into a virtual environment in your cache folder, which all checkouts share. On a machine
with an NVIDIA driver that is the build with CUDA (2.7 GB to download, 5 GB on disk), on others
PyTorch's CPU build if its index answers. On a cluster whose login node has no GPU, use --cuda.

Setting up again does nothing if the set-up is complete, and resumes an interrupted one. Linux
on x86-64 and arm64 and macOS on Apple silicon use the same procedure; it was run on x86-64
Linux only.";

/// Find or install libtorch.
#[derive(clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// Install the build with CUDA (it runs on machines without a GPU too)
    #[arg(long, group = "which")]
    cuda: bool,
    /// Install the build without CUDA
    #[arg(long, group = "which")]
    cpu: bool,
    /// Use a libtorch 2.13 of your own: the folder that holds lib/ and include/
    #[arg(long, value_name = "DIR", group = "which")]
    libtorch: Option<PathBuf>,
    /// Install the Python packages that the tests compare against, too
    #[arg(long)]
    python_tests: bool,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> Result<()> {
    let request = match (&args.libtorch, args.cpu, args.cuda) {
        (Some(dir), _, _) => Request::Folder(dir.clone()),
        (None, true, _) => Request::Install(Build::Cpu),
        (None, false, true) => Request::Install(Build::Cuda),
        (None, false, false) => Request::Any,
    };
    let libtorch = ensure_requested(workspace, &request, Linking::Always)?;
    println!("{libtorch}");
    println!("linked as {}: plain cargo finds it too", workspace.libtorch_link().display());
    if args.python_tests {
        match test_python::ensure(workspace, &libtorch)? {
            TestPython::Ready(python) => println!("Python for the tests: {}", python.display()),
            TestPython::Unavailable(reason) => bail!("{reason}"),
        }
    }
    Ok(())
}

/// The first step of every task that builds. Prints nothing if the set-up is complete.
pub(crate) fn ensure(workspace: &Workspace) -> Result<Libtorch> {
    ensure_requested(workspace, &Request::Any, Linking::IfUnusable)
}

/// Whether a LIBTORCH that is set for one command replaces a working link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Linking {
    Always,
    IfUnusable,
}

fn ensure_requested(workspace: &Workspace, request: &Request, linking: Linking) -> Result<Libtorch> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        bail!(
            "LIBTORCH_USE_PYTORCH is set, and builds would not use .libtorch: unset it (LIBTORCH can name a folder)"
        );
    }
    let link = workspace.libtorch_link();
    let variable = libtorch::user_libtorch(env::var_os("LIBTORCH").as_deref(), &link)?;
    let found = libtorch::read_link(&link);
    if let (Link::Unusable(reason), None) = (&found, &variable) {
        eprintln!("note: the target of .libtorch is not usable: {reason}");
    }
    let link_works = matches!(found, Link::Usable(_));
    let (libtorch, must_link) = match libtorch::choose(request, variable.as_deref(), found)? {
        Source::Link(libtorch) => (libtorch, false),
        Source::Variable(libtorch) => (libtorch, linking == Linking::Always || !link_works),
        Source::Folder(libtorch) => (libtorch, true),
        Source::Install(build) => (obtain(build)?.1, true),
    };
    if must_link {
        libtorch::point_link_at(&link, &libtorch.dir)?;
    }
    if libtorch.cuda
        && let Some(environment) = Environment::that_holds(&cache_dir()?, &libtorch)
    {
        environment.ensure_cuda_headers(linking == Linking::Always)?;
    }
    let target = workspace.metadata()?.target_directory;
    if !libtorch::is_fresh(&target, &libtorch) {
        machine::find_compiler()?;
        if libtorch::clean(workspace, &target, &libtorch)? {
            eprintln!("libtorch has changed: the crates that use it are built again");
        }
    }
    Ok(libtorch)
}
