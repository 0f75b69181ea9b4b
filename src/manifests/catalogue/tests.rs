use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const ACCOUNT: &str = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: calico-node, namespace: kube-system}}\n";

fn node(image: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: DaemonSet, metadata: {{name: calico-node, namespace: kube-system}}, \
         spec: {{template: {{spec: {{containers: [{{name: x}}, {{name: calico-node, image: {image:?}}}]}}}}}}}}\n"
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        // Set as bytes: the writer refuses paths that lead elsewhere, and such are among the tests.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

fn release(text: &str) -> Release {
    text.parse().unwrap()
}

fn names(catalogue: &Catalogue) -> Vec<String> {
    catalogue
        .releases()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_charm_has_documents_of_its_own() {
    let catalogue = Catalogue::embedded();
    assert_eq!(names(&catalogue), ["v3.32.1"]);
    let documents = catalogue.documents(catalogue.preferred()).unwrap();
    assert_eq!(release_of(&documents).unwrap(), embedded::RELEASE);
    assert_eq!(
        catalogue.fingerprint(catalogue.preferred()).unwrap().len(),
        16
    );
    assert_eq!(catalogue.fingerprint(release("v1.0.0")), None);
    let error = catalogue.documents(release("v1.0.0")).unwrap_err();
    assert!(matches!(error, CatalogueError::UnknownRelease(_)));
}

#[test]
fn a_file_is_of_the_release_of_its_image() {
    for (image, name) in [
        ("quay.io/calico/node:v3.31.7", "v3.31.7"),
        ("mirror:5000/calico/node:v3.33.0@sha256:00", "v3.33.0"),
    ] {
        let text = format!("{ACCOUNT}---\n{}", node(image));
        for bytes in [text.clone().into_bytes(), gzip(text.as_bytes())] {
            let catalogue = Catalogue::with_resource(&bytes).unwrap();
            assert!(names(&catalogue).contains(&name.to_owned()));
            assert_eq!(catalogue.preferred(), release(name));
            assert_eq!(catalogue.documents(release(name)).unwrap().len(), 2);
        }
    }
}

#[test]
fn an_archive_holds_releases() {
    let files: &[(&str, &[u8])] = &[
        ("README", b"not looked at"),
        ("v3.31.7/calico.yaml", ACCOUNT.as_bytes()),
        ("v3.31.7/._calico.yaml", b"\xff"),
        ("v3.31.7/notes.txt", b"\xff"),
        ("./some/3.29.7/calico.yml", ACCOUNT.as_bytes()),
        ("../../v3.28.0/calico.yaml", ACCOUNT.as_bytes()),
        ("/etc/v3.27.0/calico.yaml", ACCOUNT.as_bytes()),
        ("v3.30.0/../calico.yaml", b"\xff"),
        ("v3.32.1/calico.yaml", ACCOUNT.as_bytes()),
    ];
    for bytes in [tar(files), gzip(&tar(files))] {
        let catalogue = Catalogue::with_resource(&bytes).unwrap();
        let expected = ["v3.32.1", "v3.31.7", "v3.29.7", "v3.28.0", "v3.27.0"];
        assert_eq!(names(&catalogue), expected);
        for release in catalogue.releases() {
            assert_eq!(
                catalogue.documents(release).unwrap().len(),
                1,
                "the resource's count"
            );
        }
    }
}

#[test]
fn the_newest_of_the_resource_runs_where_none_is_chosen() {
    let archive = |releases: &[&str]| {
        let paths: Vec<String> = releases
            .iter()
            .map(|release| format!("{release}/calico.yaml"))
            .collect();
        let files: Vec<(&str, &[u8])> = paths
            .iter()
            .map(|path| (path.as_str(), ACCOUNT.as_bytes()))
            .collect();
        Catalogue::with_resource(&tar(&files)).unwrap().preferred()
    };
    assert_eq!(Catalogue::embedded().preferred(), embedded::RELEASE);
    // Older than the charm's own all the same: somebody attached it for a reason.
    assert_eq!(archive(&["v3.29.7"]), release("v3.29.7"));
    assert_eq!(
        archive(&["v3.31.7", "v3.9.0", "v3.29.7"]),
        release("v3.31.7")
    );
    assert_eq!(archive(&["v9.9.9", "v3.29.7"]), release("v9.9.9"));
}

#[test]
fn a_folder_must_not_say_another_release_than_its_image() {
    let file = |image: &str| tar(&[("v3.31.7/calico.yaml", node(image).as_bytes())]);
    for (image, refused) in [
        ("quay.io/calico/node:v3.31.7", None),
        // A site's own tag says nothing.
        ("quay.io/calico/node:ours", None),
        (
            "quay.io/calico/node:v3.30.1",
            Some("v3.31.7 holds the documents of v3.30.1"),
        ),
    ] {
        let catalogue = Catalogue::with_resource(&file(image)).unwrap();
        let error = catalogue.documents(release("v3.31.7")).err();
        assert!(
            error
                .as_ref()
                .is_none_or(|error| matches!(error, CatalogueError::OtherRelease { .. })),
            "{error:?}"
        );
        assert_eq!(
            error.map(|error| error.to_string()).as_deref(),
            refused,
            "{image}"
        );
    }
}

#[test]
fn lists_are_unfolded() {
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n- {ACCOUNT}- {}",
        node("n:v3.31.7")
    );
    let catalogue = Catalogue::with_resource(list.as_bytes()).unwrap();
    let documents = catalogue.documents(release("v3.31.7")).unwrap();
    let ids: Vec<String> = documents.iter().map(|one| one.id().to_string()).collect();
    assert_eq!(
        ids,
        [
            "ServiceAccount/kube-system/calico-node",
            "DaemonSet/kube-system/calico-node"
        ]
    );
}

#[test]
fn a_bad_resource_is_refused_with_a_reason() {
    let cut = gzip(&tar(&[("v3.31.7/calico.yaml", ACCOUNT.as_bytes())]));
    let mut bad_sum = tar(&[("v3.31.7/calico.yaml", ACCOUNT.as_bytes())]);
    bad_sum[0] ^= 1;
    for (bytes, message) in [
        (Vec::new(), "has no DaemonSet kube-system/calico-node"),
        (ACCOUNT.into(), "has no DaemonSet kube-system/calico-node"),
        (
            node("quay.io/calico/node:master").into(),
            "does not tell its release",
        ),
        (
            node("quay.io/calico/node@sha256:00").into(),
            "does not tell its release",
        ),
        (node("host:5000/node").into(), "does not tell its release"),
        (b"\x7fELF\x00".to_vec(), "is neither YAML nor a tar archive"),
        (
            b"PK\x03\x04\xff".to_vec(),
            "is neither YAML nor a tar archive",
        ),
        (b"\xff\xfea".to_vec(), "is neither YAML nor a tar archive"),
        (cut[..cut.len() / 2].to_vec(), "is damaged"),
        (bad_sum, "is damaged"),
        (
            tar(&[("calico.yaml", b"")]),
            "has no file <release>/calico.yaml",
        ),
        (
            tar(&[("v3.31.7/calico.yaml", b"\xff")]),
            "has v3.31.7/calico.yaml, which is no text",
        ),
        (gzip(&vec![b'#'; 17 << 20]), "holds more than 16 MiB"),
        (
            gzip(&tar(&[
                ("v3.31.7/a.yaml", &vec![b'#'; 9 << 20]),
                ("v3.31.7/b.yaml", &vec![b'#'; 9 << 20]),
            ])),
            "holds more than 16 MiB",
        ),
        (vec![b'#'; 17 << 20], "holds more than 16 MiB"),
    ] {
        assert_refused(&bytes, message);
    }
}

fn assert_refused(bytes: &[u8], message: &str) {
    let catalogue = Catalogue::with_resource(bytes).map(|catalogue| names(&catalogue));
    let error = catalogue.expect_err(message);
    assert!(error.to_string().starts_with(message), "{message}: {error}");
    assert!(!error.remedy().is_empty());
}

#[test]
fn a_bad_document_is_refused_with_its_place() {
    let node = node("quay.io/calico/node:v3.31.7");
    for (text, message) in [
        ("a: &x [1]\nb: *x\n", "document 2 has an anchor at line 3"),
        ("a: [\n", "document 2 is not YAML at line "),
        (
            "[]",
            "line 3: is not a Kubernetes object: it has no apiVersion",
        ),
        (&node, "line 3: a second DaemonSet/kube-system/calico-node"),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: x}}",
            "line 3: Pod/x of v1 is not a kind that",
        ),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: calico-etcd-secrets, namespace: kube-system}}",
            "line 3: Secret/kube-system/calico-etcd-secrets of v1",
        ),
        (
            "{apiVersion: apps/v1, kind: ConfigMap, metadata: {name: x, namespace: y}}",
            "line 3: ConfigMap/y/x of apps/v1",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: x}}",
            "line 3: ConfigMap/x has no namespace",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: ../..}}",
            "line 3: \"../..\" is not a name",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: \"a/b\", namespace: x}}",
            "line 3: \"a/b\" is not a name",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: .., namespace: x}}",
            "line 3: \"..\" is not a name",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: \"a?b=%2e\", namespace: x}}",
            "line 3: \"a?b=%2e\" is not a name",
        ),
        (
            "{apiVersion: apps/v1/x, kind: DaemonSet, metadata: {name: x, namespace: x}}",
            "line 3: is not a Kubernetes object",
        ),
    ] {
        let comma = if message.starts_with("line") {
            ","
        } else {
            ":"
        };
        let message = format!("the file{comma} {message}");
        assert_refused(format!("{node}---\n{text}").as_bytes(), &message);
    }
}

#[test]
fn what_the_api_server_writes_is_left_out() {
    let value = serde_json::json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "status": {"x": 1},
        "metadata": {"name": "system:calico", "namespace": "kube-system", "uid": "u", "resourceVersion": "1",
            "creationTimestamp": null, "managedFields": [], "generation": 1, "labels": {"a": "b"}},
    });
    let document = Document::new(value).unwrap();
    assert_eq!(
        document.value(),
        &serde_json::json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": "system:calico", "labels": {"a": "b"}},
        })
    );
    assert_eq!(
        document.path(),
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:calico"
    );
}

#[test]
fn a_document_knows_its_path_and_back() {
    for document in Catalogue::embedded().documents(embedded::RELEASE).unwrap() {
        let collection = document.collection_path();
        assert_eq!(document.path(), format!("{collection}/{}", document.name()));
        let id = DocumentId::of_collection(&collection, document.namespace(), document.name());
        assert_eq!(id, Some(document.id()));
    }
    let node = DocumentId::namespaced("DaemonSet", "calico-node");
    assert_eq!(node.to_string(), "DaemonSet/kube-system/calico-node");
    assert_eq!(
        DocumentId::of_collection("/apis/batch/v1/jobs", None, "x"),
        None
    );
    assert_eq!(DocumentId::of_collection("/api", None, "x"), None);
}
