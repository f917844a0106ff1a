//! Fetching from servers that fail: lost connections, wrong content, missing ranges.

// A helper that fails is a test that fails.
#![allow(clippy::unwrap_used)]

mod server;

use std::fs;
use std::path::PathBuf;

use ddpm_data::manifest::FileEntry;
use ddpm_data::{DataError, Result, fetch_file, sha256_bytes};
use server::{Answer, Server};
use tempfile::TempDir;

const NAME: &str = "archive.bin";

/// 300 kB that no two parts of are alike.
fn content() -> Vec<u8> {
    (0..300_000_u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

struct Scene {
    folder: TempDir,
    entry: FileEntry,
}

impl Scene {
    fn new(mirrors: &[&Server]) -> Self {
        let content = content();
        let entry = FileEntry {
            name: NAME.to_string(),
            size: content.len() as u64,
            sha256: sha256_bytes(&content),
            urls: mirrors.iter().map(|server| server.url(NAME)).collect(),
        };
        Self { folder: tempfile::tempdir().unwrap(), entry }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(NAME)
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join(format!("{NAME}.part"))
    }

    fn fetch(&self) -> Result<()> {
        fetch_file(&self.entry, self.folder.path(), &mut |_| ())
    }

    fn assert_complete(&self) {
        assert!(fs::read(self.path()).unwrap() == content(), "the file differs from what was served");
        assert!(!self.part().exists());
    }
}

#[test]
fn a_file_arrives_once_and_reports_its_progress() {
    let server = Server::start(vec![Answer::Serve(content())]);
    let scene = Scene::new(&[&server]);
    let mut reports = Vec::new();
    fetch_file(&scene.entry, scene.folder.path(), &mut |progress| {
        assert_eq!((progress.file, progress.total), (NAME, 300_000));
        reports.push(progress.done);
    })
    .unwrap();
    scene.assert_complete();
    assert!(reports.is_sorted() && reports.len() > 2, "{reports:?}");
    assert_eq!((reports.first(), reports.last()), (Some(&0), Some(&300_000)));

    let mut last = 0;
    fetch_file(&scene.entry, scene.folder.path(), &mut |progress| last = progress.done).unwrap();
    assert_eq!(last, 300_000);
    assert_eq!(server.ranges(), [None], "a complete file is not fetched again");
}

#[test]
fn a_cut_connection_is_resumed_where_it_broke() {
    let server = Server::start(vec![
        Answer::Cut(content(), 100_000),
        Answer::Cut(content(), 50_000),
        Answer::Serve(content()),
    ]);
    let scene = Scene::new(&[&server]);
    scene.fetch().unwrap();
    scene.assert_complete();
    assert_eq!(server.ranges(), [None, Some(100_000), Some(150_000)]);
}

#[test]
fn an_earlier_run_is_continued_from_another_mirror() {
    let broken =
        Server::start(vec![Answer::Cut(content(), 120_000), Answer::Status("503 Service Unavailable")]);
    let first = Scene::new(&[&broken]);
    let error = first.fetch().unwrap_err().to_string();
    assert!(error.contains("HTTP status 503 Service Unavailable"), "{error}");
    assert!(!first.path().exists());
    assert_eq!(fs::metadata(first.part()).unwrap().len(), 120_000);

    let whole = Server::start(vec![Answer::Serve(content())]);
    let second = Scene { entry: Scene::new(&[&whole]).entry, ..first };
    second.fetch().unwrap();
    second.assert_complete();
    assert_eq!(whole.ranges(), [Some(120_000)]);
}

#[test]
fn a_server_that_cannot_resume_starts_over() {
    let server = Server::start(vec![Answer::Cut(content(), 100_000), Answer::IgnoreRange(content())]);
    let scene = Scene::new(&[&server]);
    scene.fetch().unwrap();
    scene.assert_complete();
    assert_eq!(server.ranges(), [None, Some(100_000)]);
}

#[test]
fn a_server_that_cuts_and_cannot_resume_is_given_up() {
    let hopeless = Server::start(vec![Answer::CutFromStart(content(), 100_000)]);
    let good = Server::start(vec![Answer::Serve(content())]);
    let scene = Scene::new(&[&hopeless, &good]);
    scene.fetch().unwrap();
    scene.assert_complete();
    assert_eq!(hopeless.ranges(), [None, Some(100_000)]);
    assert_eq!(good.ranges(), [Some(100_000)]);
}

#[test]
fn a_wrong_beginning_from_an_earlier_run_is_dropped() {
    let server = Server::start(vec![Answer::Serve(content())]);
    let scene = Scene::new(&[&server]);
    fs::write(scene.part(), [7; 1000]).unwrap();
    scene.fetch().unwrap();
    scene.assert_complete();
    assert_eq!(server.ranges(), [Some(1000), None]);
}

#[test]
fn a_partial_file_longer_than_the_whole_is_dropped() {
    let server = Server::start(vec![Answer::Serve(content())]);
    let scene = Scene::new(&[&server]);
    fs::write(scene.part(), vec![7; 300_001]).unwrap();
    scene.fetch().unwrap();
    scene.assert_complete();
    assert_eq!(server.ranges(), [None]);
}

#[test]
fn a_mirror_with_other_content_or_none_is_passed_over() {
    let mut other = content();
    other[299_999] ^= 1;
    let altered = Server::start(vec![Answer::Serve(other)]);
    let absent = Server::start(vec![Answer::Status("404 Not Found")]);
    let shorter = Server::start(vec![Answer::Serve(content()[..1000].to_vec())]);
    let good = Server::start(vec![Answer::Serve(content())]);
    let scene = Scene::new(&[&altered, &absent, &shorter, &good]);
    scene.fetch().unwrap();
    scene.assert_complete();
    for server in [&altered, &absent, &shorter, &good] {
        assert_eq!(server.ranges(), [None], "each mirror starts from the beginning");
    }
}

#[test]
fn when_no_mirror_helps_the_error_says_what_each_did() {
    let wrong = vec![1; 300_000];
    let altered = Server::start(vec![Answer::Serve(wrong.clone())]);
    let absent = Server::start(vec![Answer::Status("404 Not Found")]);
    let shorter = Server::start(vec![Answer::Serve(vec![0; 1000])]);
    let scene = Scene::new(&[&altered, &absent, &shorter]);
    let error = scene.fetch().unwrap_err();
    let DataError::Fetch { file, failures, .. } = &error else { panic!("{error}") };
    assert_eq!(file, NAME);
    let reasons: Vec<&str> = failures.iter().map(|mirror| mirror.reason.as_str()).collect();
    let checksum = format!("expected SHA-256 {}, got {}", scene.entry.sha256, sha256_bytes(&wrong));
    assert_eq!(
        reasons,
        [&checksum, "HTTP status 404 Not Found", "expected a file of 300000 bytes, got one of 1000"]
    );
    let text = error.to_string();
    for mirror in failures {
        assert!(text.contains(&mirror.url) && text.contains(&mirror.reason), "{text}");
    }
    assert!(!text.contains('\n'));
    assert!(!scene.path().exists());
}

#[test]
fn a_dead_host_is_passed_over() {
    let good = Server::start(vec![Answer::Serve(content())]);
    let mut scene = Scene::new(&[&good]);
    // Nobody listens on the discard port.
    scene.entry.urls.insert(0, format!("http://127.0.0.1:9/{NAME}"));
    scene.fetch().unwrap();
    scene.assert_complete();
}

#[test]
fn a_damaged_file_is_fetched_anew() {
    let server = Server::start(vec![Answer::Serve(content())]);
    let scene = Scene::new(&[&server]);
    let mut damaged = content();
    damaged[5] ^= 0x10;
    fs::write(scene.path(), damaged).unwrap();
    scene.fetch().unwrap();
    scene.assert_complete();
    assert_eq!(server.ranges(), [None]);
}

#[test]
fn a_place_that_cannot_be_written_is_blamed_and_no_mirror() {
    let server = Server::start(vec![Answer::Serve(content())]);
    let scene = Scene::new(&[&server]);
    let file = scene.folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = fetch_file(&scene.entry, &file.join("below"), &mut |_| ()).unwrap_err().to_string();
    assert!(error.starts_with("cannot create the folder"), "{error}");
    assert!(server.ranges().is_empty());
}

#[test]
fn two_fetches_at_once_transfer_once() {
    let server = Server::start(vec![Answer::Serve(content())]);
    let scene = Scene::new(&[&server]);
    std::thread::scope(|scope| {
        let fetches = [scope.spawn(|| scene.fetch()), scope.spawn(|| scene.fetch())];
        fetches.into_iter().for_each(|fetch| fetch.join().unwrap().unwrap());
    });
    assert!(fs::read(scene.path()).unwrap() == content());
    assert_eq!(server.ranges(), [None]);
}
