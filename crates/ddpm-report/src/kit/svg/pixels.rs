//! The coordinate system of a drawn plot.

/// Size of a title, of other text, and of notes.
pub(super) const TITLE_SIZE: f64 = 14.0;
pub(super) const TEXT_SIZE: f64 = 12.0;
pub(super) const NOTE_SIZE: f64 = 11.0;

/// The width of a plot's own coordinate system, in pixels at full size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kit) enum Width {
    Wide,
    Narrow,
}

impl Width {
    pub(super) fn pixels(self) -> f64 {
        match self {
            Self::Wide => 736.0,
            Self::Narrow => 360.0,
        }
    }

    pub(super) fn plot_height(self) -> f64 {
        match self {
            Self::Wide => 280.0,
            Self::Narrow => 220.0,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }
}

/// A coordinate in an attribute: tenths of a pixel are enough.
pub(super) fn px(value: f64) -> String {
    // Far outside the picture is as good as anywhere outside, and keeps renderers from overflowing.
    let rounded = (value.clamp(-1e5, 1e5) * 10.0).round() / 10.0 + 0.0;
    rounded.to_string()
}
