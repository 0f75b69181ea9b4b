//! Times, and how they compare.

use std::time::Duration;

/// One contender.
pub struct Row {
    name: String,
    pub times: Vec<Duration>,
}

impl Row {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            times: Vec::new(),
        }
    }

    /// In milliseconds.
    pub fn median(&self) -> f64 {
        self.quantile(50)
    }

    fn quantile(&self, percent: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort();
        let index = (times.len().saturating_sub(1)) * percent / 100;
        times
            .get(index)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }
}

/// Prints a table; the ratios are to the first row.
pub fn print(title: &str, rows: impl IntoIterator<Item = Row>) {
    println!("| {title} | median, ms | 10 % to 90 %, ms | ratio |\n|---|---|---|---|");
    let mut first = None;
    for row in rows {
        let median = row.median();
        let ratio = median / *first.get_or_insert(median);
        let (low, high) = (row.quantile(10), row.quantile(90));
        println!(
            "| {} | {median:.1} | {low:.1} to {high:.1} | {ratio:.2} |",
            row.name
        );
    }
    println!();
}
