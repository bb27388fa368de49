//! The arithmetic of a virtual list: which rows are in view for a scroll position, and where they go.
//! Rows have one height, or when lines wrap a height each, guessed first and then measured.
//! Knows nothing of the page's elements.

/// Height of a row of one line of text, in CSS pixels.
pub const ROW: f64 = 20.0;
/// Browsers stop at some 17 million pixels; above this the scroll bar is scaled.
const LIMIT: f64 = 8_000_000.0;
/// Rows drawn beyond each edge of the view.
const OVERSCAN: usize = 12;
const BLOCK: usize = 1024;

/// The rows to draw.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Window {
    pub first: usize,
    /// One past the last row.
    pub end: usize,
    /// Where the first row goes, from the top of the scrolled area, in pixels.
    pub offset: f64,
    /// Height of the scrolled area below the last row, in pixels.
    pub after: f64,
}

/// Heights of rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// Every row is one line high.
    Uniform { rows: usize },
    /// Rows wrap.
    Wrapped(Heights),
}

impl Layout {
    pub fn rows(&self) -> usize {
        match self {
            Self::Uniform { rows } => *rows,
            Self::Wrapped(heights) => heights.lines.len(),
        }
    }

    fn total(&self) -> f64 {
        self.top_of(self.rows())
    }

    /// Where a row begins, were there no limit to the height of the page.
    fn top_of(&self, row: usize) -> f64 {
        match self {
            Self::Uniform { rows } => row.min(*rows) as f64 * ROW,
            Self::Wrapped(heights) => heights.before(row) as f64 * ROW,
        }
    }

    fn row_at(&self, y: f64) -> usize {
        let line = (y.max(0.0) / ROW) as u64;
        match self {
            Self::Uniform { .. } => line as usize,
            Self::Wrapped(heights) => heights.row_at(line),
        }
    }

    /// Height of the scrolled area.
    pub fn height(&self) -> f64 {
        self.total().min(LIMIT)
    }

    /// Pixels of content for each pixel of scrolling.
    fn scale(&self, view: f64) -> f64 {
        let (total, height) = (self.total(), self.height());
        if total <= LIMIT || height <= view {
            1.0
        } else {
            (total - view) / (height - view)
        }
    }

    /// The rows to draw at a scroll position in a view of this height.
    pub fn window(&self, scroll: f64, view: f64) -> Window {
        let height = self.height();
        let scroll = scroll.clamp(0.0, (height - view).max(0.0));
        let top = scroll * self.scale(view);
        let first = self.row_at(top).min(self.rows()).saturating_sub(OVERSCAN);
        let end = (self.row_at(top + view) + 1 + OVERSCAN).min(self.rows());
        // The part of the content under the scroll position stays there, whatever the scale.
        let offset = scroll - (top - self.top_of(first));
        let drawn = self.top_of(end) - self.top_of(first);
        Window {
            first,
            end,
            offset,
            after: (height - offset - drawn).max(0.0),
        }
    }

    /// The first row in view at a scroll position.
    pub fn first_at(&self, scroll: f64, view: f64) -> usize {
        self.row_at(scroll.max(0.0) * self.scale(view)).min(self.rows())
    }

    /// The scroll position that puts a row in the middle of the view, or at its top.
    pub fn scroll_to(&self, row: usize, view: f64, at_top: bool) -> f64 {
        let above = if at_top { 0.0 } else { (view - ROW) / 2.0 };
        let top = (self.top_of(row) - above).max(0.0);
        (top / self.scale(view)).min((self.height() - view).max(0.0))
    }
}

/// Lines of text that each row takes, with sums by block, so that a million rows stay cheap.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Heights {
    lines: Vec<u16>,
    blocks: Vec<u64>,
}

impl Heights {
    /// Adds a row at the end.
    pub fn push(&mut self, lines: usize) {
        let lines = u16::try_from(lines.max(1)).unwrap_or(u16::MAX);
        if self.lines.len().is_multiple_of(BLOCK) {
            self.blocks.push(0);
        }
        self.lines.push(lines);
        if let Some(block) = self.blocks.last_mut() {
            *block += u64::from(lines);
        }
    }

    /// Corrects a row by what was measured. True when that moves the rows after it.
    pub fn set(&mut self, row: usize, lines: usize) -> bool {
        let lines = u16::try_from(lines.max(1)).unwrap_or(u16::MAX);
        let (Some(held), Some(block)) = (self.lines.get_mut(row), self.blocks.get_mut(row / BLOCK)) else {
            return false;
        };
        if *held == lines {
            return false;
        }
        *block = *block - u64::from(*held) + u64::from(lines);
        *held = lines;
        true
    }

    /// These heights with measured rows put right; none when all were right already.
    pub fn corrected(&self, measured: &[(usize, f64)]) -> Option<Self> {
        let lines = |height: f64| (height / ROW).round() as usize;
        // A row without height is not on the page, such as in a hidden tab: that says nothing of its lines.
        let wrong = |(row, height): &&(usize, f64)| {
            let held = self.lines.get(*row).map(|held| usize::from(*held));
            lines(*height) > 0 && held.is_some_and(|held| held != lines(*height).min(u16::MAX.into()))
        };
        measured.iter().find(wrong)?;
        let mut right = self.clone();
        for (row, height) in measured.iter().filter(wrong) {
            right.set(*row, lines(*height));
        }
        Some(right)
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    fn before(&self, row: usize) -> u64 {
        let row = row.min(self.lines.len());
        let whole: u64 = self.blocks.iter().take(row / BLOCK).sum();
        whole
            + self.lines[row / BLOCK * BLOCK..row]
                .iter()
                .map(|l| u64::from(*l))
                .sum::<u64>()
    }

    fn row_at(&self, line: u64) -> usize {
        let mut left = line;
        for (index, block) in self.blocks.iter().enumerate() {
            if left >= *block {
                left -= block;
                continue;
            }
            for (row, lines) in self.lines.iter().enumerate().skip(index * BLOCK) {
                if left < u64::from(*lines) {
                    return row;
                }
                left -= u64::from(*lines);
            }
        }
        self.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 0.001
    }

    #[test]
    fn a_short_log_is_drawn_whole() {
        let window = Layout::Uniform { rows: 5 }.window(0.0, 400.0);
        assert_eq!((window.first, window.end), (0, 5));
        assert!(close(window.after, 0.0) && close(window.offset, 0.0));
        assert_eq!(Layout::Uniform { rows: 0 }.window(50.0, 400.0), Window::default());
    }

    #[test]
    fn only_rows_near_the_view_are_drawn() {
        let window = Layout::Uniform { rows: 100_000 }.window(20_000.0, 400.0);
        assert_eq!((window.first, window.end), (1000 - 12, 1000 + 21 + 12));
        assert!(close(window.offset, 988.0 * ROW) && close(window.after, (100_000.0 - 1033.0) * ROW));
    }

    #[test]
    fn a_scroll_past_the_end_shows_the_end() {
        let window = Layout::Uniform { rows: 100 }.window(1e9, 400.0);
        assert_eq!(window.end, 100);
        assert!(window.first <= 80);
    }

    #[test]
    fn a_million_rows_fit_the_browser_and_reach_both_ends() {
        let layout = Layout::Uniform { rows: 1_000_000 };
        assert!(layout.height() <= LIMIT);
        assert_eq!(layout.window(0.0, 600.0).first, 0);
        let bottom = layout.height() - 600.0;
        let window = layout.window(bottom, 600.0);
        assert_eq!(window.end, 1_000_000);
        // The last row ends where the scrolled area ends.
        let rows = (window.end - window.first) as f64 * ROW;
        assert!(close(window.offset + rows, layout.height()) && close(window.after, 0.0));
        for row in [0, 1, 399_999, 400_000, 765_432, 999_999] {
            let window = layout.window(layout.scroll_to(row, 600.0, false), 600.0);
            assert!(
                (window.first..window.end).contains(&row),
                "row {row} is in {window:?}"
            );
            assert!(window.end - window.first < 80);
        }
        for row in [0, 1, 399_999, 765_432] {
            let first = layout.first_at(layout.scroll_to(row, 600.0, true), 600.0);
            assert!(first.abs_diff(row) <= 1, "row {row} came to be {first}");
        }
    }

    #[test]
    fn wrapped_rows_take_their_own_height() {
        let mut heights = Heights::default();
        for row in 0..5000 {
            heights.push(if row % 10 == 0 { 3 } else { 1 });
        }
        assert_eq!(heights.before(10), 12);
        assert_eq!(heights.before(5000), 6000);
        assert_eq!(
            (
                heights.row_at(0),
                heights.row_at(2),
                heights.row_at(3),
                heights.row_at(12)
            ),
            (0, 0, 1, 10)
        );
        assert_eq!(heights.row_at(5999), 4999);
        assert_eq!(heights.row_at(6000), 5000);
        let layout = Layout::Wrapped(heights);
        let window = layout.window(12.0 * ROW * 300.0, 200.0);
        assert_eq!(window.first, 3000 - 12);
    }

    #[test]
    fn what_was_measured_is_right_afterwards() {
        let mut heights = Heights::default();
        (0..3).for_each(|_| heights.push(1));
        assert_eq!(heights.corrected(&[(0, 20.0), (1, 20.0), (7, 60.0)]), None);
        let measured = [(0, 20.0), (1, 60.0), (2, 2_000_000.0)];
        let right = heights.corrected(&measured).unwrap();
        assert_eq!(right.before(2), 4);
        assert_eq!(right.corrected(&measured), None);
        // Rows in a hidden tab have no height; taking that for true would never come to rest.
        assert_eq!(right.corrected(&[(0, 0.0), (1, 0.0)]), None);
    }

    #[test]
    fn a_measured_row_moves_those_after_it() {
        let mut heights = Heights::default();
        (0..2000).for_each(|_| heights.push(1));
        assert!(heights.set(1500, 4));
        assert!(!heights.set(1500, 4));
        assert!(!heights.set(9000, 4));
        assert_eq!(
            (heights.before(1500), heights.before(1501), heights.before(2000)),
            (1500, 1504, 2003)
        );
        assert_eq!(heights.row_at(1503), 1500);
        assert!(heights.set(1500, 0));
        assert_eq!(heights.before(2000), 2000);
    }
}
