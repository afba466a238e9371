//! A sheet to draw on: plotters' SVG backend with names for what our plots need.
//!
//! The backend rounds to whole units, so a sheet is drawn in half points and shown at half its size: lines stay smooth.

use plotters::prelude::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, FontTransform, RGBAColor, RGBColor, ShapeStyle, TextStyle};

/// Drawn units for a point of the page.
const UNITS_PER_POINT: f64 = 2.0;

/// The backend writes a font's size divided by this.
const BACKEND_FONT_RATIO: f64 = 1.24;

/// Stands for the page's text colour until [`Canvas::finish`] puts `currentColor` in its place.
const INK: RGBColor = RGBColor(1, 2, 3);
const INK_TEXT: &str = "#010203";

/// The colours of Okabe and Ito that show on white and on black, which every kind of colour vision tells apart.
const PALETTE: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0x56, 0xB4, 0xE9),
];

/// How many lines a plot can tell apart by colour.
pub const COLOURS: usize = PALETTE.len();

/// A colour and how much of it covers what lies below, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Colour {
    /// The page's own text colour.
    Ink(f64),
    /// One of [`COLOURS`] colours, counted round.
    Hue(usize, f64),
}

impl Colour {
    fn rgba(self) -> RGBAColor {
        match self {
            Self::Ink(opacity) => INK.mix(opacity),
            Self::Hue(index, opacity) => PALETTE[index % COLOURS].mix(opacity),
        }
    }
}

/// Which point of a text stands at the given place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text is set; sizes in points.
#[derive(Clone, Copy, Debug)]
pub struct Lettering {
    pub size: f64,
    pub anchor: Anchor,
    pub bold: bool,
    /// Upwards along the left side, for the name of a y axis.
    pub upwards: bool,
    pub colour: Colour,
}

/// The sheet. Coordinates in points from the upper left corner.
pub struct Canvas {
    svg: String,
    size: (u32, u32),
    body: Vec<Shape>,
}

/// A shape as the backend will get it, in drawn units.
enum Shape {
    Path(Vec<(i32, i32)>, ShapeStyle),
    Polygon(Vec<(i32, i32)>, ShapeStyle),
    Rect((i32, i32), (i32, i32), ShapeStyle),
    Dot((i32, i32), u32, ShapeStyle),
    Text((i32, i32), String, Lettering),
}

fn units(point: (f64, f64)) -> (i32, i32) {
    ((point.0 * UNITS_PER_POINT).round() as i32, (point.1 * UNITS_PER_POINT).round() as i32)
}

impl Canvas {
    /// An empty sheet, transparent, `width` by `height` points.
    pub fn new(width: f64, height: f64) -> Self {
        let (width, height) = units((width, height));
        Self { svg: String::new(), size: (width.unsigned_abs(), height.unsigned_abs()), body: Vec::new() }
    }

    /// A line through `points`, `width` points wide. A single point becomes a dot, none nothing.
    pub fn line(&mut self, points: &[(f64, f64)], colour: Colour, width: f64) {
        let stroke = colour.rgba().stroke_width((width * UNITS_PER_POINT).round().max(1.0) as u32);
        match points {
            [] => {}
            [point] => {
                // As wide as two and a half lines, or it would be lost.
                let radius = (width * 1.25 * UNITS_PER_POINT).round().max(2.0) as u32;
                self.body.push(Shape::Dot(units(*point), radius, colour.rgba().filled()));
            }
            _ => {
                let mut path: Vec<(i32, i32)> = points.iter().map(|point| units(*point)).collect();
                path.dedup();
                drop_middles_of_straights(&mut path);
                self.body.push(Shape::Path(path, stroke));
            }
        }
    }

    /// A filled shape.
    pub fn polygon(&mut self, points: &[(f64, f64)], colour: Colour) {
        let mut path: Vec<(i32, i32)> = points.iter().map(|point| units(*point)).collect();
        path.dedup();
        drop_middles_of_straights(&mut path);
        self.body.push(Shape::Polygon(path, colour.rgba().filled()));
    }

    /// A filled rectangle between two opposite corners.
    pub fn rect(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour) {
        self.body.push(Shape::Rect(units(from), units(to), colour.rgba().filled()));
    }

    /// A text whose vertical middle stands at `at`.
    pub fn text(&mut self, at: (f64, f64), text: &str, lettering: Lettering) {
        self.body.push(Shape::Text(units(at), text.to_string(), lettering));
    }

    /// The sheet as an SVG document. `title` is what a screen reader says; it is not drawn.
    pub fn finish(mut self, title: &str) -> String {
        {
            let mut backend = SVGBackend::with_string(&mut self.svg, self.size);
            for shape in &self.body {
                draw(&mut backend, shape).expect("drawing into memory");
            }
            backend.present().expect("drawing into memory");
        }
        let (width, height) = self.size;
        let drawn = format!("<svg width=\"{width}\" height=\"{height}\"");
        let (shown_width, shown_height) = (f64::from(width) / UNITS_PER_POINT, f64::from(height) / UNITS_PER_POINT);
        let shown = format!("<svg role=\"img\" width=\"{shown_width}\" height=\"{shown_height}\"");
        let title = title.replace('&', "&amp;").replace('<', "&lt;");
        self.svg
            .replacen(&drawn, &shown, 1)
            .replacen(">\n", &format!(">\n<title>{title}</title>\n"), 1)
            .replace(INK_TEXT, "currentColor")
            .replace(" opacity=\"1\"", "")
            .replace("\n</text>", "</text>")
            .replace(" \"/>", "\"/>")
            .lines()
            // The backend breaks the line after a text's tag; that would stand before the text as a space.
            .map(|line| if line.starts_with("<text") { line.to_string() } else { format!("{line}\n") })
            .collect()
    }
}

fn draw(backend: &mut SVGBackend<'_>, shape: &Shape) -> Result<(), impl std::fmt::Debug + use<>> {
    match shape {
        Shape::Path(points, style) => backend.draw_path(points.iter().copied(), style),
        Shape::Polygon(points, style) => backend.fill_polygon(points.iter().copied(), style),
        Shape::Rect(from, to, style) => backend.draw_rect(*from, *to, style, true),
        Shape::Dot(at, radius, style) => backend.draw_circle(*at, *radius, style, true),
        Shape::Text(at, text, lettering) => backend.draw_text(text, &text_style(lettering), *at),
    }
}

fn text_style(lettering: &Lettering) -> TextStyle<'static> {
    let size = lettering.size * UNITS_PER_POINT * BACKEND_FONT_RATIO;
    let style = if lettering.bold { FontStyle::Bold } else { FontStyle::Normal };
    let turn = if lettering.upwards { FontTransform::Rotate270 } else { FontTransform::None };
    let font = plotters::style::FontDesc::new(FontFamily::SansSerif, size, style).transform(turn);
    let across = match lettering.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    let mut style = TextStyle::from(font);
    style.color = lettering.colour.rgba().to_backend_color();
    style.pos = Pos::new(across, VPos::Center);
    style
}

/// Takes out points that lie on the straight between their neighbours: the picture is the same, the file smaller.
fn drop_middles_of_straights(path: &mut Vec<(i32, i32)>) {
    let mut kept: Vec<(i32, i32)> = Vec::with_capacity(path.len());
    for &point in path.iter() {
        while let [.., before, middle] = kept[..] {
            let (a, b) = ((middle.0 - before.0, middle.1 - before.1), (point.0 - middle.0, point.1 - middle.1));
            let turns = i64::from(a.0) * i64::from(b.1) != i64::from(a.1) * i64::from(b.0);
            let goes_back = i64::from(a.0) * i64::from(b.0) + i64::from(a.1) * i64::from(b.1) < 0;
            if turns || goes_back {
                break;
            }
            kept.pop();
        }
        kept.push(point);
    }
    *path = kept;
}

/// How wide a text will be, in points: an estimate on the wide side, as no font is at hand when a plot is drawn.
pub fn text_width(text: &str, size: f64) -> f64 {
    let em = |character: char| match character {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.30,
        ' ' | 'f' | 't' | 'r' | '(' | ')' | '-' | '/' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' | '…' => 0.92,
        'A'..='Z' => 0.70,
        _ => 0.58,
    };
    text.chars().map(em).sum::<f64>() * size
}

/// `text`, or as much of it as fits into `width` points with an ellipsis.
pub fn fitted(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_string();
    }
    let mut kept = String::new();
    for character in text.chars() {
        if text_width(&kept, size) + text_width("…", size) + size > width {
            break;
        }
        kept.push(character);
    }
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Lettering =
        Lettering { size: 12.0, anchor: Anchor::Start, bold: false, upwards: false, colour: Colour::Ink(1.0) };

    #[test]
    fn a_sheet_has_the_pages_colour_no_background_and_half_its_drawn_size() {
        let mut canvas = Canvas::new(100.0, 50.0);
        canvas.text((1.0, 2.0), "a < b & c", PLAIN);
        canvas.line(&[(0.0, 0.0), (10.0, 5.0)], Colour::Hue(0, 1.0), 1.5);
        let svg = canvas.finish("One & <two>");
        assert!(svg.starts_with("<svg role=\"img\" width=\"100\" height=\"50\" viewBox=\"0 0 200 100\""), "{svg}");
        assert!(svg.contains("<title>One &amp; &lt;two></title>"));
        assert!(svg.contains("fill=\"currentColor\"") && svg.contains(">a &lt; b &amp; c</text>"), "{svg}");
        assert!(svg.contains("stroke=\"#0072B2\" stroke-width=\"3\" points=\"0,0 20,10\"/>"), "{svg}");
        assert!(!svg.contains("<rect") && !svg.contains(INK_TEXT));
        assert!(svg.trim_end().ends_with("</svg>"));
    }

    #[test]
    fn points_on_a_straight_are_dropped_and_corners_kept() {
        let mut path = vec![(0, 0), (1, 0), (2, 0), (2, 5), (2, 9), (2, 3)];
        drop_middles_of_straights(&mut path);
        assert_eq!(path, [(0, 0), (2, 0), (2, 9), (2, 3)]);
    }

    #[test]
    fn long_texts_end_in_an_ellipsis_within_their_width() {
        let cut = fitted("partition us-east against everybody else", 12.0, 100.0);
        assert!(cut.ends_with('…') && text_width(&cut, 12.0) <= 100.0, "{cut}");
        assert_eq!(fitted("short", 12.0, 100.0), "short");
    }
}
