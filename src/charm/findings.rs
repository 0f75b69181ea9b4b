//! What is said of a fabric's findings: in the status, in the log, in an action. Pure.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::fabric::{Finding, Severity};
use crate::juju::tools::LogLevel;
use crate::printable::printable_line;
use crate::status::Status;

/// Findings that the log shows; actions and the command show all.
const LOGGED: usize = 20;

/// What the check of the fabric has found, worst first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// The application, whose options the commands set.
    pub application: String,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl Findings {
    /// The status where they keep the leader from writing.
    #[must_use]
    pub fn status(&self) -> Status {
        let errors = self.notes(Severity::Error);
        let first = errors.first().map_or("", String::as_str);
        Status::blocked_by(first, errors.len().saturating_sub(1))
    }

    /// What stands beside `Ready` for findings of one severity.
    #[must_use]
    pub fn notes(&self, severity: Severity) -> Vec<String> {
        let of_severity = |finding: &&Finding| finding.severity() == severity;
        self.findings
            .iter()
            .filter(of_severity)
            .map(headline)
            .collect()
    }

    /// What the log says.
    #[must_use]
    pub fn lines(&self) -> Vec<(LogLevel, String)> {
        let shown = self.findings.iter().take(LOGGED);
        let mut lines: Vec<(LogLevel, String)> = shown
            .map(|finding| (level(finding), self.line(finding)))
            .collect();
        if self.findings.len() > LOGGED {
            let more = self.findings.len() - LOGGED;
            let line = format!(
                "{more} more findings: juju run {}/leader check",
                self.application
            );
            lines.push((LogLevel::Warning, line));
        }
        lines
    }

    /// A finding as actions list it: the way out below it.
    #[must_use]
    pub fn entry(&self, finding: &Finding) -> String {
        let severity = finding.severity().as_str();
        let mut entry = format!("{severity}: {}", printable_line(&headline(finding)));
        if let Some(way_out) = self.way_out(finding) {
            entry.push_str("\n    ");
            entry.push_str(&printable_line(&way_out));
        }
        entry
    }

    /// As actions print them for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let findings = self.findings.iter().map(|finding| {
            let place = finding.origin.place();
            json!({
                "code": finding.code.to_string(),
                "severity": finding.severity().as_str(),
                "at": finding.origin.to_string(),
                "option": place.map(|place| place.option.as_str()),
                "path": place.map(|place| place.path.as_str()),
                "message": finding.message,
                "remedy": finding.remedy,
                "command": self.command(finding),
                "units": finding.units,
            })
        });
        findings.collect()
    }

    /// A finding in one line, with the way out.
    #[must_use]
    pub fn line(&self, finding: &Finding) -> String {
        let mut line = headline(finding);
        let other = finding.other.as_ref();
        // Many messages name the second place themselves.
        let unnamed = other.filter(|(origin, _)| !line.contains(&origin.to_string()));
        if let Some((origin, label)) = unnamed {
            // Writing to a String cannot fail.
            let _ = write!(line, " ({origin}: {label})");
        }
        if let Some(way_out) = self.way_out(finding) {
            line.push_str("; ");
            line.push_str(&way_out);
        }
        if !finding.folded.is_empty() {
            let codes: Vec<String> = finding
                .folded
                .iter()
                .map(|folded| folded.code.to_string())
                .collect();
            let _ = write!(line, " (mends {} too)", codes.join(", "));
        }
        line
    }

    /// What to do, and the line to paste.
    #[must_use]
    pub fn way_out(&self, finding: &Finding) -> Option<String> {
        match (&finding.remedy, self.command(finding)) {
            (Some(remedy), Some(command)) => Some(format!("{remedy}: {command}")),
            (Some(remedy), None) => Some(remedy.clone()),
            (None, command) => command,
        }
    }

    /// The line to paste, for this application.
    fn command(&self, finding: &Finding) -> Option<String> {
        let of_application = format!("juju config {} ", self.application);
        let command = finding.command.as_ref()?;
        Some(command.replacen("juju config calico ", &of_application, 1))
    }
}

fn level(finding: &Finding) -> LogLevel {
    match finding.severity() {
        Severity::Error => LogLevel::Error,
        Severity::Warning => LogLevel::Warning,
        Severity::Note => LogLevel::Info,
    }
}

/// `F020 unit-bgp-peers: 3[0]: gives …`.
#[must_use]
pub fn headline(finding: &Finding) -> String {
    format!("{} {}: {}", finding.code, finding.origin, finding.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fabric::Origin;
    use crate::model::Place;

    fn finding(code: u16, path: &str) -> Finding {
        let place = Place {
            option: "global-bgp-peers".to_owned(),
            path: path.to_owned(),
        };
        Finding::new(
            code,
            Origin::Option(place),
            "gives 10.0.0.2 another AS number",
        )
    }

    fn derived(code: u16) -> Finding {
        finding(code, "")
    }

    fn found(findings: Vec<Finding>) -> Findings {
        Findings {
            application: "calico-two".to_owned(),
            findings,
        }
    }

    fn lines(findings: &Findings) -> Vec<String> {
        let lines = findings.lines().into_iter();
        lines
            .map(|(level, line)| format!("{} {line}", format!("{level:?}").to_uppercase()))
            .collect()
    }

    #[test]
    fn a_line_names_the_way_out_for_this_application() {
        let other = Origin::option("global-as-number");
        let finding = finding(20, "[0]")
            .other(other, "gives it 64512")
            .remedy("write 64512")
            .command("juju config calico global-bgp-peers='[]'");
        let finding = Finding {
            folded: vec![derived(60), derived(62)],
            ..finding
        };
        assert_eq!(
            lines(&found(vec![finding])),
            [
                "ERROR F020 global-bgp-peers: [0]: gives 10.0.0.2 another AS number (global-as-number: gives it 64512); \
                 write 64512: juju config calico-two global-bgp-peers='[]' (mends F060, F062 too)"
            ]
        );
    }

    #[test]
    fn notes_are_logged_and_no_more() {
        let findings = found(vec![finding(20, "[0]"), finding(34, ""), finding(108, "")]);
        for (severity, code) in [(Severity::Error, "F020 "), (Severity::Warning, "F034 ")] {
            let notes = findings.notes(severity);
            assert_eq!(notes.len(), 1);
            assert!(notes[0].starts_with(code), "{notes:?}");
        }
        let lines = lines(&findings);
        assert!(lines[1].starts_with("WARNING F034 "), "{lines:?}");
        assert!(lines[2].starts_with("INFO F108 "), "{lines:?}");
    }

    #[test]
    fn the_log_is_cut_and_the_status_counts_errors() {
        let mut many: Vec<Finding> = (0..25)
            .map(|peer| finding(20, &format!("[{peer}]")))
            .collect();
        many.push(finding(34, ""));
        let findings = found(many);
        let lines = lines(&findings);
        assert_eq!(lines.len(), LOGGED + 1);
        assert_eq!(
            lines[LOGGED],
            "WARNING 6 more findings: juju run calico-two/leader check"
        );
        assert_eq!(
            findings.status().to_string(),
            "blocked: F020 global-bgp-peers: [0]: gives 10.0.0.2 another AS number (+24 more)"
        );
    }

    #[test]
    fn programs_get_the_parts() {
        let finding = finding(20, "[0]").command("juju config calico global-bgp-peers='[]'");
        let json = found(vec![finding]).to_json();
        assert_eq!(json[0]["code"], "F020");
        assert_eq!(json[0]["severity"], "error");
        assert_eq!(json[0]["option"], "global-bgp-peers");
        assert_eq!(json[0]["path"], "[0]");
        assert_eq!(
            json[0]["command"],
            "juju config calico-two global-bgp-peers='[]'"
        );
        assert!(json[0]["remedy"].is_null());
    }
}
