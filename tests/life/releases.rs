//! From one release, of Calico or of the charm, to another.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use calico_charm::manifests::{Catalogue, Stage};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::support::settlement::{AGENTS, CONTROLLERS, DAEMON_SET, INSTALLED, RECORD, Settlement};
use crate::{NODE_ROLE, UNITS, assert_installed, logs, statuses};

/// Applies an object as it is with changes, as an older revision of this charm would have.
fn apply_as_before(site: &Settlement, path: &str, change: impl FnOnce(&mut Value)) {
    let live = site.workloads.at(path);
    let mut object = live.clone();
    let fields = object.as_object_mut().expect("an object");
    fields.remove("status");
    let mut metadata = json!({});
    for key in ["name", "namespace", "labels", "annotations"] {
        if !live["metadata"][key].is_null() {
            metadata[key] = live["metadata"][key].clone();
        }
    }
    object["metadata"] = metadata;
    object["metadata"]["annotations"]["calico.juju.is/manifest"] = "0000000000000000".into();
    change(&mut object);
    site.workloads.apply("calico-charm", &object);
}

#[test]
fn what_an_older_revision_installed_becomes_what_this_one_would() {
    let test = "what_an_older_revision_installed_becomes_what_this_one_would";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    let before = site.daemon_set()["spec"].clone();
    apply_as_before(&site, DAEMON_SET, |set| {
        let environment = &mut set["spec"]["template"]["spec"]["containers"][0]["env"];
        let environment = environment.as_array_mut().expect("variables");
        environment.retain(|variable| variable["name"] != "WAIT_FOR_DATASTORE");
        environment.push(json!({"name": "OF_OLD", "value": "1"}));
    });
    apply_as_before(&site, NODE_ROLE, |role| {
        let rules = role["rules"].as_array_mut().expect("rules");
        rules.push(json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}));
    });
    let labels = site.daemon_set()["metadata"]["labels"].clone();
    let left_over = json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "calico-of-old", "namespace": "kube-system", "labels": labels},
    });
    site.workloads.apply("calico-charm", &left_over);
    site.driver
        .model(|model| model.refresh("calico"))
        .expect("the application");
    let runs = site.settle();
    let log = logs(&runs);
    assert!(log.contains("DaemonSet/kube-system/calico-node: "), "{log}");
    assert!(log.contains("ClusterRole/calico-node: "), "{log}");
    site.come_up();
    assert_eq!(site.daemon_set()["spec"], before);
    let accounts = "/api/v1/namespaces/kube-system/serviceaccounts";
    assert_eq!(
        site.workloads.at(&format!("{accounts}/calico-of-old")),
        Value::Null
    );
    let rules = site.workloads.at(NODE_ROLE)["rules"].clone();
    assert!(!rules.to_string().contains("secrets"), "{rules}");
    assert_installed(&site);
    site.assert_at_rest();
}

/// A release's own calico.yaml, where `CALICO_CRDS` has it.
fn genuine(test: &str, release: &str) -> Option<PathBuf> {
    let folders = crate::support::crds::genuine().into_iter().flatten();
    let mut files = folders.filter_map(|folder| Some(folder.parent()?.join("calico.yaml")));
    let of_release = |file: &PathBuf| {
        let folder = file.parent().and_then(Path::file_name);
        file.exists() && folder.is_some_and(|folder| folder == release)
    };
    let found = files.find(of_release);
    if found.is_none() {
        let reason = format!("CALICO_CRDS names no folder with a {release}/calico.yaml");
        crate::support::control_plane::skip_note(test, &reason);
    }
    found
}

/// The file as Juju takes it for this resource.
fn gzipped(file: &Path, folder: &Path) -> PathBuf {
    let resource = folder.join("manifests.tar.gz");
    let target = fs::File::create(&resource).expect("a folder of ours");
    let mut encoder = GzEncoder::new(target, Compression::fast());
    let text = fs::read(file).expect("a file that was found");
    encoder.write_all(&text).expect("a file of ours");
    encoder.finish().expect("a file of ours");
    resource
}

/// Installs a genuine release, then the newest, one machine after the other, and never goes back.
fn a_genuine_release_is_installed_and_left_behind(test: &str, release: &str) {
    let Some(file) = genuine(test, release) else {
        return;
    };
    let Some(site) = Settlement::start_or_skip(test) else {
        return;
    };
    let newest = Catalogue::embedded().preferred().to_string();
    site.configure(&[("release", release)]);
    site.settle();
    let unknown = format!("blocked: release: {release} is not one of {newest}");
    let waiting = "waiting: Waiting for the leader to install Calico";
    assert_eq!(site.statuses(), statuses([&*unknown, waiting, waiting]));

    let folder = tempfile::tempdir().expect("a temporary folder");
    site.attach(&gzipped(&file, folder.path()));
    site.settle();
    site.come_up();
    let image = |path: &str| {
        let pod = &site.workloads.at(path)["spec"]["template"]["spec"];
        pod["containers"][0]["image"].clone()
    };
    let installed = image(DAEMON_SET);
    let installed = installed.as_str().unwrap_or_default();
    assert!(
        installed.ends_with(&format!("/calico/node:{release}")),
        "{installed}"
    );
    assert_eq!(site.workloads.at(RECORD)["data"]["release"], json!(release));
    site.assert_at_rest();

    upgrade(&site, &newest);
    assert_eq!(image(DAEMON_SET), format!("quay.io/calico/node:{newest}"));
    assert_eq!(
        image(CONTROLLERS),
        format!("quay.io/calico/kube-controllers:{newest}")
    );
    assert_installed(&site);
    site.assert_at_rest();
    nothing_is_left_of_the_former(&site);

    let before = site.installed_versions();
    for (wanted, reason) in [
        (
            release,
            format!("{release} is older than {newest}, which runs"),
        ),
        (
            "3.30.0",
            format!("v3.30.0 is not one of {newest}, {release}"),
        ),
    ] {
        site.configure(&[("release", wanted)]);
        site.settle();
        let blocked = format!("blocked: release: {reason}");
        let ready = "active: Ready";
        assert_eq!(site.statuses(), statuses([&*blocked, ready, ready]));
        assert_eq!(site.installed_versions(), before);
    }
    site.configure(&[("release", &newest)]);
    site.settle();
    site.update();
    site.assert_ready();
}

/// Sets the newest release while no kubelet does anything, so that the roll-out stands still behind its first pod.
fn upgrade(site: &Settlement, newest: &str) {
    site.workloads.pause();
    site.configure(&[("release", newest)]);
    site.settle();
    let replaced = site.workloads.wait_for("a first new pod", || {
        let set = site.daemon_set();
        let seen = set["status"]["observedGeneration"] == set["metadata"]["generation"];
        let pods = site.workloads.pods(AGENTS);
        let is_new = |pod: &Value| {
            let image = pod["spec"]["containers"][0]["image"].as_str();
            image.is_some_and(|image| image.ends_with(newest))
        };
        let (node, _) = pods.into_iter().find(|(_, pod)| is_new(pod))?;
        (seen && set["status"]["updatedNumberScheduled"] == 1).then_some(node)
    });
    // Of a machine whose own pod is being replaced its own unit tells; the leader looks on from another one.
    let leader = UNITS[usize::from(replaced == "node-0")];
    site.elect(leader);
    site.settle();
    site.update();
    let expected = UNITS.map(|unit| {
        let node = unit.replace("calico/", "node-");
        match unit {
            _ if node == replaced => format!("waiting: calico-node on {node}: Pending"),
            _ if unit == leader => {
                "maintenance: calico-node 1 of 3 updated; calico-kube-controllers: no pod yet"
                    .to_owned()
            }
            _ => "active: Ready".to_owned(),
        }
    });
    assert_eq!(site.statuses(), statuses(expected));
    site.workloads.resume();
    site.come_up();
    site.elect("calico/0");
    site.settle();
    site.update();
}

/// What carries the charm's mark is in the newest documents, or is a definition, with which all its objects would go.
fn nothing_is_left_of_the_former(site: &Settlement) {
    let wanted: Vec<String> = Settlement::documents()
        .iter()
        .filter(|document| document.stage() != Stage::Definitions)
        .map(calico_charm::manifests::Document::path)
        .collect();
    let mut collections: Vec<&str> = wanted
        .iter()
        .filter_map(|path| Some(path.rsplit_once('/')?.0))
        .collect();
    collections.sort_unstable();
    collections.dedup();
    for collection in collections {
        let listed = site
            .workloads
            .listed(&format!("{collection}?labelSelector={INSTALLED}"));
        for object in listed {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let path = format!("{collection}/{name}");
            assert!(wanted.contains(&path), "{path}");
        }
    }
}

#[test]
fn release_3_29_is_installed_and_left_behind() {
    let test = "release_3_29_is_installed_and_left_behind";
    a_genuine_release_is_installed_and_left_behind(test, "v3.29.7");
}

#[test]
fn release_3_31_is_installed_and_left_behind() {
    let test = "release_3_31_is_installed_and_left_behind";
    a_genuine_release_is_installed_and_left_behind(test, "v3.31.7");
}

#[test]
fn a_charm_older_than_its_calico_changes_nothing() {
    let test = "a_charm_older_than_its_calico_changes_nothing";
    let Some(site) = Settlement::settled_or_skip(test) else {
        return;
    };
    let newer = json!({"metadata": {"labels": {"juju.io/manifest-version": "calico-v9.9.9"}}});
    site.workloads.merge("calico-charm", DAEMON_SET, newer);
    let before = site.installed_versions();
    site.driver
        .model(|model| model.refresh("calico"))
        .expect("the application");
    site.configure(&[("image-registry", "registry.example.com")]);
    site.settle();
    let newest = Catalogue::embedded().preferred();
    let blocked =
        format!("blocked: release: v9.9.9 runs, and the newest the charm has is {newest}");
    let ready = "active: Ready";
    assert_eq!(site.statuses(), statuses([&*blocked, ready, ready]));
    assert_eq!(site.installed_versions(), before);
}
