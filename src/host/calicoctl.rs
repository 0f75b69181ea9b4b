//! `calicoctl` on the machine: the program from a charm resource, and a wrapper that finds the kubeconfig. Performs IO.
//!
//! The program's folder and the wrapper's path are those of the charm's etcd-based releases, so that scripts go on working.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::Cleared;

/// The program's folder, relative to the root.
const FOLDER: &str = "opt/calicoctl";
const PROGRAM: &str = "opt/calicoctl/calicoctl";
/// One name for good, so that what a hook that was ended leaves behind is overwritten by the next.
const UNFINISHED: &str = "opt/calicoctl/.calicoctl.new";
const WRAPPER: &str = "usr/local/bin/calicoctl";
const UNFINISHED_WRAPPER: &str = "usr/local/bin/.calicoctl.new";
/// The etcd-based releases of the charm left these, all of them world-readable; the first is a private key.
const ETCD_FILES: [&str; 4] = [
    "opt/calicoctl/etcd-key",
    "opt/calicoctl/etcd-cert",
    "opt/calicoctl/etcd-ca",
    "opt/calicoctl/calicoctl.env",
];

/// An archive or program below this is a placeholder, as the etcd-based charm had it: Juju wants some file for a
/// resource.
const SMALLEST: u64 = 1_000_000;
/// Some five times what calicoctl is: no more of an archive is looked at.
const LARGEST: u64 = 512 << 20;

/// First words of the wrapper's second line; the digest of the resource follows.
const MARK: &str = "# Written by the calico charm from resource sha256:";
/// In the wrapper of the etcd-based releases.
const EARLIER: &str = "/opt/calicoctl/calicoctl.env";
/// What follows the mark: what the caller has set comes first, then the caller's own kubeconfig, then root's.
const WRAPPER_BODY: &str = r#"
export DATASTORE_TYPE="${DATASTORE_TYPE:-kubernetes}"
if [ -z "${KUBECONFIG:-}" ]; then
    for kubeconfig in "${HOME:-}/.kube/config" /root/.kube/config; do
        if [ -r "$kubeconfig" ]; then
            export KUBECONFIG="$kubeconfig"
            break
        fi
    done
fi
exec /opt/calicoctl/calicoctl "$@"
"#;

/// What came of installing calicoctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Calicoctl {
    /// It is what the resource holds.
    Current,
    /// It was installed.
    Installed,
    /// It was installed, but the path of the wrapper is taken by a file that is not the charm's.
    WithoutWrapper(PathBuf),
    /// The resource is a placeholder of that many bytes.
    Placeholder(u64),
}

/// Why calicoctl cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum CalicoctlError {
    /// The resource's file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is no gzipped tar archive, or a damaged one.
    #[error("the resource cannot be unpacked")]
    Archive(#[source] io::Error),
    /// It holds something else.
    #[error("the resource holds no program calicoctl")]
    NoProgram,
    /// It is the other architecture's.
    #[error("the resource's calicoctl is not built for {}", std::env::consts::ARCH)]
    Architecture,
    /// A file cannot be written, for example because the disk is full.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The resource with the program for this machine's architecture, and the architecture's number in an ELF header
/// (`e_machine`).
#[must_use]
pub fn resource() -> Option<(&'static str, u16)> {
    match std::env::consts::ARCH {
        "x86_64" => Some(("calico", 62)),
        "aarch64" => Some(("calico-arm64", 183)),
        _ => None,
    }
}

/// Whose file is at the wrapper's path.
#[derive(Debug, PartialEq, Eq)]
enum Wrapper {
    Absent,
    /// This charm's, with the digest of the resource it was written for.
    Ours(String),
    /// That of the charm's etcd-based releases, or one that was written halfway.
    Earlier,
    Foreign,
}

impl Wrapper {
    fn parse(text: &str) -> Self {
        let mark = text.lines().nth(1).and_then(|line| line.strip_prefix(MARK));
        match mark {
            Some(digest) => Self::Ours(digest.trim().to_owned()),
            None if text.contains(EARLIER) => Self::Earlier,
            None => Self::Foreign,
        }
    }

    fn read(path: &Path) -> Self {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Absent,
            // No wrapper is larger; what is no file is somebody's arrangement.
            Ok(data) if data.is_file() && data.len() < 65_536 => {
                fs::read_to_string(path).map_or(Self::Foreign, |text| Self::parse(&text))
            }
            _ => Self::Foreign,
        }
    }

    fn text(digest: &str) -> String {
        format!("#!/bin/sh\n{MARK}{digest}\n{}", WRAPPER_BODY.trim_start())
    }
}

/// calicoctl below one root.
pub struct Installation<'a> {
    root: &'a Path,
}

impl<'a> Installation<'a> {
    /// That of the machine whose files are below `root`.
    #[must_use]
    pub fn below(root: &'a Path) -> Self {
        Self { root }
    }

    /// Whether the program and something at the wrapper's path are there; two looks at the file system.
    #[must_use]
    pub fn is_there(&self) -> bool {
        let program = fs::symlink_metadata(self.root.join(PROGRAM));
        program.is_ok_and(|data| data.is_file() && data.mode() & 0o111 != 0 && data.len() > 0)
            && fs::symlink_metadata(self.root.join(WRAPPER)).is_ok()
    }

    /// Installs the program that `archive` holds, unless it is there already. The digest of the archive is in the
    /// wrapper, which is written last, so whatever interrupts this, the next call begins anew.
    ///
    /// # Errors
    /// The archive is no good or the disk is; what was there before still is.
    pub fn install(&self, archive: &Path) -> Result<Calicoctl, CalicoctlError> {
        let unreadable = |source| CalicoctlError::Read {
            path: archive.to_owned(),
            source,
        };
        let size = fs::metadata(archive).map_err(unreadable)?.len();
        if size < SMALLEST {
            return Ok(Calicoctl::Placeholder(size));
        }
        let digest = digest(archive).map_err(unreadable)?;
        let wrapper = self.root.join(WRAPPER);
        let found = Wrapper::read(&wrapper);
        let current = self.is_there() && found == Wrapper::Ours(digest.clone());
        if !current {
            self.install_program(archive)?;
        }
        if found == Wrapper::Foreign {
            return Ok(Calicoctl::WithoutWrapper(wrapper));
        }
        let text = Wrapper::text(&digest);
        if current && fs::read(&wrapper).is_ok_and(|written| written == text.as_bytes()) {
            return Ok(Calicoctl::Current);
        }
        self.write_wrapper(&text)?;
        Ok(Calicoctl::Installed)
    }

    fn install_program(&self, archive: &Path) -> Result<(), CalicoctlError> {
        let (unfinished, program) = (self.root.join(UNFINISHED), self.root.join(PROGRAM));
        let file = create(&unfinished).map_err(at(&unfinished))?;
        let done = unpack(archive, file, &unfinished)
            .and_then(|file| finish(&file, &unfinished, &program).map_err(at(&program)));
        if done.is_err() {
            // It takes room on a disk that may be full; that it cannot be removed changes nothing.
            let _kept = fs::remove_file(&unfinished);
        }
        done
    }

    fn write_wrapper(&self, text: &str) -> Result<(), CalicoctlError> {
        let unfinished = self.root.join(UNFINISHED_WRAPPER);
        let wrapper = self.root.join(WRAPPER);
        let write = || {
            let mut file = create(&unfinished)?;
            file.write_all(text.as_bytes())?;
            finish(&file, &unfinished, &wrapper)
        };
        write().map_err(|source| {
            let _kept = fs::remove_file(&unfinished);
            at(&wrapper)(source)
        })
    }

    /// Looks after the credentials that an etcd-based release of the charm left: removes them, or only closes them to
    /// everybody but root while `needed`.
    #[must_use]
    pub fn clear_etcd_files(&self, needed: bool) -> Cleared {
        let mut cleared = Cleared::default();
        for name in ETCD_FILES {
            let path = self.root.join(name);
            let Ok(data) = fs::symlink_metadata(&path) else {
                continue;
            };
            if !needed {
                cleared.file(&path, fs::remove_file(&path));
            } else if data.is_file() && data.mode() & 0o077 != 0 {
                let closed = fs::set_permissions(&path, Permissions::from_mode(0o600));
                cleared.say(
                    format!("access to {} by others than root", path.display()),
                    closed,
                );
            }
        }
        cleared
    }

    /// Takes away all that the charm has put there, and nothing else.
    #[must_use]
    pub fn remove(&self) -> Cleared {
        let mut cleared = self.clear_etcd_files(false);
        for name in [UNFINISHED, UNFINISHED_WRAPPER, PROGRAM] {
            let path = self.root.join(name);
            cleared.file(&path, fs::remove_file(&path));
        }
        let wrapper = self.root.join(WRAPPER);
        if matches!(Wrapper::read(&wrapper), Wrapper::Ours(_) | Wrapper::Earlier) {
            cleared.file(&wrapper, fs::remove_file(&wrapper));
        }
        let folder = self.root.join(FOLDER);
        match fs::remove_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => cleared
                .left
                .push(format!("{}: holds other files", folder.display())),
            removed => cleared.file(&folder, removed),
        }
        cleared
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> CalicoctlError + use<> {
    let path = path.to_owned();
    move |source| CalicoctlError::Write {
        path: path.clone(),
        source,
    }
}

fn digest(archive: &Path) -> io::Result<String> {
    let mut file = File::open(archive)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    let mut hex = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

/// A file of its own, closed to others until it is complete.
fn create(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Puts a complete file where it belongs: on disk first, so that not even a power cut leaves half of it there.
fn finish(file: &File, unfinished: &Path, path: &Path) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o755))?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Unpacks the one file called `calicoctl`, in whatever folder of the archive; nothing else in it is looked at, so no path
/// there can name a place on this machine.
fn unpack(archive: &Path, file: File, path: &Path) -> Result<File, CalicoctlError> {
    let read = File::open(archive).map_err(|source| CalicoctlError::Read {
        path: archive.to_owned(),
        source,
    })?;
    let mut archive = tar::Archive::new(MultiGzDecoder::new(read).take(LARGEST));
    for entry in archive.entries().map_err(CalicoctlError::Archive)? {
        let entry = entry.map_err(CalicoctlError::Archive)?;
        let name = entry.path().map_err(CalicoctlError::Archive)?;
        let wanted = name.file_name() == Some("calicoctl".as_ref());
        if wanted && entry.header().entry_type().is_file() {
            let size = entry.size();
            return copy(entry, size, file, path);
        }
    }
    Err(CalicoctlError::NoProgram)
}

/// Copies a program of this size, if it is one for this machine.
fn copy(
    mut program: impl Read,
    size: u64,
    mut file: File,
    path: &Path,
) -> Result<File, CalicoctlError> {
    if size < SMALLEST {
        return Err(CalicoctlError::NoProgram);
    }
    let mut header = [0; 20];
    program
        .read_exact(&mut header)
        .map_err(CalicoctlError::Archive)?;
    check(&header)?;
    file.write_all(&header).map_err(at(path))?;
    let (mut copied, mut buffer) = (header.len() as u64, vec![0; 1 << 16]);
    loop {
        match program.read(&mut buffer).map_err(CalicoctlError::Archive)? {
            0 if copied == size => return Ok(file),
            // What is missing may be beyond the bound, too.
            0 => return Err(CalicoctlError::Archive(io::ErrorKind::UnexpectedEof.into())),
            read => {
                file.write_all(&buffer[..read]).map_err(at(path))?;
                copied += read as u64;
            }
        }
    }
}

/// Whether an ELF header is that of a program for this machine.
fn check(header: &[u8; 20]) -> Result<(), CalicoctlError> {
    if !header.starts_with(b"\x7fELF") {
        return Err(CalicoctlError::NoProgram);
    }
    // Both architectures are little-endian.
    let machine = u16::from_le_bytes([header[18], header[19]]);
    match resource() {
        Some((_, ours)) if ours == machine => Ok(()),
        _ => Err(CalicoctlError::Architecture),
    }
}

#[cfg(test)]
mod tests;
