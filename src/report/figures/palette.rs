//! The colours of all figures: the Okabe-Ito set, which people with a colour-vision deficiency can tell apart, and greys.
//!
//! Which colour means what in a figure is decided here, so that a class or a design looks the same everywhere.

/// Text and axes.
pub const INK: &str = "#222222";
/// Secondary text.
pub const GREY: &str = "#595959";
/// The design for comparison.
pub const CONTROL: &str = "#8a8a8a";
/// Grid lines.
pub const GRID: &str = "#e3e3e3";
/// Lines that part rows.
pub const RULE: &str = "#c4c4c4";

/// Okabe-Ito blue.
pub const BLUE: &str = "#0072b2";
/// Okabe-Ito vermillion.
pub const VERMILLION: &str = "#d55e00";
/// Okabe-Ito bluish green.
pub const GREEN: &str = "#009e73";
/// Okabe-Ito orange.
pub const ORANGE: &str = "#e69f00";
/// Okabe-Ito reddish purple.
pub const PURPLE: &str = "#cc79a7";
/// Okabe-Ito sky blue.
pub const SKY: &str = "#56b4e9";

/// Colour of the `index`-th design.
pub fn design(index: usize) -> &'static str {
    const COLOURS: [&str; 6] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY];
    COLOURS[index % COLOURS.len()]
}

/// Colour of a class of accesses: warm where someone got in or past a layer, cool where someone was kept out.
pub fn access_class(class: &str) -> &'static str {
    match class {
        "unauthorized" => VERMILLION,
        "network_bypassed" => ORANGE,
        "mesh_bypassed" => PURPLE,
        "denied" | "allowed" => GREEN,
        "wrongly_denied" => BLUE,
        "unreachable" => SKY,
        _ => CONTROL,
    }
}
