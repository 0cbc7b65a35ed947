//! Looks of a figure: light for screens, dark for dark screens, print for paper without colour.
//!
//! Figures are drawn in the colours of [`super::palette`], which are roles; a theme defines what each role looks like on its
//! ground ([`Theme::repaint`]). What colour alone would tell apart (designs, phases) has a line style, a marker and a
//! hatching as well, which are given here, so that the print theme needs no colour at all.

use plotters::style::RGBColor;

use super::palette;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Theme {
    /// Colours on white; what a run writes.
    #[default]
    Light,
    Dark,
    /// Black and greys on white: line styles, markers and hatching instead of colours.
    Print,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesLook {
    pub colour: RGBColor,
    /// Its dashes; empty for a solid line.
    pub dash: &'static [f64],
    pub marker: Marker,
    /// How much of its band covers the ground, 0 to 1.
    pub band_opacity: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    OpenCircle,
    OpenSquare,
}

const MARKERS: [Marker; 6] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::OpenCircle,
    Marker::OpenSquare,
];

/// Line styles that can be told apart at report size.
const DASHES: [&[f64]; 6] = [
    &[],
    &[7.0, 3.0],
    &[2.0, 2.2],
    &[9.0, 2.5, 2.0, 2.5],
    &[13.0, 3.5],
    &[5.0, 2.0, 1.5, 2.0, 1.5, 2.0],
];

/// Each role of the palette: its colour in the light, the dark and the print theme.
const ROLES: [[u32; 3]; 23] = [
    [0x00ff_ffff, 0x0016_191d, 0x00ff_ffff], // ground
    [0x0022_2222, 0x00ec_eef0, 0x0000_0000], // ink
    [0x0059_5959, 0x00b4_bac2, 0x0040_4040], // secondary text
    [0x008a_8a8a, 0x009a_a1a9, 0x0080_8080], // control
    [0x00e3_e3e3, 0x002c_3138, 0x00df_dfdf], // grid
    [0x00c4_c4c4, 0x004a_515a, 0x00a8_a8a8], // rules
    [0x00f7_f7f7, 0x001d_2126, 0x00f5_f5f5], // pale ground
    [0x0000_72b2, 0x0058_a8e4, 0x0000_0000], // blue
    [0x00d5_5e00, 0x00ff_8a45, 0x0000_0000], // vermillion
    [0x0000_9e73, 0x0033_c99f, 0x0000_0000], // green
    [0x00e6_9f00, 0x00f1_b93a, 0x0055_5555], // orange
    [0x00cc_79a7, 0x00ea_9cc9, 0x0000_0000], // purple
    [0x0056_b4e9, 0x009f_d6f8, 0x0000_0000], // sky
    [0x00dd_e1e6, 0x003a_414a, 0x00d6_d6d6], // what is so
    [0x004d_4d4d, 0x00c9_cfd6, 0x0000_0000], // its outline
    [0x00cf_ebe1, 0x0011_3a2f, 0x00ff_ffff], // true belief
    [0x00fc_dcc6, 0x0050_2c12, 0x00c2_c2c2], // stale belief
    [0x009a_9a9a, 0x0078_7f88, 0x0080_8080], // outline of nothing
    [0x00f3_dbe8, 0x0048_2440, 0x00e4_e4e4], // broken
    [0x00a8_447f, 0x00de_8cbd, 0x0000_0000], // its outline
    [0x00d6_e8f4, 0x0016_364d, 0x00f5_f5f5], // other states
    [0x00f0_e442, 0x00f5_ec70, 0x0000_0000], // yellow
    [0x0099_4f00, 0x00c9_8a4b, 0x0000_0000], // brown
];

impl Theme {
    #[cfg(test)]
    pub const ALL: [Theme; 3] = [Theme::Light, Theme::Dark, Theme::Print];

    pub const fn name(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
            Theme::Print => "print",
        }
    }

    /// Whether colours mean nothing in it.
    pub fn is_print(self) -> bool {
        self == Theme::Print
    }

    /// A colour of the palette in this theme; any other colour stays.
    pub fn paint(self, colour: RGBColor) -> RGBColor {
        let RGBColor(red, green, blue) = colour;
        let wanted = u32::from_be_bytes([0, red, green, blue]);
        match ROLES.iter().find(|role| role[0] == wanted) {
            Some(role) => {
                let [_, red, green, blue] = role[self as usize].to_be_bytes();
                RGBColor(red, green, blue)
            }
            None => colour,
        }
    }

    /// Markup with the colours of the palette as they are in this theme. Colours stand in attributes alone: in texts the
    /// drawing library writes quotation marks as `&quot;`.
    pub fn repaint(self, markup: String) -> String {
        if self == Theme::Light {
            return markup;
        }
        let mut result = String::with_capacity(markup.len());
        let mut rest = markup.as_str();
        while let Some(at) = rest.find("=\"#") {
            let (before, after) = rest.split_at(at + 3);
            result.push_str(before);
            match after.get(..6).and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
                Some(value) => {
                    let [_, red, green, blue] = value.to_be_bytes();
                    let RGBColor(red, green, blue) = self.paint(RGBColor(red, green, blue));
                    result.push_str(&format!("{red:02X}{green:02X}{blue:02X}"));
                    rest = &after[6..];
                }
                None => rest = after,
            }
        }
        result.push_str(rest);
        result
    }

    /// Markup of the light theme whose colours of the palette are variables of the page ([`variables`]), so that one drawing
    /// follows the theme of its reader.
    pub fn by_variables(markup: &str) -> String {
        let mut result = markup.to_owned();
        for (role, [light, ..]) in ROLES.iter().enumerate() {
            for hex in [format!("=\"#{light:06X}\""), format!("=\"#{light:06x}\"")] {
                result = result.replace(&hex, &format!("=\"var(--figure-{role})\""));
            }
        }
        result
    }

    /// Those variables for a theme, as declarations of a style sheet.
    pub fn variables(self) -> String {
        let roles = ROLES.iter().enumerate();
        roles
            .map(|(role, colours)| format!("--figure-{role}: #{:06x};", colours[self as usize]))
            .collect()
    }

    /// The look of the `index`-th design: six colours, then the same dashed; in print six line styles.
    pub fn series(self, index: usize) -> SeriesLook {
        let round = index / 6;
        let dash = match self {
            Theme::Print => DASHES[index % 6],
            _ => DASHES[round % DASHES.len()],
        };
        SeriesLook {
            colour: match self {
                Theme::Print if round % 2 == 1 => palette::CONTROL,
                Theme::Print => palette::INK,
                _ => palette::design(index),
            },
            dash,
            marker: MARKERS[index % MARKERS.len()],
            band_opacity: self.band_opacity(),
        }
    }

    /// The look of the design that the others are compared with.
    pub fn control(self) -> SeriesLook {
        SeriesLook {
            colour: palette::CONTROL,
            dash: &[],
            marker: Marker::OpenCircle,
            band_opacity: self.band_opacity(),
        }
    }

    fn band_opacity(self) -> f64 {
        match self {
            Theme::Light => 0.22,
            Theme::Dark => 0.3,
            Theme::Print => 0.16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (WCAG 2.2).
    fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
        let part = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 {
                value / 12.92
            } else {
                libm::pow((value + 0.055) / 1.055, 2.4)
            }
        };
        0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
    }

    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn texts_and_lines_stand_out_in_every_theme() {
        for theme in Theme::ALL {
            let ground = theme.paint(palette::WHITE);
            for text in [palette::INK, palette::GREY] {
                assert!(contrast(theme.paint(text), ground) >= 7.0, "{theme:?} {text:?}");
            }
            // Orange and sky blue of the set are light by design; they are never lines alone, but have a shape or a label.
            for line in (0..4).map(palette::design).chain([palette::CONTROL]) {
                assert!(contrast(theme.paint(line), ground) >= 2.9, "{theme:?} {line:?}");
            }
        }
    }

    #[test]
    fn print_needs_no_colour_and_tells_six_lines_apart() {
        for role in ROLES {
            let [_, red, green, blue] = role[Theme::Print as usize].to_be_bytes();
            assert!(red == green && green == blue, "{role:x?}");
        }
        for (a, b) in (0..6).flat_map(|a| (0..a).map(move |b| (a, b))) {
            assert_ne!(Theme::Print.series(a).dash, Theme::Print.series(b).dash);
        }
        for theme in Theme::ALL {
            for (a, b) in (0..12).flat_map(|a| (0..a).map(move |b| (a, b))) {
                assert_ne!(theme.series(a), theme.series(b), "{theme:?}: {a} and {b} look alike");
            }
        }
    }

    #[test]
    fn a_drawing_by_variables_has_no_colour_of_the_palette_left() {
        let drawn =
            Theme::by_variables(r##"<rect fill="#FFFFFF" stroke="#123456"/><text fill="#d55e00">#FFFFFF</text>"##);
        let wanted = r##"<rect fill="var(--figure-0)" stroke="#123456"/><text fill="var(--figure-8)">#FFFFFF</text>"##;
        assert_eq!(drawn, wanted);
        assert!(Theme::Dark.variables().contains("--figure-8: #ff8a45;"));
    }

    #[test]
    fn only_attributes_are_repainted() {
        let markup = r##"<rect fill="#FFFFFF" stroke="#123456"/><text>&quot;#FFFFFF&quot; =#FFFFFF</text>"##;
        let dark = Theme::Dark.repaint(markup.to_owned());
        assert_eq!(
            dark,
            r##"<rect fill="#16191D" stroke="#123456"/><text>&quot;#FFFFFF&quot; =#FFFFFF</text>"##
        );
        assert_eq!(Theme::Light.repaint(markup.to_owned()), markup);
    }
}
