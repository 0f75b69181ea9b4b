//! The same work by programs that do nothing else.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::GROUP;
use crate::support::control_plane::ControlPlane;

/// curl and kubectl with what they need in files: a token is not for a command line.
pub struct Rivals {
    folder: TempDir,
    url: String,
    node: String,
    kubeconfig: PathBuf,
    certificate: PathBuf,
    patches: [(String, &'static str, Value); 6],
}

/// Runs a command that has to succeed.
pub fn timed(command: &mut Command) -> Duration {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let status = command.status().expect("the program is there");
    let took = started.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

impl Rivals {
    pub fn new(plane: &ControlPlane, node: &str) -> Self {
        let kubeconfig = plane.kubeconfig_path();
        let text = fs::read_to_string(&kubeconfig).expect("the control plane's");
        let config: Value = serde_json::from_str(&text).expect("JSON");
        let token = config["users"][0]["user"]["token"]
            .as_str()
            .expect("a token");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let header = format!("Authorization: Bearer {token}\n");
        fs::write(folder.path().join("header"), header).expect("the folder is ours");
        let rivals = Self {
            url: plane.url(),
            node: node.to_owned(),
            kubeconfig,
            certificate: plane.folder().join("apiserver.crt"),
            patches: patches(node),
            folder,
        };
        for (index, (_, _, body)) in rivals.patches.iter().enumerate() {
            fs::write(rivals.file(index), body.to_string()).expect("the folder is ours");
        }
        let mut items: Vec<Value> = rivals.patches[..4]
            .iter()
            .map(|(_, _, body)| body.clone())
            .collect();
        items.push(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": node, "annotations": rivals.patches[5].2["metadata"]["annotations"]},
        }));
        let all = json!({"apiVersion": "v1", "kind": "List", "items": items});
        fs::write(rivals.all(), all.to_string()).expect("the folder is ours");
        rivals
    }

    fn file(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("{index}.json"))
    }

    fn all(&self) -> PathBuf {
        self.folder.path().join("all.json")
    }

    /// What every request of curl is given.
    fn request(&self, curl: &mut Command) {
        let header = format!("@{}", self.folder.path().join("header").display());
        curl.args([
            "--silent",
            "--show-error",
            "--fail",
            "--noproxy",
            "*",
            "--output",
            "/dev/null",
        ]);
        curl.arg("--cacert")
            .arg(&self.certificate)
            .arg("--header")
            .arg(header);
    }

    /// A bare GET.
    pub fn get(&self) -> Command {
        let mut curl = Command::new("curl");
        self.request(&mut curl);
        curl.arg(format!("{}/api/v1/nodes/{}", self.url, self.node));
        curl
    }

    /// What the first hook writes, over one connection.
    pub fn six_patches(&self) -> Command {
        let mut curl = Command::new("curl");
        for (index, (path, content, _)) in self.patches.iter().enumerate() {
            if index > 0 {
                curl.arg("--next");
            }
            self.request(&mut curl);
            let body = format!("@{}", self.file(index).display());
            curl.args([
                "--request",
                "PATCH",
                "--header",
                &format!("Content-Type: {content}"),
            ]);
            curl.args(["--data-binary", &body])
                .arg(format!("{}{path}", self.url));
        }
        curl
    }

    /// The same objects by kubectl, where it is on this machine.
    pub fn kubectl_apply(&self) -> Option<Command> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let there = std::env::split_paths(&path).any(|folder| folder.join("kubectl").exists());
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(&self.kubeconfig);
        // Its cache of discovery is warm, as on a machine where it is used every day.
        kubectl
            .arg("--cache-dir")
            .arg(self.folder.path().join("cache"));
        kubectl.args([
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=bench",
            "-f",
        ]);
        kubectl.arg(self.all());
        there.then_some(kubectl)
    }
}

/// Path, media type and body of each write.
fn patches(node: &str) -> [(String, &'static str, Value); 6] {
    let apply = |plural: &str, kind: &str, name: &str, spec: Value| {
        let path = format!(
            "/apis/{GROUP}/{plural}/{name}?fieldManager=bench&force=true&fieldValidation=Strict"
        );
        let body = json!({"apiVersion": GROUP, "kind": kind, "metadata": {"name": name, "labels": {"app": "bench"}}, "spec": spec});
        (path, "application/apply-patch+yaml", body)
    };
    let annotate = |annotations: Value| {
        let path = format!("/api/v1/nodes/{node}?fieldManager=bench&fieldValidation=Strict");
        (
            path,
            "application/merge-patch+json",
            json!({"metadata": {"annotations": annotations}}),
        )
    };
    let peer = |name: &str, address: &str| {
        apply(
            "bgppeers",
            "BGPPeer",
            name,
            json!({"node": node, "peerIP": address, "asNumber": 64512}),
        )
    };
    let pool = json!({
        "cidr": "192.168.0.0/16", "blockSize": 26, "ipipMode": "Never", "vxlanMode": "Never", "natOutgoing": true,
        "nodeSelector": "all()", "disabled": false,
    });
    let configuration = json!({"asNumber": 64512, "nodeToNodeMeshEnabled": true});
    [
        apply(
            "bgpconfigurations",
            "BGPConfiguration",
            "default",
            configuration,
        ),
        apply("ippools", "IPPool", "ipv4", pool),
        peer("calico-1-10.0.0.1", "10.0.0.1"),
        peer("calico-1-10.0.0.2", "10.0.0.2"),
        annotate(json!({"example.com/unit": "calico/1", "example.com/application": "calico"})),
        annotate(
            json!({"projectcalico.org/ASNumber": "64601", "example.com/applied": "0123456789abcdef settled"}),
        ),
    ]
}
