//! The extent of a TIFF file (TIFF 6.0, section 2; BigTIFF): directories of entries, whose values and image data may lie anywhere.

/// Directories beyond which a file is taken for damaged: their chain may be a circle.
const MAX_DIRECTORIES: usize = 65_536;

/// Tags of the positions and sizes of strips and tiles.
const POSITIONS: [u16; 2] = [273, 324];
const SIZES: [u16; 2] = [279, 325];

/// Whether all directories, values, strips and tiles lie inside the file.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    Reader::new(bytes).is_some_and(|reader| reader.walk().is_some())
}

struct Reader<'a> {
    bytes: &'a [u8],
    little_endian: bool,
    /// BigTIFF: positions and counts have eight bytes.
    big: bool,
}

/// An entry of a directory: the position, number and size in bytes of its values.
struct Entry {
    tag: u16,
    position: usize,
    count: usize,
    size: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let little_endian = bytes.starts_with(b"II");
        let mut reader = Self { bytes, little_endian, big: false };
        reader.big = reader.number(2, 2)? == 43;
        Some(reader)
    }

    /// The unsigned number of `size` bytes at `position`; none beyond the end.
    fn number(&self, position: usize, size: usize) -> Option<usize> {
        let bytes = self.bytes.get(position..position.checked_add(size)?)?;
        let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        let value =
            if self.little_endian { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) };
        usize::try_from(value).ok()
    }

    /// Bytes of a position in the file.
    fn word(&self) -> usize {
        if self.big { 8 } else { 4 }
    }

    /// Follows the chain of directories; none at the first thing beyond the end.
    fn walk(&self) -> Option<()> {
        let word = self.word();
        let mut directory = self.number(word, word)?;
        for _ in 0..MAX_DIRECTORIES {
            if directory == 0 {
                return Some(());
            }
            let (head, length) = if self.big { (8, 20) } else { (2, 12) };
            let count = self.number(directory, head)?;
            let first = directory.checked_add(head)?;
            let end = first.checked_add(count.checked_mul(length)?)?;
            directory = self.number(end, word)?;
            let entries = (0..count).map(|k| self.entry(first + k * length)).collect::<Option<Vec<_>>>()?;
            self.image_data(&entries)?;
        }
        None
    }

    fn entry(&self, at: usize) -> Option<Entry> {
        let word = self.word();
        let size = match self.number(at + 2, 2)? {
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16 | 17 | 18 => 8,
            _ => 1,
        };
        let count = self.number(at + 4, word)?;
        let inside = at + 4 + word;
        let extent = count.checked_mul(size)?;
        let position = if extent <= word { inside } else { self.number(inside, word)? };
        self.bytes.get(position..position.checked_add(extent)?)?;
        Some(Entry { tag: self.number(at, 2)? as u16, position, count, size })
    }

    /// Checks that all strips or tiles of a directory lie inside the file.
    fn image_data(&self, entries: &[Entry]) -> Option<()> {
        for (start, extent) in POSITIONS.into_iter().zip(SIZES) {
            let find = |tag| entries.iter().find(|entry| entry.tag == tag);
            let (Some(starts), Some(extents)) = (find(start), find(extent)) else { continue };
            for k in 0..starts.count.min(extents.count) {
                let value = |entry: &Entry| self.number(entry.position + k * entry.size, entry.size);
                let begin = value(starts)?;
                self.bytes.get(begin..begin.checked_add(value(extents)?)?)?;
            }
        }
        Some(())
    }
}
