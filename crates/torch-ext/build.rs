//! Compiles the C++ shim and tells cargo where libtorch lies, for tests, `cargo run` and the installed binary.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() {
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-changed=build.rs");
    let lib = env::var("DEP_TCH_LIBTORCH_LIB").expect("torch-sys reports the folder of libtorch's libraries");
    let lib = fs::canonicalize(&lib).unwrap_or_else(|e| panic!("{lib}: {e}; run `cargo xtask setup`"));
    let include = lib.parent().expect("the lib folder has a parent").join("include");

    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        .warnings(false)
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        // The declarations of gloo that libtorch's headers name and do not bring.
        .include("shim/include")
        .define("USE_C10D_GLOO", None)
        .file("shim/shim.cpp")
        .file("shim/dist.cpp")
        .compile("torch_ext_shim");

    // Cargo puts a search path on the loader's path for tests and `cargo run` only if it lies inside the target folder,
    // so libtorch's folder gets a link there.
    let link = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("libtorch");
    relink(&lib, &link)
        .unwrap_or_else(|e| panic!("cannot link {} to {}: {e}", link.display(), lib.display()));
    println!("cargo:rustc-link-search=native={}", link.display());
    // Read by dependents' build scripts (the rpath of the binary) and by `cuda`.
    println!("cargo:lib={}", lib.display());
    println!("cargo:rustc-env=TORCH_EXT_LIBTORCH_LIB={}", lib.display());
}

fn relink(target: &Path, link: &Path) -> io::Result<()> {
    match fs::remove_file(link) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    std::os::unix::fs::symlink(target, link)
}
