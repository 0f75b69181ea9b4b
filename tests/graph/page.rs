//! A drawing taken apart: a small reader of XML, and where the words and boxes of a picture are.

use std::collections::BTreeMap;

/// Words in a drawing.
#[derive(Debug, Clone)]
pub struct Words {
    pub text: String,
    pub x: f64,
    /// The line they stand on.
    pub y: f64,
    pub size: f64,
    /// Whether they are red.
    pub bad: bool,
    pub in_item: bool,
}

/// A box of an item.
#[derive(Debug, Clone, Copy)]
pub struct Rectangle {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// A drawing.
#[derive(Debug, Default)]
pub struct Page {
    pub width: f64,
    pub height: f64,
    pub texts: Vec<Words>,
    /// The words of each item by its ID.
    pub items: BTreeMap<String, Vec<String>>,
    boxes: Vec<Rectangle>,
}

/// An element that is open.
struct Open {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

impl Page {
    /// Reads a drawing.
    ///
    /// # Errors
    /// Where it is not well-formed.
    pub fn parse(svg: &str) -> Result<Self, String> {
        let mut page = Self::default();
        let mut open: Vec<Open> = Vec::new();
        let mut rest = svg.trim_end();
        while !rest.is_empty() {
            if let Some(tag) = rest.strip_prefix('<') {
                let (tag, after) = tag.split_once('>').ok_or("a tag without end")?;
                rest = after;
                if let Some(name) = tag.strip_prefix('/') {
                    let element = open
                        .pop()
                        .ok_or_else(|| format!("</{name}> without start"))?;
                    if element.name != name {
                        return Err(format!("</{name}> ends <{}>", element.name));
                    }
                    page.close(&element, &open)?;
                } else {
                    let (tag, empty) = match tag.strip_suffix('/') {
                        Some(tag) => (tag, true),
                        None => (tag, false),
                    };
                    let element = element(tag)?;
                    if empty {
                        page.close(&element, &open)?;
                    } else {
                        open.push(element);
                    }
                }
            } else {
                let end = rest.find('<').ok_or("text after the last element")?;
                let text = unescaped(&rest[..end])?;
                rest = &rest[end..];
                match open.last_mut() {
                    Some(element) => element.text.push_str(&text),
                    None => return Err(format!("text outside: {text}")),
                }
            }
        }
        if open.is_empty() {
            Ok(page)
        } else {
            Err("an element without end".to_owned())
        }
    }

    fn close(&mut self, element: &Open, above: &[Open]) -> Result<(), String> {
        let down: f64 = above
            .iter()
            .filter_map(|element| element.attributes.get("transform"))
            .filter_map(|moved| {
                moved
                    .strip_prefix("translate(0 ")?
                    .strip_suffix(')')?
                    .parse::<f64>()
                    .ok()
            })
            .sum();
        let item = above.iter().find(|element| {
            element
                .attributes
                .get("class")
                .is_some_and(|class| class == "item")
        });
        match element.name.as_str() {
            "svg" => {
                self.width = number(element, "width")?;
                self.height = number(element, "height")?;
                let expected = format!("0 0 {} {}", self.width, self.height);
                if element.attributes.get("viewBox") != Some(&expected) {
                    return Err("another view box than the size".to_owned());
                }
            }
            "script" | "image" | "use" | "foreignObject" | "a" => {
                return Err(format!("<{}>", element.name));
            }
            "g" if element
                .attributes
                .get("class")
                .is_some_and(|class| class == "item") =>
            {
                let id = &element.attributes["id"];
                self.items.entry(id.clone()).or_default();
            }
            "text" => {
                let style = element.attributes.get("style");
                let size = style.and_then(|style| {
                    style
                        .strip_prefix("font-size:")?
                        .strip_suffix("px")?
                        .parse()
                        .ok()
                });
                let class = element.attributes.get("class").map_or("", String::as_str);
                let size: f64 = size.unwrap_or(if class == "b" { 11.0 } else { 10.0 });
                if let Some(item) = item {
                    let lines = self.items.entry(item.attributes["id"].clone()).or_default();
                    lines.push(element.text.clone());
                }
                self.texts.push(Words {
                    text: element.text.clone(),
                    x: number(element, "x")?,
                    y: number(element, "y")? + down,
                    size,
                    bad: class == "bad",
                    in_item: item.is_some(),
                });
            }
            "rect" if item.is_some() => {
                let inner = element
                    .attributes
                    .get("class")
                    .is_some_and(|class| class == "inner" || class == "mesh");
                if !inner {
                    self.boxes.push(Rectangle {
                        x: number(element, "x")?,
                        y: number(element, "y")? + down,
                        width: number(element, "width")?,
                        height: number(element, "height")?,
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Everything that cannot be read: text outside of the picture, text over text, boxes over boxes or over labels.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let words: Vec<Rectangle> = self.texts.iter().map(Words::area).collect();
        for (text, area) in self.texts.iter().zip(&words) {
            if text.size < 10.0 {
                found.push(format!("{} is too small", text.text));
            }
            if area.x < 0.0
                || area.y < 0.0
                || area.right() > self.width
                || area.bottom() > self.height
            {
                found.push(format!("{} is outside", text.text));
            }
        }
        let texts: Vec<(usize, Rectangle)> = words.iter().copied().enumerate().collect();
        for (one, other) in overlaps(texts) {
            found.push(format!(
                "{} is over {}",
                self.texts[one].text, self.texts[other].text
            ));
        }
        let labels = self
            .texts
            .iter()
            .zip(&words)
            .filter(|(text, _)| !text.in_item);
        let mut all: Vec<(usize, Rectangle)> =
            labels.map(|(_, area)| (usize::MAX, *area)).collect();
        all.extend(self.boxes.iter().copied().enumerate());
        for (one, other) in overlaps(all) {
            if one != usize::MAX || other != usize::MAX {
                found.push(format!("box {one} is over box or label {other}"));
            }
        }
        if self.boxes.len() != self.items.len() {
            found.push(format!(
                "{} boxes for {} items",
                self.boxes.len(),
                self.items.len()
            ));
        }
        found
    }
}

impl Words {
    /// Where they are at least, whatever the font.
    fn area(&self) -> Rectangle {
        let letters = self.text.chars().filter(|letter| *letter != ' ').count();
        let letters = u32::try_from(letters).expect("short");
        Rectangle {
            x: self.x,
            y: self.y - self.size * 0.7,
            width: f64::from(letters) * self.size * 0.5,
            height: self.size * 0.7,
        }
    }
}

impl Rectangle {
    fn right(&self) -> f64 {
        self.x + self.width
    }

    fn bottom(&self) -> f64 {
        self.y + self.height
    }

    fn meets(&self, other: &Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }
}

/// Pairs that overlap. Sorted by their tops, so that only neighbours are compared.
fn overlaps(mut areas: Vec<(usize, Rectangle)>) -> Vec<(usize, usize)> {
    areas.sort_by(|(_, one), (_, other)| one.y.total_cmp(&other.y));
    let mut found = Vec::new();
    for (index, (one, area)) in areas.iter().enumerate() {
        let below = areas[index + 1..]
            .iter()
            .take_while(|(_, other)| other.y < area.bottom());
        found.extend(
            below
                .filter(|(_, other)| area.meets(other))
                .map(|(other, _)| (*one, *other)),
        );
    }
    found
}

fn number(element: &Open, name: &str) -> Result<f64, String> {
    // The background has no place of its own.
    let Some(value) = element.attributes.get(name) else {
        return Ok(0.0);
    };
    value
        .parse()
        .map_err(|_| format!("{name}=\"{value}\" in <{}>", element.name))
}

fn element(tag: &str) -> Result<Open, String> {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut attributes = BTreeMap::new();
    while !rest.trim().is_empty() {
        let (key, value) = rest
            .trim_start()
            .split_once("=\"")
            .ok_or_else(|| format!("<{tag}>"))?;
        let (value, after) = value.split_once('"').ok_or_else(|| format!("<{tag}>"))?;
        if value.contains('<')
            || attributes
                .insert(key.to_owned(), unescaped(value)?)
                .is_some()
        {
            return Err(format!("<{tag}>"));
        }
        rest = after;
    }
    Ok(Open {
        name: name.to_owned(),
        attributes,
        text: String::new(),
    })
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let (entity, after) = after
            .split_once(';')
            .ok_or_else(|| format!("& in {text}"))?;
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            _ => return Err(format!("&{entity}; in {text}")),
        });
        rest = after;
    }
    plain.push_str(rest);
    if plain
        .chars()
        .any(|letter| letter.is_control() && letter != '\n')
    {
        return Err(format!("a control character in {plain:?}"));
    }
    Ok(plain)
}
