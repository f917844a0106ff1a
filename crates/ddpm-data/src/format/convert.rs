//! From a decoded picture to the channel planes of a data set.
//!
//! ```text
//! 16 bits a channel   round(v / 257)
//! transparency        over black: round(v a / max)
//! RGB to grey         (299 R + 587 G + 114 B) / 1000, rounded (ITU-R BT.601, as Pillow's mode L)
//! grey to RGB         three equal channels
//! ```
//!
//! The order is: orientation, transparency, 8 bits, grey or RGB, cropping, resizing, padding.

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Pixel, Rgb, RgbImage};

use crate::image_options::Resize;
use crate::image_set::ImageShape;

/// The filter of every resize; it is widened where an image shrinks, so that nothing aliases.
const FILTER: FilterType = FilterType::Lanczos3;

/// A picture of 8 bits a channel without transparency.
pub(super) enum Opaque {
    /// One channel.
    Grey(GrayImage),
    /// Three channels.
    Rgb(RgbImage),
}

/// Whether a pixel of the picture is not fully opaque.
pub(super) fn is_translucent(decoded: &DynamicImage) -> bool {
    match decoded {
        DynamicImage::ImageLumaA8(image) => image.pixels().any(|pixel| pixel[1] != u8::MAX),
        DynamicImage::ImageRgba8(image) => image.pixels().any(|pixel| pixel[3] != u8::MAX),
        DynamicImage::ImageLumaA16(image) => image.pixels().any(|pixel| pixel[1] != u16::MAX),
        DynamicImage::ImageRgba16(image) => image.pixels().any(|pixel| pixel[3] != u16::MAX),
        _ => false,
    }
}

/// The picture over black with 8 bits a channel; none for floating-point values.
pub(super) fn opaque(decoded: DynamicImage) -> Option<Opaque> {
    // v a / 255 and v a / 65535, rounded.
    let over = |value: u8, alpha: u8| ((u32::from(value) * u32::from(alpha) + 127) / 255) as u8;
    let over_deep = |value: u16, alpha: u16| ((u64::from(value) * u64::from(alpha) + 32_767) / 65_535) as u16;
    Some(match decoded {
        DynamicImage::ImageLuma8(image) => Opaque::Grey(image),
        DynamicImage::ImageRgb8(image) => Opaque::Rgb(image),
        DynamicImage::ImageLumaA8(image) => Opaque::Grey(map(&image, |p| Luma([over(p[0], p[1])]))),
        DynamicImage::ImageRgba8(image) => {
            Opaque::Rgb(map(&image, |p| Rgb([0, 1, 2].map(|c| over(p[c], p[3])))))
        }
        DynamicImage::ImageLuma16(image) => Opaque::Grey(map(&image, |p| Luma([eight_bits(p[0])]))),
        DynamicImage::ImageRgb16(image) => Opaque::Rgb(map(&image, |p| Rgb(p.0.map(eight_bits)))),
        DynamicImage::ImageLumaA16(image) => {
            Opaque::Grey(map(&image, |p| Luma([eight_bits(over_deep(p[0], p[1]))])))
        }
        DynamicImage::ImageRgba16(image) => {
            Opaque::Rgb(map(&image, |p| Rgb([0, 1, 2].map(|c| eight_bits(over_deep(p[c], p[3]))))))
        }
        _ => return None,
    })
}

fn eight_bits(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}

fn luma(pixel: &Rgb<u8>) -> Luma<u8> {
    let [r, g, b] = pixel.0.map(u32::from);
    Luma([((299 * r + 587 * g + 114 * b + 500) / 1000) as u8])
}

fn map<P, Q>(image: &ImageBuffer<P, Vec<P::Subpixel>>, convert: impl Fn(&P) -> Q) -> ImageBuffer<Q, Vec<u8>>
where
    P: Pixel,
    Q: Pixel<Subpixel = u8>,
{
    let mut target = ImageBuffer::new(image.width(), image.height());
    target.pixels_mut().zip(image.pixels()).for_each(|(to, from)| *to = convert(from));
    target
}

impl Opaque {
    /// [height, width].
    pub(super) fn height_width(&self) -> [usize; 2] {
        let (width, height) = match self {
            Self::Grey(image) => image.dimensions(),
            Self::Rgb(image) => image.dimensions(),
        };
        [height as usize, width as usize]
    }

    /// The picture with `channels` channels, resized, as planes; `planes` has room for `shape`.
    pub(super) fn into_planes(self, shape: ImageShape, resize: Resize, planes: &mut [u8]) {
        let size = (shape.width as u32, shape.height as u32);
        match (self, shape.channels) {
            (Self::Grey(image), 1) => split(&resized(image, size, resize), 1, planes),
            (Self::Rgb(image), 1) => split(&resized(map(&image, luma), size, resize), 1, planes),
            (Self::Rgb(image), channels) => split(&resized(image, size, resize), channels, planes),
            (Self::Grey(image), _) => {
                let grey = resized(image, size, resize);
                planes.chunks_exact_mut(grey.as_raw().len()).for_each(|plane| plane.copy_from_slice(&grey));
            }
        }
    }
}

/// Interleaved values to planes.
fn split(pixels: &[u8], channels: usize, planes: &mut [u8]) {
    for (channel, plane) in planes.chunks_exact_mut(pixels.len() / channels).enumerate() {
        let values = pixels.iter().skip(channel).step_by(channels);
        plane.iter_mut().zip(values).for_each(|(target, value)| *target = *value);
    }
}

/// The picture at `(width, height)`.
fn resized<P>(
    image: ImageBuffer<P, Vec<u8>>,
    (width, height): (u32, u32),
    resize: Resize,
) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let (w, h) = image.dimensions();
    if (w, h) == (width, height) {
        return image;
    }
    match resize {
        Resize::None => image,
        Resize::CoverCrop => {
            // Cropped first: an extreme picture would become huge if it were resized first.
            let (crop_w, crop_h) = fitted((width, height), (w, h));
            let (x, y) = ((w - crop_w) / 2, (h - crop_h) / 2);
            let part = imageops::crop_imm(&image, x, y, crop_w, crop_h).to_image();
            imageops::resize(&part, width, height, FILTER)
        }
        Resize::FitPad => {
            let (fit_w, fit_h) = fitted((w, h), (width, height));
            let small = imageops::resize(&image, fit_w, fit_h, FILTER);
            let mut canvas = ImageBuffer::new(width, height);
            let (x, y) = ((width - fit_w) / 2, (height - fit_h) / 2);
            imageops::replace(&mut canvas, &small, i64::from(x), i64::from(y));
            canvas
        }
    }
}

/// The largest size with the proportions of `(w, h)` inside `(width, height)`, rounded.
fn fitted((w, h): (u32, u32), (width, height): (u32, u32)) -> (u32, u32) {
    let scaled = |side: u32, to: u32, from: u32, limit: u32| {
        let (side, to, from) = (u64::from(side), u64::from(to), u64::from(from));
        ((2 * side * to + from) / (2 * from)).clamp(1, u64::from(limit)) as u32
    };
    if u64::from(w) * u64::from(height) >= u64::from(h) * u64::from(width) {
        (width, scaled(h, width, w, height))
    } else {
        (scaled(w, height, h, width), height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(decoded: DynamicImage, shape: ImageShape, resize: Resize) -> Vec<u8> {
        let mut planes = vec![7; shape.dimension()];
        opaque(decoded).unwrap().into_planes(shape, resize, &mut planes);
        planes
    }

    #[test]
    fn every_kind_of_picture_becomes_eight_bits_over_black() {
        let one = ImageShape::new(3, 1, 1);
        let pixel = |decoded: DynamicImage| planes(decoded, one, Resize::None);
        let rgba = image::RgbaImage::from_pixel(1, 1, image::Rgba([255, 100, 1, 128]));
        assert_eq!(pixel(rgba.into()), [128, 50, 1]);
        let deep = ImageBuffer::from_pixel(1, 1, Rgb([65_535_u16, 257 * 9 + 128, 257 * 9 + 129]));
        assert_eq!(pixel(DynamicImage::ImageRgb16(deep)), [255, 9, 10]);
        let deep = ImageBuffer::from_pixel(1, 1, image::LumaA([65_535_u16, 257 * 40]));
        assert_eq!(pixel(DynamicImage::ImageLumaA16(deep)), [40, 40, 40]);
        // Pillow: Image.new("RGB", (1, 1), (200, 100, 50)).convert("L").getpixel((0, 0)) is 124.
        let colour = RgbImage::from_pixel(1, 1, Rgb([200, 100, 50]));
        assert_eq!(planes(colour.into(), ImageShape::new(1, 1, 1), Resize::None), [124]);
        assert!(opaque(DynamicImage::ImageRgb32F(ImageBuffer::new(1, 1))).is_none());
    }

    #[test]
    fn cropping_keeps_the_middle_and_padding_the_whole() {
        // Three blocks of 8x8: dark, middle, bright.
        let strip = GrayImage::from_fn(24, 8, |x, _| Luma([[50, 100, 200][x as usize / 8]]));
        let shape = ImageShape::new(1, 4, 4);
        let cropped = planes(strip.clone().into(), shape, Resize::CoverCrop);
        assert_eq!(cropped, [100; 16]);
        let padded = planes(strip.clone().into(), ImageShape::new(1, 12, 12), Resize::FitPad);
        assert!(padded[..4 * 12].iter().chain(&padded[8 * 12..]).all(|&value| value == 0));
        assert!(padded[5 * 12..6 * 12].iter().all(|&value| value > 40));
        // An image of the right size is not touched.
        assert_eq!(
            planes(strip.clone().into(), ImageShape::new(1, 8, 24), Resize::CoverCrop),
            strip.into_raw()
        );
        // Extreme proportions keep at least a row.
        let line = GrayImage::from_pixel(5000, 1, Luma([9]));
        assert_eq!(
            planes(line.into(), ImageShape::new(1, 2, 2), Resize::FitPad).iter().filter(|&&v| v == 9).count(),
            2
        );
    }
}
