//! The arguments and variables that the other tasks pass to cargo, to the tests and to `ddpm`.

mod common;

use common::{DEFAULT_BUILD, Sandbox, refusal};
use predicates::prelude::*;

#[test]
fn the_product_s_exit_code_and_arguments_pass_through() {
    let sandbox = Sandbox::new();
    let (checkout, own) = (sandbox.checkout("checkout"), sandbox.libtorch("own", "2.13.0"));
    let exact = |arguments: &[&str], shown: &str| {
        checkout.xtask(arguments).env("LIBTORCH", &own).assert().code(75).stdout(shown.to_owned());
    };
    exact(
        &["run", "--", "sample", "--out", "a b.png", "--", "-x"],
        "[sample]\n[--out]\n[a b.png]\n[--]\n[-x]\n",
    );
    exact(&["run", "sample", "--help"], "[sample]\n[--help]\n");
    exact(&["reproduce-digits"], "[reproduce]\n[digits]\n");
    exact(
        &["reproduce-fashion", "--set", "train.steps=20", "--fresh", "--device", "cpu"],
        "[reproduce]\n[fashion]\n[--set]\n[train.steps=20]\n[--fresh]\n[--device]\n[cpu]\n",
    );
    exact(
        &["reproduce-cifar", "--yes", "--config", "cifar10-small"],
        "[reproduce]\n[cifar10-small]\n[--yes]\n",
    );
    exact(&["reproduce-cifar"], "[reproduce]\n[cifar10-ho2020]\n");
    exact(&["gpu-check", "--seed", "1"], "[gpu-check]\n[--seed]\n[1]\n");
    exact(&["error-benchmark", "--quick", "--out", "b"], "[error-benchmark]\n[--quick]\n[--out]\n[b]\n");
    assert_eq!(sandbox.count("--bin ddpm --message-format=json-render-diagnostics --release"), 8);
}

#[test]
fn a_failed_build_ends_with_cargo_s_code_and_words() {
    let sandbox = Sandbox::new();
    let (checkout, own) = (sandbox.checkout("checkout"), sandbox.libtorch("own", "2.13.0"));
    let mut build = checkout.xtask(&["build"]);
    build.env("LIBTORCH", &own).env("FAKE_BUILD_FAILS", "1").assert().code(101).stderr("");
    let shown = sandbox.path("target/release/ddpm").display().to_string() + "\n";
    checkout.xtask(&["build", "--debug"]).assert().success().stdout(shown);
    assert_eq!(sandbox.count("--release"), 1);
}

#[test]
fn tests_get_the_python_of_the_environment() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    checkout.xtask(&["test"]).assert().success();
    let python = sandbox.environment(DEFAULT_BUILD).join("venv/bin/python");
    let expected = format!("DDPM_PYTHON={} OMP_WAIT_POLICY=passive DDPM_LONG_TESTS=", python.display());
    assert!(sandbox.log().lines().any(|line| line.ends_with(&expected)), "{}", sandbox.log());
    assert_eq!(sandbox.count("cargo test --no-fail-fast --workspace"), 1);

    checkout.xtask(&["test", "--long", "--", "-p", "ddpm-core"]).assert().success();
    assert_eq!(sandbox.count("DDPM_LONG_TESTS=1"), 1);
    assert_eq!(sandbox.count("cargo test --no-fail-fast -p ddpm-core"), 1);
    checkout.xtask(&["test"]).env("FAKE_TEST_CODE", "101").assert().code(101);
}

#[test]
fn tests_without_python_are_named_and_are_an_error_in_ci() {
    let sandbox = Sandbox::new();
    let (checkout, own) = (sandbox.checkout("checkout"), sandbox.libtorch("own", "2.13.0"));
    sandbox.without("python3");
    let named = predicate::str::contains("skipped, because there is no Python to compare with")
        .and(predicate::str::contains("crates/nets/tests/parity.rs"));
    checkout.xtask(&["test"]).env("LIBTORCH", &own).assert().success().stderr(named);
    assert_eq!(sandbox.count("test DDPM_PYTHON= "), 1, "{}", sandbox.log());
    let message = refusal(checkout.xtask(&["test"]).env("LIBTORCH", &own).env("CI", "true"));
    assert!(message.contains("CI must run them"), "{message}");
    assert_eq!(sandbox.count("cargo test"), 1);
}

#[test]
fn a_python_of_the_user_s_is_taken_as_it_is() {
    let sandbox = Sandbox::new();
    let (checkout, own) = (sandbox.checkout("checkout"), sandbox.libtorch("own", "2.13.0"));
    let python = sandbox.path("bin/python3");
    let mut test = checkout.xtask(&["test"]);
    test.env("LIBTORCH", &own).env("DDPM_PYTHON", &python).env("FAKE_UNMET", "numpy is 1.0, pinned ==2.4.6");
    test.assert().success().stderr(predicate::str::contains("numpy is 1.0"));
    assert_eq!(sandbox.count(&format!("DDPM_PYTHON={} ", python.display())), 1);
    assert_eq!(sandbox.count("pip"), 0, "nothing is installed into it");
}

#[test]
fn the_python_beside_a_foreign_libtorch_is_used_only_if_it_has_every_pin() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    let own = sandbox.libtorch("own/lib/python3.12/site-packages/torch", "2.13.0");
    std::fs::create_dir(sandbox.path("own/bin")).unwrap();
    std::fs::copy(sandbox.path("bin/python3"), sandbox.path("own/bin/python")).unwrap();
    checkout.xtask(&["test"]).env("LIBTORCH", &own).assert().success();
    let neighbour = sandbox.path("own").canonicalize().unwrap().join("bin/python");
    assert_eq!(sandbox.count(&format!("DDPM_PYTHON={} ", neighbour.display())), 1, "{}", sandbox.log());
    assert!(!sandbox.path("cache").exists());

    let mut test = checkout.xtask(&["test"]);
    test.env("LIBTORCH", &own).env("FAKE_UNMET", "diffusers is missing").assert().success();
    let installed = sandbox.environment(DEFAULT_BUILD).join("venv/bin/python");
    assert_eq!(sandbox.count(&format!("DDPM_PYTHON={} ", installed.display())), 1, "{}", sandbox.log());
}

#[test]
fn doctor_says_what_is_missing_and_how_to_get_it() {
    let sandbox = Sandbox::new();
    let (checkout, own) = (sandbox.checkout("checkout"), sandbox.libtorch("own", "2.13.0"));
    sandbox.without("c++");
    let missing = predicate::str::contains("MISSING  C++ compiler")
        .and(predicate::str::contains("MISSING  libtorch           not set up yet: run `cargo xtask setup`"))
        .and(predicate::str::contains("2 missing"));
    checkout.xtask(&["doctor"]).assert().code(2).stdout(missing).stderr("");

    sandbox.script("bin/c++", "#!/bin/sh\necho 'fake c++ 1.0'\n");
    let devices =
        r#"{"cpu_threads":4,"cuda":{"linked":false,"available":false,"message":"no CUDA in libtorch"}}"#;
    sandbox.script(
        "target/release/ddpm",
        &format!("#!/bin/sh\n[ \"$1 $2\" = 'devices --json' ] && echo '{devices}'\n"),
    );
    let well = predicate::str::contains("nothing is missing")
        .and(predicate::str::contains("4 CPU threads"))
        .and(predicate::str::contains("not linked (libtorch has none)"))
        .and(predicate::str::contains("(from LIBTORCH)"));
    checkout.xtask(&["doctor"]).env("LIBTORCH", &own).assert().success().stdout(well);
}

#[test]
fn wrong_usage_is_one_line_and_exit_2() {
    let sandbox = Sandbox::new();
    let checkout = sandbox.checkout("checkout");
    assert!(refusal(&mut checkout.xtask(&["setpu"])).contains("'setup'"));
    assert!(refusal(&mut checkout.xtask(&["setup", "--cpu", "--cuda"])).contains("cannot be used with"));
    assert!(refusal(&mut checkout.xtask(&["bench", "nothing"])).contains("has no benchmarks"));
    checkout.xtask(&["--help"]).assert().success().stdout(predicate::str::contains("reproduce-digits"));
    checkout.xtask(&[]).assert().code(2);
}
