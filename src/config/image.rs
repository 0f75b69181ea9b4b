//! Image names.

use super::problem::Problem;
use super::reader::OptionText;

/// `host[:port][/path][:tag][@digest]`, loosely: what no registry could serve is refused, the rest is the registry's to say.
pub(super) fn check_image(text: &OptionText<'_>) -> Option<Problem> {
    let image = text.trimmed;
    let allowed = |char: char| char.is_ascii_alphanumeric() || "._-:/@+".contains(char);
    if let Some((_, rest)) = image.split_once("://") {
        let problem = text.problem(image, "has a URL scheme, which image names have not");
        return Some(problem.remedy(format!("write {rest}")));
    }
    let shape = "write <registry host>[:<port>]/<path>";
    if let Some(char) = image.chars().find(|char| !allowed(*char)) {
        return Some(
            text.problem(image, format!("has {char:?}, which no image name has"))
                .remedy(shape),
        );
    }
    if image.split('/').any(str::is_empty) {
        return Some(text.problem(image, "has a slash too many").remedy(shape));
    }
    let port = image
        .split_once('/')
        .and_then(|(host, _)| host.split_once(':'));
    if port.is_some_and(|(host, port)| {
        host.is_empty() || port.parse::<u16>().map_or(true, |port| port == 0)
    }) {
        return Some(
            text.problem(image, "has no valid registry port")
                .remedy(shape),
        );
    }
    None
}
