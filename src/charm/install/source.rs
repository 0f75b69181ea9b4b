//! Which release is to run, and its documents: the charm's own or the resource's. Performs IO to read the resource.

use std::path::Path;

use crate::charm::Report;
use crate::manifests::{Catalogue, Document, LABEL_MANIFEST_VERSION, Settings, edited};
use crate::model::Release;
use crate::plan::{Blocked, Live, stamped};

/// Name of the resource that brings install documents of other releases.
pub const RESOURCE: &str = "manifests";
/// The largest resource that is read.
const LARGEST_RESOURCE: u64 = 16 * 1024 * 1024;
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

/// The bytes of a resource. What cannot be read, or is empty as a placeholder is, counts as not attached.
pub fn read_resource(path: &Path, report: &mut Report) -> Option<Vec<u8>> {
    let size = std::fs::metadata(path).map(|file| file.len());
    if size.as_ref().is_ok_and(|size| *size > LARGEST_RESOURCE) {
        report.warning("resource manifests is larger than 16 MB and not read");
        report.note("resource manifests is too large".to_owned());
        return None;
    }
    match std::fs::read(path) {
        Ok(bytes) => Some(bytes).filter(|bytes| !bytes.trim_ascii().is_empty()),
        Err(error) => {
            report.warning(format!("resource manifests cannot be read: {error}"));
            None
        }
    }
}
