//! The choice of libtorch by `cargo xtask setup`, and its errors.

mod common;

use std::fs;

use common::{DEFAULT_BUILD, Sandbox, refusal};
use predicates::prelude::*;

#[test]
fn a_libtorch_of_the_user_s_is_linked_and_nothing_is_installed() {
    let sandbox = Sandbox::new();
    let (checkout, own) = (sandbox.checkout("checkout"), sandbox.libtorch("own", "2.13.0+cpu"));
    let shown = predicate::str::contains("libtorch 2.13.0+cpu, CPU only");
    checkout.xtask(&["setup"]).env("LIBTORCH", &own).assert().success().stdout(shown);
    assert_eq!(checkout.linked(), own.canonicalize().unwrap());
    assert_eq!(sandbox.count("pip"), 0, "{}", sandbox.log());

    // The link is enough from now on.
    checkout.xtask(&["setup"]).assert().success().stdout(predicate::str::contains("2.13.0+cpu"));
    assert!(!sandbox.path("cache").exists());
}

#[test]
fn the_value_that_cargo_sets_is_not_taken_for_the_user_s() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    checkout.xtask(&["setup"]).env("LIBTORCH", checkout.link()).assert().success();
    assert!(checkout.linked().starts_with(sandbox.environment(DEFAULT_BUILD).canonicalize().unwrap()));
}

#[test]
fn a_second_run_and_a_second_checkout_install_nothing() {
    let sandbox = Sandbox::new().with_driver();
    for name in ["checkout", "checkout", "another"] {
        let checkout = sandbox.checkout(name);
        checkout.xtask(&["setup"]).assert().success().stdout(predicate::str::contains("+fake"));
        assert!(checkout.linked().starts_with(sandbox.environment(DEFAULT_BUILD).canonicalize().unwrap()));
    }
    assert_eq!(sandbox.count("installed"), 1, "{}", sandbox.log());
    assert!(
        !sandbox.environment(DEFAULT_BUILD).join("downloads").exists(),
        "downloads are removed in the end"
    );
}

#[test]
fn a_flag_wins_over_the_link_and_conflicts_with_the_variable() {
    let sandbox = Sandbox::new();
    let checkout = sandbox.checkout("checkout");
    let (one, two) = (sandbox.libtorch("one", "2.13.0"), sandbox.libtorch("two", "2.13.0"));
    let two = two.to_str().unwrap();
    checkout.xtask(&["setup", "--libtorch", one.to_str().unwrap()]).assert().success();
    checkout.xtask(&["setup", "--libtorch", two]).assert().success();
    assert_eq!(checkout.linked(), sandbox.path("two").canonicalize().unwrap());
    let message = refusal(checkout.xtask(&["setup", "--libtorch", two]).env("LIBTORCH", &one));
    assert!(message.contains("unset LIBTORCH first"), "{message}");
    assert!(
        refusal(checkout.xtask(&["setup", "--cuda"]).env("LIBTORCH", &one)).contains("unset LIBTORCH first")
    );
}

#[test]
fn a_variable_for_one_command_leaves_a_working_link_alone() {
    let sandbox = Sandbox::new();
    let checkout = sandbox.checkout("checkout");
    let (one, two) = (sandbox.libtorch("one", "2.13.0"), sandbox.libtorch("two", "2.13.0"));
    checkout.xtask(&["setup"]).env("LIBTORCH", &one).assert().success();
    checkout.xtask(&["build"]).env("LIBTORCH", &two).assert().success();
    assert_eq!(checkout.linked(), one.canonicalize().unwrap());
    checkout.xtask(&["setup"]).env("LIBTORCH", &two).assert().success();
    assert_eq!(checkout.linked(), two.canonicalize().unwrap());
}

#[test]
fn without_pytorch_s_cpu_index_the_default_build_is_taken_unless_cpu_was_asked_for() {
    if cfg!(target_os = "macos") {
        // There the default index has the one build that exists, and no other index is asked.
        return;
    }
    let sandbox = Sandbox::new();
    let checkout = sandbox.checkout("checkout");
    let message = refusal(&mut checkout.xtask(&["setup", "--cpu"]));
    assert!(
        message.contains("PyTorch's CPU index does not answer") && message.contains("--cuda"),
        "{message}"
    );
    assert!(!sandbox.environment("cpu").exists());
    assert!(!checkout.link().exists());

    checkout.xtask(&["setup"]).assert().success();
    assert!(checkout.linked().starts_with(sandbox.environment(DEFAULT_BUILD).canonicalize().unwrap()));
    assert!(
        !sandbox.log().lines().any(|line| line.contains("download torch") && line.contains("--index-url"))
    );

    checkout.xtask(&["setup", "--cpu"]).env("FAKE_INDEX", "answers").assert().success();
    assert!(checkout.linked().starts_with(sandbox.environment("cpu").canonicalize().unwrap()));
    assert!(sandbox.log().lines().any(|line| line.contains("download torch") && line.contains("whl/cpu")));
}

#[test]
fn what_was_built_against_another_libtorch_is_cleaned_once() {
    let sandbox = Sandbox::new();
    let checkout = sandbox.checkout("checkout");
    let (one, two) = (sandbox.libtorch("one", "2.13.0"), sandbox.libtorch("two", "2.13.0"));
    let clean = "--package torch-sys --package torch-ext";
    checkout.xtask(&["setup", "--libtorch", one.to_str().unwrap()]).assert().success();
    assert_eq!(sandbox.count(clean), 0, "nothing was built yet");
    fs::create_dir_all(sandbox.path("target/debug/build/torch-sys-0123")).unwrap();
    checkout.xtask(&["setup"]).assert().success();
    assert_eq!(sandbox.count(clean), 0, "the link is as it was");
    checkout.xtask(&["setup", "--libtorch", two.to_str().unwrap()]).assert().success();
    assert_eq!(sandbox.count(clean), 2, "{}", sandbox.log());
    assert_eq!(sandbox.count("--profile release"), 1);
    assert_eq!(sandbox.count("--profile dev"), 1);
    checkout.xtask(&["setup"]).assert().success();
    assert_eq!(sandbox.count(clean), 2);

    // A link that was changed by hand is noticed by the next build.
    fs::remove_file(checkout.link()).unwrap();
    std::os::unix::fs::symlink(&one, checkout.link()).unwrap();
    checkout.xtask(&["build"]).assert().success();
    assert_eq!(sandbox.count(clean), 4);
}

#[test]
fn what_is_missing_is_named_before_anything_is_made() {
    let setup = |change: fn(&Sandbox), variable: (&str, &str)| {
        let sandbox = Sandbox::new().with_driver();
        change(&sandbox);
        let message = refusal(sandbox.checkout("checkout").xtask(&["setup"]).env(variable.0, variable.1));
        assert!(!sandbox.path("cache").exists(), "{message}");
        message
    };
    let nothing = ("UNUSED", "");
    let message = setup(|sandbox| sandbox.without("c++"), nothing);
    assert!(message.contains("no C++ compiler") && message.contains("install"), "{message}");
    let message = setup(|sandbox| sandbox.without("python3"), nothing);
    assert!(
        message.contains("Python 3.10 to 3.14 is needed") && message.contains("none was found"),
        "{message}"
    );
    let message = setup(|_| (), ("FAKE_PYTHON", "3 9"));
    assert!(message.contains("python3 is 3.9"), "{message}");
    let message = setup(|sandbox| sandbox.script("bin/apt-get", ""), ("FAKE_VENV", "0"));
    assert!(message.contains("Python 3.12") && message.contains("no venv module"), "{message}");
    assert_eq!(message.contains("python3.12-venv"), cfg!(target_os = "linux"), "{message}");
    let message = setup(|_| (), ("LIBTORCH_USE_PYTORCH", "1"));
    assert!(message.contains("unset it"), "{message}");
    let message = setup(|_| (), ("LIBTORCH", "relative/torch"));
    assert!(message.contains("relative path"), "{message}");
}

#[test]
fn another_release_of_libtorch_is_refused_with_the_remedy() {
    let sandbox = Sandbox::new();
    let (checkout, old) = (sandbox.checkout("checkout"), sandbox.libtorch("old", "2.9.1+cu128"));
    let message = refusal(checkout.xtask(&["setup"]).env("LIBTORCH", &old));
    assert!(message.contains("is libtorch 2.9.1+cu128, this project needs 2.13.x"), "{message}");
    assert!(message.contains("cargo xtask setup"), "{message}");
    assert!(!checkout.link().exists());
    checkout
        .xtask(&["setup"])
        .env("LIBTORCH", &old)
        .env("LIBTORCH_BYPASS_VERSION_CHECK", "1")
        .assert()
        .success();
}

#[test]
fn a_link_to_nowhere_is_explained_and_replaced() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    std::os::unix::fs::symlink(sandbox.path("gone"), checkout.link()).unwrap();
    let note = predicate::str::contains("the target of .libtorch is not usable");
    checkout.xtask(&["setup"]).assert().success().stderr(note);
    assert!(checkout.linked().starts_with(sandbox.environment(DEFAULT_BUILD).canonicalize().unwrap()));
}
