//! Interrupted set-ups, and several at the same time.

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Checkout, DEFAULT_BUILD, Sandbox, refusal};

/// The same call as a process that can be left running.
#[allow(clippy::unwrap_used, reason = "a process that cannot be started fails its test")]
fn start(checkout: &Checkout<'_>, variable: (&str, &str)) -> std::process::Child {
    let prepared = checkout.xtask(&["setup"]);
    let mut command = Command::new(prepared.get_program());
    command.env_clear().args(prepared.get_args()).current_dir(&checkout.root);
    command.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env(variable.0, variable.1).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_broken_download_resumes_with_the_files_that_are_missing() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    let message = refusal(checkout.xtask(&["setup"]).env("FAKE_PIP", "fail"));
    assert!(message.contains("pip could not install torch"), "{message}");
    assert!(message.contains("set up again to resume"), "{message}");
    assert!(!sandbox.environment(DEFAULT_BUILD).join("ready").exists());
    assert!(!checkout.link().exists(), "nothing points to half an installation");

    checkout.xtask(&["setup"]).assert().success();
    assert_eq!(
        (sandbox.count("download torch"), sandbox.count("download sympy")),
        (1, 2),
        "{}",
        sandbox.log()
    );
    assert!(!sandbox.environment(DEFAULT_BUILD).join("downloads").exists(), "they are removed in the end");
}

#[test]
fn a_broken_installation_is_done_anew_from_what_was_downloaded() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    refusal(checkout.xtask(&["setup"]).env("FAKE_PIP", "break"));
    assert!(!checkout.link().exists());
    checkout.xtask(&["setup"]).assert().success();
    assert_eq!(sandbox.count("download "), 2, "{}", sandbox.log());
    let log = sandbox.log();
    let last = log.rsplit("venv ").next().unwrap_or_default();
    assert!(last.contains("installed") && !last.contains("half an installation was left"), "{log}");
    assert!(sandbox.environment(DEFAULT_BUILD).join("ready").exists());
}

#[test]
fn a_pip_that_cannot_be_used_so_installs_in_one_go() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    checkout.xtask(&["setup"]).env("FAKE_PIP", "old").assert().success();
    assert_eq!((sandbox.count("download "), sandbox.count("installed")), (0, 1), "{}", sandbox.log());
    assert!(checkout.linked().join("version.py").exists());
}

#[test]
fn a_killed_set_up_is_repaired_only_after_what_it_started_has_ended() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    let mut first = start(&checkout, ("FAKE_PIP", "hang"));
    wait_until("the installation", || sandbox.path("log.hanging").exists());
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(!sandbox.environment(DEFAULT_BUILD).join("ready").exists());

    // Its pip lives on for three seconds; the log shows in which order the two wrote.
    checkout.xtask(&["setup"]).assert().success();
    let log = sandbox.log();
    let events: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|word| ["venv", "installed"].contains(word))
        .collect();
    assert_eq!(events, ["venv", "installed", "venv", "installed"], "{log}");
    assert!(checkout.linked().join("version.py").exists());
}

#[test]
fn two_checkouts_that_set_up_at_once_install_once() {
    let sandbox = Sandbox::new().with_driver();
    let checkouts = [sandbox.checkout("one"), sandbox.checkout("two")];
    let running: Vec<_> = checkouts.iter().map(|checkout| start(checkout, ("FAKE_PIP", "hang"))).collect();
    for mut child in running {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(sandbox.count("installed"), 1, "{}", sandbox.log());
    assert_eq!(checkouts[0].linked(), checkouts[1].linked());
}

#[test]
fn a_damaged_installation_is_made_again() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    checkout.xtask(&["setup"]).assert().success();
    fs::remove_dir_all(checkout.linked().join("lib")).unwrap();
    checkout.xtask(&["setup"]).assert().success();
    assert!(checkout.linked().join("lib").exists());
    assert_eq!(sandbox.count("installed"), 2);
}

#[test]
fn packages_for_tests_that_were_left_half_copied_are_forgotten_first() {
    let sandbox = Sandbox::new().with_driver();
    let checkout = sandbox.checkout("checkout");
    checkout.xtask(&["setup"]).assert().success();
    let packages = checkout.linked().parent().unwrap().to_path_buf();
    for (name, complete) in [("whole-1.0", true), ("half-1.0", false)] {
        let dir = packages.join(format!("{name}.dist-info"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("METADATA"), "").unwrap();
        if complete {
            fs::write(dir.join("INSTALLER"), "pip\n").unwrap();
        }
    }
    let message = refusal(checkout.xtask(&["setup", "--python-tests"]).env("FAKE_PIP", "fail"));
    assert!(message.contains("requirements.txt"), "{message}");
    assert!(!sandbox.environment(DEFAULT_BUILD).join("test-packages").exists());
    checkout.xtask(&["setup", "--python-tests"]).assert().success();
    assert_eq!(sandbox.count("known whole-1.0.dist-info"), 1, "{}", sandbox.log());
    assert_eq!(sandbox.count("known half-1.0.dist-info"), 0, "{}", sandbox.log());
    let before = sandbox.count("requirements.txt");
    checkout.xtask(&["setup", "--python-tests"]).assert().success();
    assert_eq!(sandbox.count("requirements.txt"), before, "complete packages are left alone");
}
