//! Compiles the C++ shims and tells cargo where libtorch lies, for tests, `cargo run` and the installed binary.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The library with NCCL's entry points, in the output folder; empty where it cannot be compiled.
const NCCL_LIBRARY: &str = "nccl_shim.so";

fn main() {
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-changed=build.rs");
    let lib = env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys reports the folder of libtorch's libraries");
    let lib = fs::canonicalize(&lib).unwrap_or_else(|e| panic!("{lib}: {e}; run `cargo xtask setup`"));
    let include = lib.parent().expect("the lib folder has a parent").join("include");

    compiler(&include)
        // The declarations of gloo that libtorch's headers name and do not bring.
        .include("shim/include")
        .define("USE_C10D_GLOO", None)
        .file("shim/shim.cpp")
        .file("shim/dist.cpp")
        .compile("torch_ext_shim");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let absent = nccl(&lib, &include, &out.join(NCCL_LIBRARY)).err().unwrap_or_default();
    println!("cargo:rustc-env=TORCH_EXT_NCCL_ABSENT={absent}");

    // Cargo puts a search path on the loader's path for tests and `cargo run` only if it lies inside the target folder,
    // so libtorch's folder gets a link there.
    let link = out.join("libtorch");
    relink(&lib, &link)
        .unwrap_or_else(|e| panic!("cannot link {} to {}: {e}", link.display(), lib.display()));
    println!("cargo:rustc-link-search=native={}", link.display());
    // Read by dependents' build scripts (the rpath of the binary) and by `cuda`.
    println!("cargo:lib={}", lib.display());
    println!("cargo:rustc-env=TORCH_EXT_LIBTORCH_LIB={}", lib.display());
}

/// A C++ compiler for code that includes libtorch's headers.
fn compiler(include: &Path) -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").pic(true).warnings(false).define("_GLIBCXX_USE_CXX11_ABI", "1");
    build.include(include).include(include.join("torch/csrc/api/include"));
    build
}

/// Compiles NCCL's entry points into `library`, where libtorch has CUDA and there are headers of CUDA and NCCL; else leaves an empty file.
///
/// # Errors
/// Why there is none, in one line.
fn nccl(lib: &Path, include: &Path, library: &Path) -> Result<(), String> {
    println!("cargo:rerun-if-env-changed=CUDA_HOME");
    let fail = |error: io::Error| format!("{}: {error}", library.display());
    fs::write(library, "").map_err(fail)?;
    if !lib.join("libtorch_cuda.so").exists() {
        return Err("this libtorch has no CUDA".into());
    }
    let headers = cuda_headers(lib)?;
    let mut build = compiler(include);
    build.includes(&headers).define("USE_C10D_NCCL", None);
    let mut command = build.get_compiler().to_command();
    // Undefined symbols are an error here already, not only where the library is loaded.
    command.args(["-shared", "-Wl,-z,defs", "-o"]).arg(library).arg("shim/nccl.cpp").arg("-L").arg(lib);
    command.args(["-ltorch_cuda", "-ltorch_cpu", "-lc10_cuda", "-lc10"]);
    let output = command.output().map_err(|error| format!("the C++ compiler does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    fs::write(library, "").map_err(fail)?;
    let text = String::from_utf8_lossy(&output.stderr);
    let first = text.lines().find(|line| line.contains("error") || line.contains("undefined"));
    Err(format!("its entry points did not compile: {}", first.unwrap_or("no message").trim()))
}

/// Folders of the headers of CUDA and NCCL: those of the wheels beside libtorch, and those of a CUDA installation.
fn cuda_headers(lib: &Path) -> Result<Vec<PathBuf>, String> {
    let packages = lib.parent().and_then(Path::parent).map(|folder| folder.join("nvidia"));
    let wheels =
        packages.iter().flat_map(|nvidia| [nvidia.join("nccl/include"), nvidia.join("cu13/include")]);
    let installed = env::var_os("CUDA_HOME").map_or_else(|| "/usr/local/cuda".into(), PathBuf::from);
    let folders: Vec<PathBuf> =
        wheels.chain([installed.join("include"), "/usr/include".into()]).filter(|dir| dir.is_dir()).collect();
    // Set-up may install the headers after a first build.
    for folder in folders.iter().filter(|folder| **folder != Path::new("/usr/include")) {
        println!("cargo:rerun-if-changed={}", folder.display());
    }
    for header in ["nccl.h", "cuda_runtime_api.h", "crt/host_config.h", "nv/target"] {
        if !folders.iter().any(|folder| folder.join(header).exists()) {
            return Err(format!("the header {header} was not found when this program was built"));
        }
    }
    Ok(folders.into_iter().filter(|folder| folder != Path::new("/usr/include")).collect())
}

fn relink(target: &Path, link: &Path) -> io::Result<()> {
    match fs::remove_file(link) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    std::os::unix::fs::symlink(target, link)
}
