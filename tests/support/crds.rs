//! Calico's CRDs in a control plane: the project's own small ones, and genuine ones that lie elsewhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde::Deserialize;
use serde_json::Value;

use super::control_plane::{ControlPlane, blocking};

/// Names a folder with one folder for each Calico release, CRDs in each.
const GENUINE: &str = "CALICO_CRDS";
const SERVED_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// The API server sleeps this long before it creates an object of a CRD established more recently than that
/// (k8s.io/apiextensions-apiserver, `customresource_handler.go`); tests would measure that sleep.
const PUTS_OFF: SignedDuration = SignedDuration::from_secs(2);

/// The project's own CRDs: `v1` (crd.projectcalico.org) or `v3` (projectcalico.org).
pub fn own(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/crds/{version}.yaml"))
}

/// Every genuine set of CRDs in the folder that `CALICO_CRDS` names; `None` when it names none.
///
/// A release has `crds.yaml` (crd.projectcalico.org) and may have `native-v3-crds.yaml` (projectcalico.org).
pub fn genuine() -> Option<Vec<PathBuf>> {
    let root = PathBuf::from(std::env::var_os(GENUINE)?);
    let entries =
        fs::read_dir(&root).unwrap_or_else(|error| panic!("{GENUINE}={}: {error}", root.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .flat_map(|release| ["crds.yaml", "native-v3-crds.yaml"].map(|name| release.join(name)))
        .filter(|file| file.is_file())
        .collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "{GENUINE}={}: no <release>/crds.yaml",
        root.display()
    );
    Some(files)
}

/// Every genuine install document in the folder that `CALICO_CRDS` names; `None` when it names none.
pub fn genuine_documents() -> Option<Vec<PathBuf>> {
    let root = PathBuf::from(std::env::var_os(GENUINE)?);
    let entries =
        fs::read_dir(&root).unwrap_or_else(|error| panic!("{GENUINE}={}: {error}", root.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .flat_map(|release| ["calico.yaml", "calico-native-v3.yaml"].map(|name| release.join(name)))
        .filter(|file| file.is_file())
        .collect();
    files.sort();
    Some(files)
}

/// The documents of a YAML file, empty ones left out.
pub fn documents(yaml: &str) -> Result<Vec<Value>, String> {
    let documents = serde_yaml::Deserializer::from_str(yaml).map(Value::deserialize);
    let documents: Result<Vec<Value>, _> = documents.collect();
    let mut documents = documents.map_err(|error| format!("no YAML: {error}"))?;
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

impl ControlPlane {
    /// Applies a file of CRDs and returns when each is served, listed by discovery and ready for objects.
    ///
    /// # Errors
    /// When the file is no YAML, holds anything but CRDs, or the API server refuses one.
    pub fn apply_crds(&self, file: &Path) -> Result<(), String> {
        let failed = |error: String| format!("{}: {error}", file.display());
        let yaml = fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
        self.apply_crds_text(&yaml).map_err(failed)
    }

    /// [`apply_crds`](Self::apply_crds) from text.
    ///
    /// # Errors
    /// As there.
    pub fn apply_crds_text(&self, yaml: &str) -> Result<(), String> {
        let crds = documents(yaml)?;
        if crds.is_empty() {
            return Err("no CRD in it".to_owned());
        }
        blocking(async {
            let client = self.client().await;
            let apply = crds.into_iter().map(|crd| apply_one(client.clone(), crd));
            let served = try_join_all(apply).await?;
            let wait = served
                .into_iter()
                .map(|resource| resource.wait(client.clone()));
            try_join_all(wait).await.map(|_| ())
        })
    }
}

/// One version of a custom resource.
struct Resource {
    crd: String,
    group: String,
    version: String,
    plural: String,
}

async fn apply_one(client: Client, crd: Value) -> Result<Resource, String> {
    let gvk = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let field = |pointer: &str| {
        let text = crd.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned)
            .ok_or(format!("a document without {pointer}"))
    };
    let (kind, name) = (field("/kind")?, field("/metadata/name")?);
    if kind != gvk.kind {
        return Err(format!("{kind} {name} is no CRD"));
    }
    let resource = Resource {
        crd: format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"),
        group: field("/spec/group")?,
        version: field("/spec/versions/0/name")?,
        plural: field("/spec/names/plural")?,
    };
    let api: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk(&gvk));
    let params = PatchParams::apply("calico-charm-tests").force();
    api.patch(&name, &params, &Patch::Apply(&crd))
        .await
        .map_err(|error| format!("CRD {name}: {}", refusal(error)))?;
    Ok(resource)
}

impl Resource {
    /// A CRD that was accepted is neither served nor discovered at once.
    async fn wait(self, client: Client) -> Result<(), String> {
        let deadline = Instant::now() + SERVED_WITHIN;
        loop {
            let answer = self.ready_in(&client).await;
            let pause = match answer {
                Ok(Some(Duration::ZERO)) => return Ok(()),
                Ok(Some(rest)) => rest,
                _ => POLL,
            };
            if Instant::now() > deadline {
                let crd = self.crd;
                return Err(format!(
                    "{crd}: not served in {SERVED_WITHIN:?}: {answer:?}"
                ));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// How long until objects can be created, if that can be said already.
    async fn ready_in(&self, client: &Client) -> Result<Option<Duration>, kube::Error> {
        let Self { group, version, .. } = self;
        let rest = put_off(&get(client, &self.crd).await?);
        if rest != Some(Duration::ZERO) {
            return Ok(rest);
        }
        let listed = |list: &Value, field: &str, name: &str| {
            let entries = list[field].as_array();
            entries.is_some_and(|entries| entries.iter().any(|entry| entry["name"] == name))
        };
        let path = format!("/apis/{group}/{version}");
        let discovered = listed(&get(client, "/apis").await?, "groups", group)
            && listed(&get(client, &path).await?, "resources", &self.plural);
        get(client, &format!("{path}/{}?limit=1", self.plural)).await?;
        Ok(discovered.then_some(Duration::ZERO))
    }
}

/// For how long the API server still puts off what is created, once the CRD is established.
fn put_off(crd: &Value) -> Option<Duration> {
    let conditions = crd["status"]["conditions"].as_array()?;
    let established = conditions
        .iter()
        .find(|condition| condition["type"] == "Established" && condition["status"] == "True")?;
    let Time(since) = Time::deserialize(&established["lastTransitionTime"]).ok()?;
    let rest = PUTS_OFF - Timestamp::now().duration_since(since);
    Some(Duration::try_from(rest).unwrap_or_default())
}

/// The API server's own sentence where there is one.
fn refusal(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => other.to_string(),
    }
}

/// What the API server answers to a GET of `path`.
///
/// # Errors
/// Whatever the client or the API server says.
pub async fn get(client: &Client, path: &str) -> Result<Value, kube::Error> {
    let request = http::Request::get(path).body(Vec::new());
    client.request(request.expect("a path of the API")).await
}
