//! What the leader cannot know now stays as it was.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use calico_charm::manifests::{Catalogue, Document};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::statuses;
use crate::support::settlement::{RECORD, Settlement};

/// `calico:cni` to the control plane.
const TO_CONTROL_PLANE: u32 = 4;
/// A mirror that the charm's own documents do not name, so that theirs can be told from the resource's.
const MIRROR: &str = "mirror.example.com/calico/node:";

/// The charm's own documents with another registry, as Juju takes them for the resource.
fn resource(folder: &Path) -> PathBuf {
    let catalogue = Catalogue::embedded();
    let documents = catalogue.documents(catalogue.preferred());
    let documents = documents.expect("the charm's own documents");
    let items: Vec<&Value> = documents.iter().map(Document::value).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let text = list.to_string().replace("quay.io/calico/node:", MIRROR);
    let resource = folder.join("manifests.tar.gz");
    let target = fs::File::create(&resource).expect("a folder of ours");
    let mut encoder = GzEncoder::new(target, Compression::fast());
    encoder.write_all(text.as_bytes()).expect("a file of ours");
    encoder.finish().expect("a file of ours");
    resource
}

fn image(site: &Settlement) -> String {
    let pod = &site.daemon_set()["spec"]["template"]["spec"];
    let image = pod["containers"][0]["image"].as_str();
    image.expect("calico-node has an image").to_owned()
}

/// `calico/0 waiting: …`, its fellows ready, and nothing of the installation written by anybody.
fn assert_only_the_leader_waits(site: &Settlement, message: &str, before: &[String]) {
    site.settle();
    site.update();
    let waiting = format!("waiting: {message}");
    let ready = "active: Ready";
    assert_eq!(site.statuses(), statuses([&*waiting, ready, ready]));
    assert_eq!(site.installed_versions(), before);
}

#[test]
fn a_resource_that_is_not_handed_out_changes_nothing() {
    let test = "a_resource_that_is_not_handed_out_changes_nothing";
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    site.settle();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = resource(folder.path());
    site.attach(&file);
    site.settle();
    site.come_up();
    assert!(image(&site).starts_with(MIRROR), "{}", image(&site));
    site.assert_at_rest();

    // Options that change the documents, while nobody can tell which documents.
    let before = site.installed_versions();
    site.driver
        .model(|model| model.withhold_resource("calico", "manifests"))
        .expect("a resource of the charm");
    site.configure(&[("calico-policy-image", "registry.example.com/policy:v3.32.1")]);
    let message = "Waiting for Juju to hand resource manifests out";
    assert_only_the_leader_waits(&site, message, &before);

    // Handed out, and not to be read.
    let absent = folder.path().join("absent");
    site.attach(&absent);
    let message = "Waiting for resource manifests, which cannot be read: No such file or directory (os error 2)";
    assert_only_the_leader_waits(&site, message, &before);

    site.attach(&file);
    site.settle();
    site.come_up();
    assert!(image(&site).starts_with(MIRROR), "{}", image(&site));
    assert_ne!(site.installed_versions(), before);
    site.assert_at_rest();

    // An empty file is how somebody says that there is no resource any more.
    let empty = folder.path().join("empty");
    fs::write(&empty, "").expect("a file of ours");
    site.attach(&empty);
    site.settle();
    site.come_up();
    assert!(image(&site).starts_with("quay.io/"), "{}", image(&site));
    site.assert_at_rest();
}

#[test]
fn a_resource_that_is_too_large_changes_nothing() {
    let test = "a_resource_that_is_too_large_changes_nothing";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    let before = site.installed_versions();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let large = folder.path().join("large");
    let file = fs::File::create(&large).expect("a folder of ours");
    file.set_len(17 << 20).expect("a sparse file");
    site.attach(&large);
    site.configure(&[("image-registry", "registry.example.com")]);
    site.settle();
    let blocked = "blocked: resource manifests: is 17 MB large, at most 16 MB are read";
    let ready = "active: Ready";
    assert_eq!(site.statuses(), statuses([blocked, ready, ready]));
    assert_eq!(site.installed_versions(), before);
}

#[test]
fn the_principals_registry_stays_while_it_says_nothing() {
    let test = "the_principals_registry_stays_while_it_says_nothing";
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    let say = |registry: &str| {
        let data = [("image-registry", registry)];
        let principal = "kubernetes-control-plane/0";
        site.driver
            .model(|model| model.write_databag(TO_CONTROL_PLANE, principal, data))
            .expect("a member of the relation");
        site.settle();
    };
    site.settle();
    say("registry.example.com/told");
    site.come_up();
    assert!(
        image(&site).starts_with("registry.example.com/told/"),
        "{}",
        image(&site)
    );
    let recorded = || site.workloads.at(RECORD)["data"]["registry"].clone();
    assert_eq!(recorded(), "registry.example.com/told");

    let before = site.installed_versions();
    say("");
    site.update();
    assert_eq!(site.installed_versions(), before);
    // Another option has everything compared anew, and the silence does not count then either.
    site.configure(&[("calico-policy-image", "registry.example.com/policy:v3.32.1")]);
    site.settle();
    site.come_up();
    assert!(
        image(&site).starts_with("registry.example.com/told/"),
        "{}",
        image(&site)
    );
    assert_eq!(recorded(), "registry.example.com/told");
    site.assert_at_rest();
}
