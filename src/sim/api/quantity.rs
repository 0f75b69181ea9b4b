//! Amounts of processor and memory as the API server writes them (`apimachinery/pkg/api/resource/quantity.go`).

use serde_json::Value;

/// Decimal suffixes and the thousandths of one unit each stands for.
const DECIMAL: [(&str, u128); 7] = [
    ("E", 10_u128.pow(21)),
    ("P", 10_u128.pow(18)),
    ("T", 10_u128.pow(15)),
    ("G", 10_u128.pow(12)),
    ("M", 10_u128.pow(9)),
    ("k", 10_u128.pow(6)),
    ("m", 1),
];
/// Binary suffixes and the bytes each stands for.
const BINARY: [(&str, u128); 6] = [
    ("Ei", 1 << 60),
    ("Pi", 1 << 50),
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
];

/// The one way to write an amount: the largest suffix of its own sort that leaves a whole number. Nothing for what is
/// no amount, or one finer than a thousandth.
pub(super) fn canonical(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if let Some((number, unit)) = split(&text, &BINARY) {
        let bytes = number.parse::<u128>().ok()?.checked_mul(unit)?;
        return Some(written(bytes, &BINARY).unwrap_or_else(|| bytes.to_string()));
    }
    let (number, unit) = split(&text, &DECIMAL).unwrap_or((text.as_str(), 1000));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let scaled = digits.checked_mul(unit)?;
    let thousandths = scaled.is_multiple_of(scale).then(|| scaled / scale)?;
    let units = thousandths / 1000;
    if thousandths.is_multiple_of(1000) && !units.is_multiple_of(1000) || thousandths == 0 {
        return Some(units.to_string());
    }
    written(thousandths, &DECIMAL)
}

fn split<'t>(text: &'t str, suffixes: &[(&str, u128)]) -> Option<(&'t str, u128)> {
    suffixes
        .iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))
}

fn written(amount: u128, suffixes: &[(&str, u128)]) -> Option<String> {
    let fits = |(_, unit): &&(&str, u128)| amount.is_multiple_of(*unit) && amount > 0;
    let (suffix, unit) = suffixes.iter().find(fits)?;
    Some(format!("{}{suffix}", amount / unit))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_written_one_way() {
        for (given, written) in [
            (json!("250m"), Some("250m")),
            (json!("0.25"), Some("250m")),
            (json!("1"), Some("1")),
            (json!(2), Some("2")),
            (json!("1000m"), Some("1")),
            (json!("1500m"), Some("1500m")),
            (json!("1000"), Some("1k")),
            (json!("1024Mi"), Some("1Gi")),
            (json!("1536Mi"), Some("1536Mi")),
            (json!("100M"), Some("100M")),
            (json!("0"), Some("0")),
            (json!("much"), None),
            (json!(true), None),
        ] {
            assert_eq!(canonical(&given).as_deref(), written, "{given}");
        }
    }
}
