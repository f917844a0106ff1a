//! GIF files of the frames of a trajectory.

use std::path::Path;
use std::time::Duration;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, GrayImage, RgbImage};

use crate::atomic;
use crate::error::{DataError, Result};

use super::raster::{Colour, Picture};

/// Slowest palette search of the encoder is 1, fastest 30; 10 is its usual compromise.
const PALETTE_SPEED: i32 = 10;

fn encode_gif(frames: &[Picture], delay: Duration) -> Result<Vec<u8>> {
    let Some(first) = frames.first() else {
        return Err(DataError::mismatch("frames of a GIF", "at least 1", 0));
    };
    let mut bytes = Vec::new();
    {
        let failed = || DataError::picture("encode", "a GIF");
        let mut encoder = GifEncoder::new_with_speed(&mut bytes, PALETTE_SPEED);
        encoder.set_repeat(Repeat::Infinite).map_err(failed())?;
        for frame in frames {
            if (frame.width, frame.height) != (first.width, first.height) {
                let size = |picture: &Picture| format!("{}x{}", picture.width, picture.height);
                return Err(DataError::mismatch("size of a GIF frame", size(first), size(frame)));
            }
            let delay = Delay::from_saturating_duration(delay);
            let rgba = frame.to_dynamic()?.into_rgba8();
            encoder.encode_frame(Frame::from_parts(rgba, 0, 0, delay)).map_err(failed())?;
        }
    }
    Ok(bytes)
}

/// Writes frames of one size as an endlessly repeating GIF file, atomically. Each frame is shown for `delay` (GIF counts
/// in units of 10 ms). The palette of 256 colours holds grey frames exactly and colour frames approximately.
pub fn write_gif(path: impl AsRef<Path>, frames: &[Picture], delay: Duration) -> Result<()> {
    atomic::write_bytes(path, &encode_gif(frames, delay)?)
}

impl Picture {
    fn to_dynamic(&self) -> Result<DynamicImage> {
        let (width, height, pixels) = (self.width as u32, self.height as u32, self.pixels.clone());
        let image = match self.colour {
            Colour::Grey => GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8),
            Colour::Rgb => RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8),
        };
        let size = || format!("{width}x{height} pixels");
        image.ok_or_else(|| DataError::mismatch("size of a picture", size(), self.pixels.len()))
    }
}

#[cfg(test)]
mod tests {
    use image::AnimationDecoder;
    use image::codecs::gif::GifDecoder;

    use super::*;
    use crate::image_set::ImageShape;

    #[test]
    fn grey_frames_come_back_exactly() {
        let shape = ImageShape::new(1, 16, 16);
        let frames: Vec<Picture> = (0..3_usize)
            .map(|k| {
                let planes: Vec<u8> = (0..256).map(|p| ((p + k * 50) % 256) as u8).collect();
                Picture::from_planes(&planes, shape).unwrap()
            })
            .collect();
        let bytes = encode_gif(&frames, Duration::from_millis(80)).unwrap();
        let decoded =
            GifDecoder::new(std::io::Cursor::new(bytes)).unwrap().into_frames().collect_frames().unwrap();
        assert_eq!(decoded.len(), 3);
        for (read, written) in decoded.iter().zip(&frames) {
            let grey = DynamicImage::ImageRgba8(read.buffer().clone()).into_luma8().into_raw();
            assert_eq!(grey, written.pixels());
            assert_eq!(Duration::from(read.delay()), Duration::from_millis(80));
        }
    }

    #[test]
    fn frames_must_agree() {
        let small = Picture::from_planes(&[0; 4], ImageShape::new(1, 2, 2)).unwrap();
        assert!(encode_gif(&[], Duration::ZERO).is_err());
        let large = Picture::from_planes(&[0; 16], ImageShape::new(1, 4, 4)).unwrap();
        let error = encode_gif(&[small, large], Duration::ZERO).unwrap_err().to_string();
        assert_eq!(error, "size of a GIF frame: expected 2x2, got 4x4");
    }
}
