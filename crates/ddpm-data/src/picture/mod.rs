//! Pictures of image tensors: a single image or a grid of images, written as PNG, or as GIF for several frames.

mod gif;
mod grid;
mod png;
mod raster;

pub use gif::write_gif;
pub use grid::GridLayout;
pub use png::png_name;
pub use png::write_png_folder;
pub use raster::Picture;
