//! Where the user's files say what a finding is about.

use std::cell::Cell;
use std::collections::BTreeMap;

use crate::cli::diagnostics::Diagnostic;
use crate::cli::fabric::{Fabric, SourceFile, Spot};
use crate::fabric::{Finding, Origin};
use crate::model::UnitName;

/// How many of the findings that one repair would mend are listed below the one it is named at.
const FOLDED_SHOWN: usize = 4;

/// How many places are looked up: each costs a reading of its option, and nobody reads that many findings.
const LOOKED_UP: u32 = 100;

/// The files, where there are any: a check of a live cluster has none.
#[derive(Debug, Default)]
pub(in crate::cli) struct Sources<'f> {
    fabric: Option<&'f Fabric>,
    units: BTreeMap<&'f UnitName, Spot>,
    routers: BTreeMap<&'f str, Spot>,
    looked_up: Cell<u32>,
}

impl<'f> Sources<'f> {
    /// The files of a fabric.
    pub(in crate::cli) fn of(fabric: &'f Fabric) -> Self {
        let units = fabric.units.iter().map(|unit| (&unit.unit, unit.spot));
        let routers = fabric.routers.iter();
        Self {
            fabric: Some(fabric),
            units: units.collect(),
            routers: routers
                .map(|router| (router.name.as_str(), router.spot))
                .collect(),
            looked_up: Cell::new(0),
        }
    }

    /// The files themselves.
    pub(in crate::cli) fn files(&self) -> &'f [SourceFile] {
        self.fabric.map_or(&[], |fabric| fabric.files.as_slice())
    }

    /// The application that the fabric is of.
    pub(in crate::cli) fn application(&self) -> &'f str {
        self.fabric
            .map_or("calico", |fabric| fabric.application.as_str())
    }

    fn spot(&self, origin: &Origin, value: Option<&str>) -> Option<Spot> {
        match origin {
            Origin::Option(place) => {
                let fabric = self.fabric?;
                let looked_up = self.looked_up.get();
                if looked_up >= LOOKED_UP {
                    return None;
                }
                self.looked_up.set(looked_up + 1);
                fabric.options.spot_of(&fabric.files, place, value)
            }
            Origin::Router(name) => self.routers.get(name.as_str()).copied(),
            Origin::Unit(unit) => self.units.get(unit).copied(),
            Origin::Object { .. } => None,
        }
    }

    /// A finding at its place in the files.
    pub(in crate::cli) fn diagnostic(&self, finding: &Finding) -> Diagnostic {
        let value = finding.value.as_deref();
        let other = finding.other.as_ref().map(|(origin, label)| {
            let spot = self.spot(origin, None);
            // Without a line to point at the place has to be said.
            let label = match spot {
                Some(_) => label.clone(),
                None => format!("{origin}: {label}"),
            };
            (spot, label)
        });
        Diagnostic {
            severity: finding.severity(),
            code: Some(finding.code),
            message: format!("{}: {}", finding.origin, finding.message),
            help: finding.remedy.clone(),
            command: finding.command.clone(),
            notes: folded(finding),
            spot: self.spot(&finding.origin, value),
            value: finding.value.clone(),
            place: finding.origin.place().cloned(),
            other,
        }
    }
}

/// The findings that the same repair would mend, in a few lines.
fn folded(finding: &Finding) -> Vec<String> {
    let mut notes: Vec<String> = finding
        .folded
        .iter()
        .take(FOLDED_SHOWN)
        .map(|one| {
            let place = if one.origin == finding.origin {
                String::new()
            } else {
                format!("{}: ", one.origin)
            };
            format!("so {place}{} ({})", one.message, one.code)
        })
        .collect();
    let more = finding.folded.len().saturating_sub(FOLDED_SHOWN);
    if more > 0 {
        notes.push(format!("so {more} more of the kind"));
    }
    notes
}
