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
/// first; numbers are never broken.
pub(super) fn aligned(columns: &[Column], width: usize) -> String {
    let longest =
        |texts: &mut dyn Iterator<Item = String>| texts.map(|t| t.chars().count()).max().unwrap_or(0);
    let word = |text: &str| longest(&mut plain(text).split(' ').map(str::to_owned));
    let least = |column: &Column| {
        let cells = if column.right {
            longest(&mut column.cells.iter().map(|cell| plain(cell)))
        } else {
            column.cells.iter().map(|cell| word(cell)).max().unwrap_or(0).max(NARROWEST)
        };
        cells.max(word(&column.heading))
    };
    let mut widths: Vec<usize> = columns
        .iter()
        .map(|column| longest(&mut column.cells.iter().chain([&column.heading]).map(|text| plain(text))))
        .collect();
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
    while total(&widths) > width {
        let shrinkable = (0..columns.len()).filter(|&k| widths[k] > least(&columns[k]));
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
fn row<'a>(columns: &'a [Column], widths: &[usize], of: impl Fn(&'a Column) -> &'a String) -> String {
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
