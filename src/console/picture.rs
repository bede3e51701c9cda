//! A drawn buffer as an SVG picture, for documents.

use super::theme::Theme;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write;

/// Cell size in pixels, for a 14 px monospace face.
const CELL: (f64, f64) = (8.4, 18.0);

/// The buffer as a picture: text stays text, so it can be searched and scales without loss.
pub fn svg(buffer: &Buffer, theme: &Theme) -> String {
    let (width, height) = (f64::from(buffer.area.width) * CELL.0, f64::from(buffer.area.height) * CELL.1);
    let (ground, ink) = (hex(theme.background), hex(theme.foreground));
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.1} {:.1}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', \
         Menlo, Consolas, monospace\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{ground}\"/>\n\
         <g fill=\"{ink}\" xml:space=\"preserve\">\n",
        width + 16.0,
        height + 16.0
    );
    for y in 0..buffer.area.height {
        row(&mut out, buffer, y, theme);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// Runs of cells with the same look.
fn row(out: &mut String, buffer: &Buffer, y: u16, theme: &Theme) {
    let mut x = 0;
    while x < buffer.area.width {
        let Some(first) = buffer.cell((x, y)) else { return };
        let start = x;
        let mut text = String::new();
        while let Some(cell) = buffer.cell((x, y)).filter(|c| x < buffer.area.width && look(c) == look(first)) {
            text.push_str(cell.symbol());
            x += 1;
        }
        run(out, (start, y, x - start), &text, first, theme);
    }
}

fn run(out: &mut String, (x, y, cells): (u16, u16, u16), text: &str, cell: &Cell, theme: &Theme) {
    let (mut fg, mut bg) = (cell.fg, cell.bg);
    if cell.modifier.contains(Modifier::REVERSED) {
        (fg, bg) = (
            if bg == Color::Reset { theme.background } else { bg },
            if fg == Color::Reset { theme.foreground } else { fg },
        );
    }
    let left = 8.0 + f64::from(x) * CELL.0;
    let top = 8.0 + f64::from(y) * CELL.1;
    let width = f64::from(cells) * CELL.0;
    if bg != Color::Reset {
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
            CELL.1,
            hex(bg)
        );
    }
    if text.trim().is_empty() {
        return;
    }
    let mut style = String::new();
    if fg != Color::Reset {
        let _ = write!(style, " fill=\"{}\"", hex(fg));
    }
    for (modifier, attribute) in [
        (Modifier::BOLD, " font-weight=\"bold\""),
        (Modifier::DIM, " opacity=\"0.65\""),
        (Modifier::ITALIC, " font-style=\"italic\""),
        (Modifier::UNDERLINED, " text-decoration=\"underline\""),
    ] {
        if cell.modifier.contains(modifier) {
            style.push_str(attribute);
        }
    }
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // The length is given, so that a viewer's own face cannot shift the columns.
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\"{style}>{escaped}</text>",
        top + 13.5
    );
}

const fn look(cell: &Cell) -> (Color, Color, Modifier) {
    (cell.fg, cell.bg, cell.modifier)
}

fn hex(color: Color) -> String {
    let (r, g, b) = match color {
        Color::Rgb(r, g, b) => (r, g, b),
        Color::Black => (0, 0, 0),
        Color::Red => (205, 49, 49),
        Color::Green => (13, 188, 121),
        Color::Yellow => (229, 160, 16),
        Color::Blue => (36, 114, 200),
        Color::Magenta => (188, 63, 188),
        Color::Cyan => (17, 168, 205),
        Color::Gray | Color::Reset | Color::Indexed(_) => (200, 200, 200),
        Color::DarkGray => (118, 118, 118),
        Color::LightRed => (241, 76, 76),
        Color::LightGreen => (35, 209, 139),
        Color::LightYellow => (245, 245, 67),
        Color::LightBlue => (59, 142, 234),
        Color::LightMagenta => (214, 112, 214),
        Color::LightCyan => (41, 184, 219),
        Color::White => (255, 255, 255),
    };
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::{Depth, all};
    use ratatui::style::Style;

    #[test]
    fn a_picture_holds_the_text_escaped_and_its_colours() {
        let mut buffer = Buffer::with_lines(["a <b> & c", "        "]);
        buffer.set_string(0, 1, "red", Style::new().fg(Color::Rgb(255, 0, 0)));
        let theme = all(Depth::Rgb).unwrap().remove(0);
        let svg = svg(&buffer, &theme);
        assert!(svg.contains("a &lt;b&gt; &amp; c"), "{svg}");
        assert!(svg.contains("fill=\"#ff0000\">red</text>"), "{svg}");
        assert!(svg.trim_end().ends_with("</svg>"));
    }
}
