//! From SVG to PNG: rasterises a figure with the fonts that are built in, and with no other.
//!
//! No font of the machine is looked up, so the same figure gives the same pixels everywhere.

use std::sync::Arc;

use resvg::{tiny_skia, usvg};
use thiserror::Error;

use super::Figure;

/// DejaVu Sans, cut down to Latin, Greek, punctuation, arrows and mathematical signs; licence beside it.
const REGULAR: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");
const BOLD: &[u8] = include_bytes!("../../../assets/DejaVuSans-Bold.ttf");

#[derive(Debug, Error)]
pub enum FigureError {
    #[error("figure `{name}` is not valid SVG: {message}")]
    Svg { name: String, message: String },
    #[error("figure `{name}` at scale {scale} would be {width} x {height} pixels; choose another scale")]
    Size {
        name: String,
        scale: f64,
        width: f64,
        height: f64,
    },
    #[error("figure `{name}` could not be written as PNG: {message}")]
    Encoding { name: String, message: String },
}

const SIDE_MAX: f64 = 16_384.0;

/// The parsed document of `figure`, laid out with the built-in fonts.
pub(super) fn parsed(figure: &Figure) -> Result<usvg::Tree, FigureError> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(REGULAR.to_vec());
    fonts.load_font_data(BOLD.to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    let options = usvg::Options {
        fontdb: Arc::new(fonts),
        font_family: "DejaVu Sans".to_owned(),
        ..usvg::Options::default()
    };
    usvg::Tree::from_str(&figure.svg, &options).map_err(|error| FigureError::Svg {
        name: figure.name.clone(),
        message: error.to_string(),
    })
}

/// `figure` as PNG, with `scale` pixels per unit of the SVG (3 gives about 340 dpi at 16 cm width).
pub fn png(figure: &Figure, scale: f64) -> Result<Vec<u8>, FigureError> {
    let tree = parsed(figure)?;
    let (width, height) = (
        (f64::from(tree.size().width()) * scale).ceil(),
        (f64::from(tree.size().height()) * scale).ceil(),
    );
    let size_error = || FigureError::Size {
        name: figure.name.clone(),
        scale,
        width,
        height,
    };
    if !(width >= 1.0 && height >= 1.0 && width <= SIDE_MAX && height <= SIDE_MAX) {
        return Err(size_error());
    }
    let mut pixels = tiny_skia::Pixmap::new(width as u32, height as u32).ok_or_else(size_error)?;
    let transform = tiny_skia::Transform::from_scale(scale as f32, scale as f32);
    resvg::render(&tree, transform, &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| FigureError::Encoding {
        name: figure.name.clone(),
        message: error.to_string(),
    })
}
