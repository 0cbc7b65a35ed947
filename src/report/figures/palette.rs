//! The colours of all figures: the Okabe-Ito set, which people with a colour-vision deficiency can tell apart, and greys.
//!
//! Which colour means what in a figure is decided here, so that a class or a design looks the same everywhere.

use plotters::style::RGBColor;

use crate::cluster::records::AccessClass;
use crate::lab::cell::Word;

/// The ground of everything.
pub const WHITE: RGBColor = plotters::style::WHITE;

/// Text and axes.
pub const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Secondary text.
pub const GREY: RGBColor = RGBColor(0x59, 0x59, 0x59);
/// The design for comparison.
pub const CONTROL: RGBColor = RGBColor(0x8a, 0x8a, 0x8a);
pub const GRID: RGBColor = RGBColor(0xe3, 0xe3, 0xe3);
/// Lines that part rows.
pub const RULE: RGBColor = RGBColor(0xc4, 0xc4, 0xc4);

/// Ground of every other lane, and of a figure without data.
pub const PALE: RGBColor = RGBColor(0xf7, 0xf7, 0xf7);

pub const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub const VERMILLION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
pub const GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);
pub const ORANGE: RGBColor = RGBColor(0xe6, 0x9f, 0x00);
pub const PURPLE: RGBColor = RGBColor(0xcc, 0x79, 0xa7);
pub const SKY: RGBColor = RGBColor(0x56, 0xb4, 0xe9);

/// Okabe-Ito yellow; only for areas with an outline.
pub const YELLOW: RGBColor = RGBColor(0xf0, 0xe4, 0x42);

pub fn design(index: usize) -> RGBColor {
    const COLOURS: [RGBColor; 6] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY];
    COLOURS[index % COLOURS.len()]
}

/// Colour of a class of accesses: warm where someone got in or past a layer, cool where someone was kept out.
pub fn access_class(class: &str) -> RGBColor {
    match AccessClass::of_word(class) {
        Some(AccessClass::Unauthorized) => VERMILLION,
        Some(AccessClass::NetworkBypassed) => ORANGE,
        Some(AccessClass::MeshBypassed) => PURPLE,
        Some(AccessClass::Denied | AccessClass::Allowed) => GREEN,
        Some(AccessClass::WronglyDenied) => BLUE,
        Some(AccessClass::WrongServer) => INK,
        Some(AccessClass::Unreachable) => SKY,
        None => CONTROL,
    }
}
