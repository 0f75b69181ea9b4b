//! What the resource `manifests` may be: one release's file, or an archive of several. Read in memory alone.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;

use crate::model::Release;

/// The most that is looked at, unpacked; the files of one release are 350 kB, with native definitions 3.5 MB.
const LARGEST: usize = 16 * 1024 * 1024;
const GZIP: &[u8] = &[0x1f, 0x8b];
/// Where a tar archive's first header says that it is one (POSIX.1-1988 "ustar").
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// A file's name and text.
pub(super) type File = (Cow<'static, str>, Cow<'static, str>);

/// What a resource holds.
#[derive(Debug)]
pub(super) enum Contents {
    /// A file that does not say of which release it is.
    Plain(File),
    /// The files of each release.
    Releases(BTreeMap<Release, Vec<File>>),
}

/// Why a resource cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// More than what would be sensible.
    #[error("holds more than 16 MiB")]
    TooLarge,
    /// Damaged, or cut short.
    #[error("is damaged: {0}")]
    Damaged(std::io::Error),
    /// Neither text nor an archive that is known.
    #[error("is neither YAML nor a tar archive")]
    Unknown,
    /// A file that is no text.
    #[error("has {0}, which is no text in UTF-8")]
    NotText(String),
    /// An archive without anything in it that could be applied.
    #[error("has no file <release>/calico.yaml, e.g. v3.31.7/calico.yaml")]
    NoRelease,
}

/// Takes a resource apart.
///
/// # Errors
/// [`ResourceError`] when it is none.
pub(super) fn contents(bytes: &[u8]) -> Result<Contents, ResourceError> {
    let unpacked = if bytes.starts_with(GZIP) {
        let mut room = LARGEST;
        Cow::Owned(read(MultiGzDecoder::new(bytes), &mut room)?)
    } else if bytes.len() > LARGEST {
        return Err(ResourceError::TooLarge);
    } else {
        Cow::Borrowed(bytes)
    };
    let (offset, magic) = TAR_MAGIC;
    if unpacked
        .get(offset..)
        .is_some_and(|rest| rest.starts_with(magic))
    {
        return releases(&unpacked).map(Contents::Releases);
    }
    let text = String::from_utf8(unpacked.into_owned()).map_err(|_| ResourceError::Unknown)?;
    if text.contains('\0') {
        return Err(ResourceError::Unknown);
    }
    Ok(Contents::Plain(("the file".into(), text.into())))
}

fn releases(archive: &[u8]) -> Result<BTreeMap<Release, Vec<File>>, ResourceError> {
    let mut room = LARGEST;
    let mut files: BTreeMap<(Release, String), Vec<u8>> = BTreeMap::new();
    let mut archive = tar::Archive::new(archive);
    for entry in archive.entries().map_err(ResourceError::Damaged)? {
        let entry = entry.map_err(ResourceError::Damaged)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(ResourceError::Damaged)?.into_owned();
        if let Some(release) = release_of(&path) {
            // Of two with one name the last counts, as it does for tar.
            let name = path.to_string_lossy().into_owned();
            files.insert((release, name), read(entry, &mut room)?);
        }
    }
    let mut releases: BTreeMap<Release, Vec<File>> = BTreeMap::new();
    for ((release, name), bytes) in files {
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(ResourceError::NotText(name));
        };
        releases
            .entry(release)
            .or_default()
            .push((name.into(), text.into()));
    }
    if releases.is_empty() {
        return Err(ResourceError::NoRelease);
    }
    Ok(releases)
}

/// The release a file of an archive belongs to: its folder's name.
fn release_of(path: &Path) -> Option<Release> {
    let is_hidden = path.file_name()?.to_str()?.starts_with('.');
    let extension = path.extension()?.to_str()?;
    let Component::Normal(folder) = path.parent()?.components().next_back()? else {
        return None;
    };
    let release = folder.to_str()?.parse().ok()?;
    (!is_hidden && matches!(extension, "yaml" | "yml")).then_some(release)
}

fn read(reader: impl Read, room: &mut usize) -> Result<Vec<u8>, ResourceError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(*room).map_or(u64::MAX, |room| room + 1);
    reader
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(ResourceError::Damaged)?;
    *room = room
        .checked_sub(bytes.len())
        .ok_or(ResourceError::TooLarge)?;
    Ok(bytes)
}
