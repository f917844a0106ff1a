//! Images as single files, in the layouts of [`crate::format::folder`].

use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::encoded::{EncodedImages, Listed, retain};
use crate::error::Result;
use crate::format::folder::{KnownClasses, list};
use crate::format::image_file::{Header, MAX_FILE, header};
use crate::format::regular_file;
use crate::image_options::OnError;
use crate::unread::Unread;

/// The files of one split.
#[derive(Debug)]
struct ImageFiles(Vec<PathBuf>);

/// Lists the files below the folder of a split.
pub(super) fn listed(
    folder: &Path,
    known: Option<KnownClasses<'_>>,
    on_error: OnError,
    unread: &mut Unread,
) -> Result<Listed> {
    let list = list(folder, known)?;
    for (path, error) in list.refused {
        match on_error {
            OnError::Stop => return Err(error),
            OnError::Skip => unread.skip(&path, &error),
        }
    }
    unread.add_other_files(list.other_files);
    let name = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_string_lossy().into_owned();
    Ok(Listed {
        files: list.files.iter().map(|(path, size)| (name(path), *size)).collect(),
        images: Box::new(ImageFiles(list.files.into_iter().map(|(path, _)| path).collect())),
        labels: list.labels,
        class_names: list.class_names,
    })
}

impl EncodedImages for ImageFiles {
    fn place(&self, index: usize) -> PathBuf {
        self.0[index].clone()
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>> {
        regular_file::read(&self.0[index], MAX_FILE)
    }

    fn header(&self, index: usize) -> Result<Header> {
        let path = &self.0[index];
        header(BufReader::new(regular_file::open(path)?.0), path)
    }

    fn retain(&mut self, kept: &[bool]) {
        retain(&mut self.0, kept);
    }
}
