//! Text for a terminal: wrapped lines and aligned columns.

/// Between columns.
const GAP: usize = 2;
/// Columns of words are not wrapped below this.
const NARROWEST: usize = 12;

/// One column of a table.
pub(super) struct Column {
    pub(super) heading: String,
    pub(super) cells: Vec<String>,
    /// Whether the cells stand flush right, as numbers do.
    pub(super) right: bool,
}

/// Spaces that keep words together in HTML are plain ones on a terminal, where fonts often lack them.
fn plain(text: &str) -> String {
    text.replace(['\u{202f}', '\u{a0}'], " ")
}

/// The lines of a text of at most `width` characters, broken between words. A longer word has a line of its own.
fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A paragraph in lines of at most `width` characters.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    lines(&plain(text), width).join("\n")
}

/// The columns side by side under their headings. Where that is wider than `width`, headings and columns of words are wrapped, the widest
/// first; numbers are never broken. Where even that is wider, the columns stand in several blocks one below the other, each with the first
/// column.
pub(super) fn aligned(columns: &[Column], width: usize) -> String {
    let Some((names, rest)) = columns.split_first() else { return String::new() };
    let mut blocks: Vec<Vec<&Column>> = vec![vec![names]];
    for column in rest {
        let last = blocks.len() - 1;
        let fits = total(blocks[last].iter().copied().chain([column]).map(least)) <= width;
        if fits || blocks[last].len() == 1 {
            blocks[last].push(column);
        } else {
            blocks.push(vec![names, column]);
        }
    }
    let blocks: Vec<String> = blocks.iter().map(|columns| block(columns, width)).collect();
    blocks.join("\n")
}

fn longest(texts: impl Iterator<Item = String>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

/// The length of the longest word.
fn word(text: &str) -> usize {
    longest(plain(text).split(' ').map(str::to_owned))
}

/// The least width of a column.
fn least(column: &Column) -> usize {
    let cells = if column.right {
        longest(column.cells.iter().map(|cell| plain(cell)))
    } else {
        column.cells.iter().map(|cell| word(cell)).max().unwrap_or(0).max(NARROWEST)
    };
    cells.max(word(&column.heading)).min(natural(column))
}

/// The width of a column without wrapping.
fn natural(column: &Column) -> usize {
    longest(column.cells.iter().chain([&column.heading]).map(|text| plain(text)))
}

/// The width of columns side by side.
fn total(widths: impl Iterator<Item = usize>) -> usize {
    let (sum, count) = widths.fold((0, 0_usize), |(sum, count), width| (sum + width, count + 1));
    sum + GAP * count.saturating_sub(1)
}

/// Columns side by side.
fn block(columns: &[&Column], width: usize) -> String {
    let mut widths: Vec<usize> = columns.iter().copied().map(natural).collect();
    while total(widths.iter().copied()) > width {
        let shrinkable = (0..columns.len()).filter(|&k| widths[k] > least(columns[k]));
        let Some(widest) = shrinkable.max_by_key(|&k| widths[k]) else { break };
        widths[widest] -= 1;
    }
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let mut text = row(columns, &widths, |column| &column.heading);
    for k in 0..rows {
        text.push_str(&row(columns, &widths, |column| &column.cells[k]));
    }
    text
}

/// One row, of as many lines as its tallest cell.
fn row<'a>(columns: &[&'a Column], widths: &[usize], of: impl Fn(&'a Column) -> &'a String) -> String {
    let cells: Vec<Vec<String>> =
        columns.iter().zip(widths).map(|(column, &width)| lines(&plain(of(column)), width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::new();
    for k in 0..height {
        let mut line = String::new();
        for ((column, cell), width) in columns.iter().zip(&cells).zip(widths) {
            let part = cell.get(k).map_or("", String::as_str);
            let room = " ".repeat(width.saturating_sub(part.chars().count()));
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            line.push_str(&if column.right { room + part } else { part.to_owned() + &room });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_do_not_fit_stand_below_each_other() {
        let column = |heading: &str, cell: &str, right| Column {
            heading: heading.to_owned(),
            cells: vec![cell.to_owned(), cell.to_owned()],
            right,
        };
        let columns = [
            column("part", "discretization", false),
            column("empirical-training", "0.0009185 ± 0.0000087", true),
            column("empirical-lower-bound", "0.0009441 ± 0.0000085", true),
            column("reference", "0.0009441 ± 0.0000001", true),
        ];
        for (width, blocks) in [(100, 1), (80, 2), (40, 3)] {
            let text = aligned(&columns, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
            assert_eq!(text.matches("part").count(), blocks, "{width}\n{text}");
            for column in &columns {
                assert!(text.contains(&column.heading) && text.contains(&column.cells[0]), "{width}\n{text}");
            }
        }
    }
}
