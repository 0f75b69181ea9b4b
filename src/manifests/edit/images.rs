//! Images: the site's registry, and single images in place of the release's.

use super::cursor::Cursor;
use super::{CALICO_NODE, EditError, KUBE_CONTROLLERS};
use crate::manifests::{Document, Settings};

pub(super) fn edit(documents: &mut [Document], settings: &Settings) -> Result<(), EditError> {
    let node = ("DaemonSet", CALICO_NODE, settings.node_image.as_deref());
    let policy = (
        "Deployment",
        KUBE_CONTROLLERS,
        settings.policy_image.as_deref(),
    );
    for document in documents {
        if !matches!(document.kind(), "DaemonSet" | "Deployment") {
            continue;
        }
        let replacement = [node, policy]
            .into_iter()
            .find(|(kind, name, _)| (document.kind(), document.name()) == (kind, name));
        let replaced = match replacement {
            Some((_, name, Some(image))) => Some((repository_of(document, name)?, image)),
            _ => None,
        };
        for list in ["initContainers", "containers"] {
            let spec = Cursor::new(document).field(&["spec", "template", "spec"])?;
            if spec.value().get(list).is_none() {
                continue;
            }
            for container in spec.field(&[list])?.items() {
                let image = container.field(&["image"])?;
                let before = image.text()?;
                let after = match &replaced {
                    Some((repository, with)) if name_of(before) == repository => (*with).to_owned(),
                    _ => match &settings.registry {
                        Some(registry) => in_registry(registry, before),
                        None => continue,
                    },
                };
                image.set(after);
            }
        }
    }
    Ok(())
}

/// The name of the image of a workload's container, which others of its containers may share.
fn repository_of(document: &mut Document, container: &str) -> Result<String, EditError> {
    let image = Cursor::new(document)
        .field(&["spec", "template", "spec", "containers"])?
        .item(container)?
        .field(&["image"])?;
    Ok(name_of(image.text()?).to_owned())
}

/// An image without tag and digest.
fn name_of(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let last = name.rfind('/').map_or(0, |slash| slash + 1);
    match name[last..].find(':') {
        Some(colon) => &name[..last + colon],
        None => name,
    }
}

/// An image from another registry. What precedes the first slash is a registry when it can be no folder
/// (`github.com/distribution/reference`, `splitDockerDomain`).
fn in_registry(registry: &str, image: &str) -> String {
    let registry = registry.trim_end_matches('/');
    let path = match image.split_once('/') {
        Some((host, path)) if host == "localhost" || host.contains(['.', ':']) => path,
        _ => image,
    };
    format!("{registry}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_registry_takes_the_place_of_another() {
        let digest = format!("quay.io/calico/node:v3.32.1@{DIGEST}");
        let mirrored = format!("r/calico/node:v3.32.1@{DIGEST}");
        for (registry, image, after) in [
            (
                "mirror.example",
                "quay.io/calico/node:v3.32.1",
                "mirror.example/calico/node:v3.32.1",
            ),
            (
                "m:5000/a/b/",
                "docker.io/calico/cni:v3.29.7",
                "m:5000/a/b/calico/cni:v3.29.7",
            ),
            ("r", "calico/node:v3.29.7", "r/calico/node:v3.29.7"),
            ("r", "localhost/node", "r/node"),
            ("r", "host:5000/x/y/node", "r/x/y/node"),
            ("r", "node:v1.0", "r/node:v1.0"),
            ("r", &digest, &mirrored),
        ] {
            assert_eq!(in_registry(registry, image), after);
        }
    }

    #[test]
    fn names_have_neither_tag_nor_digest() {
        for (image, name) in [
            ("quay.io/calico/node:v3.32.1", "quay.io/calico/node"),
            ("host:5000/node", "host:5000/node"),
            ("host:5000/node:1", "host:5000/node"),
            (&format!("calico/node:v1@{DIGEST}"), "calico/node"),
            (&format!("calico/node@{DIGEST}"), "calico/node"),
            ("node", "node"),
        ] {
            assert_eq!(name_of(image), name);
        }
    }
}
