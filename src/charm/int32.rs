//! AS numbers above 2147483647, which Calico's CRDs cannot hold where Kubernetes enforces their `int32` format (1.36 and
//! later): said before anything is written, and only asked where such a number is to be written. Performs IO.

use futures::try_join;
use serde_json::Value;

use super::disposition::int32_status;
use super::reconcile::Stop;
use crate::cluster::{ApiError, Kubernetes, Mode};
use crate::model::AsNumber;
use crate::plan::{Blocked, Live, Plan, Step};

/// An AS number that the plan would write, and the option that asked for it.
struct LargeNumber {
    place: String,
    number: u64,
}

/// Refuses the plan when it would write an AS number that the API server is going to refuse. `global` is the number
/// the leader writes into BGPConfiguration, whose live object is `configuration`.
///
/// # Errors
/// When the plan cannot be carried out, or the API cannot be asked.
pub async fn refuse(
    kubernetes: &Kubernetes,
    mode: Mode,
    plan: &Plan,
    global: Option<AsNumber>,
    configuration: Option<&Live>,
) -> Result<(), Stop> {
    let in_peers = plan.steps().find_map(of_peer);
    let Some(found) = in_peers.or_else(|| of_configuration(global, configuration)) else {
        return Ok(());
    };
    if !is_refused(kubernetes, mode).await? {
        return Ok(());
    }
    let way_out = if found.place == "global-as-number" {
        format!(
            "juju config calico --reset global-as-number, then give the number to the Nodes themselves: \
             juju config calico subnet-as-numbers=\"{{0.0.0.0/0: {}}}\"",
            found.number
        )
    } else {
        "peers need an AS number up to 2147483647 here, for example 64512 to 65534, or a Calico whose CRDs take 32-bit \
         AS numbers; unit-as-numbers and subnet-as-numbers have no such limit, they are Node annotations"
            .to_owned()
    };
    Err(Stop::Blocked(Blocked {
        message: format!(
            "{}: {}",
            found.place,
            int32_status(&found.number.to_string())
        ),
        remedy: way_out,
    }))
}

fn of_peer(step: &Step) -> Option<LargeNumber> {
    let Step::Apply { desired, .. } = step else {
        return None;
    };
    Some(LargeNumber {
        number: large(desired.spec.get("asNumber"))?,
        place: desired.reasons.get("asNumber").cloned().unwrap_or_default(),
    })
}

fn of_configuration(global: Option<AsNumber>, live: Option<&Live>) -> Option<LargeNumber> {
    let global = global.filter(|number| number.exceeds_int32())?;
    let number = u64::from(global.value());
    let stands = live
        .and_then(|live| live.spec("asNumber"))
        .and_then(Value::as_u64);
    (stands != Some(number)).then(|| LargeNumber {
        place: "global-as-number".to_owned(),
        number,
    })
}

fn large(value: Option<&Value>) -> Option<u64> {
    value
        .and_then(Value::as_u64)
        .filter(|number| *number > u64::from(i32::MAX.unsigned_abs()))
}

/// Whether the API server enforces integer formats (Kubernetes 1.36) and Calico's CRD declares int32.
async fn is_refused(kubernetes: &Kubernetes, mode: Mode) -> Result<bool, ApiError> {
    let group = match mode.group.api_version().split_once('/') {
        Some((group, _)) if !mode.aggregated => group,
        _ => "crd.projectcalico.org",
    };
    let crd = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bgppeers.{group}");
    let (version, crd) = try_join!(kubernetes.get("/version"), kubernetes.get(&crd))?;
    let minor: u32 = version
        .as_ref()
        .and_then(|version| version["minor"].as_str())
        .map(|minor| minor.trim_end_matches(|c: char| !c.is_ascii_digit()))
        .and_then(|minor| minor.parse().ok())
        .unwrap_or_default();
    let format = crd.as_ref().map(|crd| {
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            ["asNumber"]["format"]
            .clone()
    });
    Ok(minor >= 36 && format == Some("int32".into()))
}
