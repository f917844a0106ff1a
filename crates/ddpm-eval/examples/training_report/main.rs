//! Writes the report of an invented run, to look at: `cargo run --example training_report -- FOLDER`.

mod invented;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: training_report FOLDER")?);
    let path = folder.join("index.html");
    invented::report()?.write(&path)?;
    println!("{}", path.display());
    Ok(())
}
