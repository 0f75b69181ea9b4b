//! Which release is to run, and its documents: the charm's own or the resource's. Performs IO to read the resource.

use std::path::Path;

use crate::charm::reconcile::Stop;
use crate::manifests::{Catalogue, Document, LABEL_MANIFEST_VERSION, Settings, edited};
use crate::model::Release;
use crate::plan::{Blocked, Live, stamped};
use crate::status::Status;

/// Name of the resource that brings install documents of other releases.
pub const RESOURCE: &str = "manifests";
/// The largest resource that is read.
const LARGEST_RESOURCE: u64 = 16 * MEGABYTE;
const MEGABYTE: u64 = 1024 * 1024;

/// The documents of a release, edited and stamped, in the order of application.
///
/// # Errors
/// When the release is unknown, its documents do not parse, or one lacks what an option has to change.
pub fn documents(catalogue: &Catalogue, settings: &Settings) -> Result<Vec<Document>, Blocked> {
    let unreadable = |error: &dyn std::fmt::Display| Blocked {
        message: format!("release: {} cannot be installed: {error}", settings.release),
        remedy:
            "attach that release's own calico.yaml as resource manifests, or set another release"
                .to_owned(),
    };
    let documents = catalogue
        .documents(settings.release)
        .map_err(|error| unreadable(&error))?;
    let mut documents = edited(documents, settings).map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        unreadable(&all.join("; "))
    })?;
    documents.sort_by_key(Document::stage);
    Ok(documents.into_iter().map(stamped).collect())
}

/// The release that is to run.
///
/// # Errors
/// When it is none of those the charm knows, or older than the one that runs.
pub fn chosen(
    wanted: Option<Release>,
    catalogue: &Catalogue,
    running: Option<Release>,
) -> Result<Release, Blocked> {
    let known = catalogue.releases();
    let list: Vec<String> = known.iter().map(ToString::to_string).collect();
    let list = list.join(", ");
    let release = wanted.unwrap_or_else(|| catalogue.preferred());
    if !known.contains(&release) {
        return Err(Blocked {
            message: format!("release: {release} is not one of {list}"),
            remedy: "set one of these, or attach that release's calico.yaml as resource manifests"
                .to_owned(),
        });
    }
    match running.filter(|running| *running > release) {
        None => Ok(release),
        Some(running) if known.contains(&running) => Err(Blocked {
            message: format!("release: {release} is older than {running}, which runs"),
            remedy: format!("Calico cannot go back; juju config calico release={running}"),
        }),
        Some(running) => Err(Blocked {
            message: format!("release: {running} runs, and the newest the charm has is {release}"),
            remedy: format!(
                "Calico cannot go back; attach the calico.yaml of {running} as resource manifests"
            ),
        }),
    }
}

/// The release whose documents this application has applied last.
#[must_use]
pub fn running_release(daemon_set: Option<&Live>) -> Option<Release> {
    let version = daemon_set?.label(LABEL_MANIFEST_VERSION)?;
    version.strip_prefix("calico-")?.parse().ok()
}

/// The releases the charm knows: its own, and those of the resource.
///
/// # Errors
/// When the resource cannot be read.
pub fn catalogue(resource: Option<&[u8]>) -> Result<Catalogue, Blocked> {
    let Some(bytes) = resource else {
        return Ok(Catalogue::embedded());
    };
    Catalogue::with_resource(bytes).map_err(|error| Blocked {
        message: format!("resource manifests: {error}"),
        remedy: "juju attach-resource calico manifests=./calico.yaml.gz, a release's own file gzipped, or a .tar.gz of \
                 <release>/calico.yaml"
            .to_owned(),
    })
}

/// The bytes of a resource; `None` for an empty file, which is a placeholder.
///
/// # Errors
/// When the file is too large, which somebody has to mend, or cannot be read now. Neither means that nothing is attached:
/// the charm's own documents would take the place of those that run.
pub fn read_resource(path: &Path) -> Result<Option<Vec<u8>>, Stop> {
    let unreadable = |error: std::io::Error| {
        Stop::Status(Status::waiting(format!(
            "Waiting for resource manifests, which cannot be read: {error}"
        )))
    };
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST_RESOURCE {
        return Err(Stop::Blocked(Blocked {
            message: format!(
                "resource manifests: is {} MB large, at most {} MB are read",
                size.div_ceil(MEGABYTE),
                LARGEST_RESOURCE / MEGABYTE
            ),
            remedy: "attach one release's own calico.yaml, gzipped, as resource manifests"
                .to_owned(),
        }));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Ok(Some(bytes).filter(|bytes| !bytes.trim_ascii().is_empty()))
}

/// Whether what a hook finds attached may be taken for all there is: Juju cannot detach a resource, so one that documents
/// were made from and that is not handed out is not to be had now.
///
/// # Errors
/// When that is so.
pub fn not_withheld(attached: Option<&Path>, recorded: &str) -> Result<(), Stop> {
    if attached.is_none() && !recorded.is_empty() {
        return Err(Stop::Status(Status::waiting(
            "Waiting for Juju to hand resource manifests out",
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_a_placeholder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifests");
        for (content, read) in [("", None), (" \n", None), ("a: 1\n", Some("a: 1\n"))] {
            std::fs::write(&path, content).unwrap();
            let bytes = read_resource(&path).ok().unwrap();
            assert_eq!(bytes.as_deref(), read.map(str::as_bytes), "{content:?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        // A folder has a size like a file and cannot be read as one.
        for path in [folder.path().to_owned(), folder.path().join("absent")] {
            let Err(Stop::Status(status)) = read_resource(&path) else {
                panic!("{} was read", path.display());
            };
            let status = status.to_string();
            let expected = "waiting: Waiting for resource manifests, which cannot be read: ";
            assert!(status.starts_with(expected), "{status}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifests");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(LARGEST_RESOURCE + 1).unwrap();
        let Err(Stop::Blocked(blocked)) = read_resource(&path) else {
            panic!("it was read");
        };
        let expected = "resource manifests: is 17 MB large, at most 16 MB are read";
        assert_eq!(blocked.message, expected);
        file.set_len(LARGEST_RESOURCE).unwrap();
        assert!(read_resource(&path).is_ok());
    }

    #[test]
    fn a_resource_that_was_there_is_waited_for() {
        let attached = Some(Path::new("manifests"));
        for (attached, recorded, allowed) in [
            (None, "", true),
            (attached, "", true),
            (attached, "00112233", true),
            (None, "00112233", false),
        ] {
            let outcome = not_withheld(attached, recorded);
            assert_eq!(outcome.is_ok(), allowed, "{attached:?} {recorded:?}");
        }
    }

    #[test]
    fn a_release_is_chosen_and_never_an_older_one() {
        let release = |text: &str| text.parse::<Release>().unwrap();
        let catalogue = Catalogue::embedded();
        let newest = catalogue.preferred();
        assert_eq!(chosen(None, &catalogue, None).unwrap(), newest);
        assert_eq!(
            chosen(Some(newest), &catalogue, Some(newest)).unwrap(),
            newest
        );
        assert_eq!(
            chosen(None, &catalogue, Some(release("v3.29.7"))).unwrap(),
            newest
        );
        for (wanted, running, message) in [
            (Some("v3.29.7"), None, "release: v3.29.7 is not one of"),
            (
                None,
                Some("v9.9.9"),
                "release: v9.9.9 runs, and the newest the charm has is",
            ),
        ] {
            let refused =
                chosen(wanted.map(release), &catalogue, running.map(release)).unwrap_err();
            assert!(refused.message.starts_with(message), "{}", refused.message);
        }
    }
}
