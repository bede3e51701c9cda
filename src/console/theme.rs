//! Inks and their styles: four themes as tables, for terminals with many colours, sixteen, or none.

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What a piece of the screen is drawn with. Healthy things are quiet; colour means "look".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ink {
    Text,
    Dim,
    Title,
    Border,
    /// The border of the pane that has the keys.
    Focus,
    Selected,
    Key,
    Live,
    Lab,
    Master,
    Held,
    Changing,
    Fault,
    Dead,
    Stale,
    Split,
    Good,
    Warn,
    Drain,
    Drained,
    Bar,
    /// The field or button of a question that has the keys.
    Field,
}

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// `NO_COLOR`: attributes only.
    None,
    /// The terminal's own sixteen, which people adapt to their eyes.
    Sixteen,
    /// `COLORTERM` says `truecolor` or `24bit`.
    Rgb,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    pub name: String,
    /// For pictures: what a terminal with this theme usually has.
    pub background: Color,
    pub foreground: Color,
    styles: BTreeMap<Ink, Style>,
}

/// One of the built-in tables is broken; the test of this module rules that out.
#[derive(Debug, thiserror::Error)]
#[error("theme {name}: {why}")]
pub struct ThemeError {
    name: &'static str,
    why: String,
}

const BUILT_IN: [(&str, &str); 4] = [
    ("dark", include_str!("../../assets/themes/dark.toml")),
    ("light", include_str!("../../assets/themes/light.toml")),
    ("high", include_str!("../../assets/themes/high.toml")),
    ("mono", include_str!("../../assets/themes/mono.toml")),
];

/// All themes, in the order in which `t` goes round.
pub fn all(depth: Depth) -> Result<Vec<Theme>, ThemeError> {
    BUILT_IN
        .iter()
        .map(|&(name, text)| {
            let table = toml::from_str(text).map_err(|e| ThemeError { name, why: e.to_string() })?;
            Theme::of(name, table, depth).map_err(|why| ThemeError { name, why })
        })
        .collect()
}

impl Theme {
    pub fn style(&self, ink: Ink) -> Style {
        self.styles.get(&ink).copied().unwrap_or_default()
    }

    fn of(name: &str, table: Table, depth: Depth) -> Result<Self, String> {
        let styles = table.ink.into_iter().map(|(ink, paint)| Ok((ink, paint.style(depth)?))).collect::<Result<_, _>>();
        Ok(Self {
            name: name.to_owned(),
            background: color(&table.page.background)?,
            foreground: color(&table.page.foreground)?,
            styles: styles.map_err(|e: String| e)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    page: Page,
    ink: BTreeMap<Ink, Paint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    background: String,
    foreground: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Paint {
    fg: Option<String>,
    bg: Option<String>,
    /// The nearest of the sixteen.
    fg16: Option<String>,
    bg16: Option<String>,
    add: Vec<Attribute>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Attribute {
    Bold,
    Dim,
    Underline,
    Reverse,
    Italic,
}

impl Paint {
    fn style(&self, depth: Depth) -> Result<Style, String> {
        let mut style = Style::new();
        for attribute in &self.add {
            style = style.add_modifier(match attribute {
                Attribute::Bold => Modifier::BOLD,
                Attribute::Dim => Modifier::DIM,
                Attribute::Underline => Modifier::UNDERLINED,
                Attribute::Reverse => Modifier::REVERSED,
                Attribute::Italic => Modifier::ITALIC,
            });
        }
        let (fg, bg) = match depth {
            // A coloured ground turns into reverse: it must not be lost with the colour.
            Depth::None if self.bg.is_some() => return Ok(style.add_modifier(Modifier::REVERSED)),
            Depth::None => return Ok(style),
            Depth::Sixteen => (self.fg16.as_ref(), self.bg16.as_ref()),
            Depth::Rgb => (self.fg.as_ref(), self.bg.as_ref()),
        };
        if let Some(fg) = fg {
            style = style.fg(color(fg)?);
        }
        if let Some(bg) = bg {
            style = style.bg(color(bg)?);
        }
        Ok(style)
    }
}

fn color(word: &str) -> Result<Color, String> {
    word.parse().ok().ok_or_else(|| format!("`{word}` is not a colour"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INKS: [Ink; 22] = [
        Ink::Text,
        Ink::Dim,
        Ink::Title,
        Ink::Border,
        Ink::Focus,
        Ink::Selected,
        Ink::Key,
        Ink::Live,
        Ink::Lab,
        Ink::Master,
        Ink::Held,
        Ink::Changing,
        Ink::Fault,
        Ink::Dead,
        Ink::Stale,
        Ink::Split,
        Ink::Good,
        Ink::Warn,
        Ink::Drain,
        Ink::Drained,
        Ink::Bar,
        Ink::Field,
    ];

    #[test]
    fn every_theme_knows_every_ink_at_every_depth() {
        for depth in [Depth::None, Depth::Sixteen, Depth::Rgb] {
            for theme in all(depth).unwrap() {
                for ink in INKS {
                    assert!(theme.styles.contains_key(&ink), "{}: {ink:?}", theme.name);
                }
            }
        }
    }

    #[test]
    fn without_colour_no_theme_has_a_colour() {
        for theme in all(Depth::None).unwrap() {
            assert!(theme.styles.values().all(|s| s.fg.is_none() && s.bg.is_none()), "{}", theme.name);
        }
    }
}
