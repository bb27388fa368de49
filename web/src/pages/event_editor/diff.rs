//! Which lines differ between two versions of a source text.
//! The shortest edit script (Myers, 1986) up to a limit of work; beyond it, the middle is replaced whole.

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    Same { old: usize, new: usize, text: &'a str },
    Removed { old: usize, text: &'a str },
    Added { new: usize, text: &'a str },
}

/// Differences that are looked for before giving up on a shortest script.
const MOST: usize = 1500;

/// Compares line by line. Numbers of lines begin at 1.
pub fn diff<'a>(old: &'a str, new: &'a str) -> Vec<Change<'a>> {
    let (a, b): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let head = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let most = a.len().min(b.len()) - head;
    let tail = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take(most)
        .take_while(|(a, b)| a == b)
        .count();
    let (middle_a, middle_b) = (&a[head..a.len() - tail], &b[head..b.len() - tail]);
    let mut out: Vec<Change<'a>> = (0..head)
        .map(|i| Change::Same {
            old: i + 1,
            new: i + 1,
            text: a[i],
        })
        .collect();
    out.extend(middle(middle_a, middle_b).into_iter().map(|step| match step {
        (Some(x), Some(y)) => Change::Same {
            old: head + x + 1,
            new: head + y + 1,
            text: middle_a[x],
        },
        (Some(x), None) => Change::Removed {
            old: head + x + 1,
            text: middle_a[x],
        },
        (None, y) => {
            let y = y.unwrap_or_default();
            Change::Added {
                new: head + y + 1,
                text: middle_b[y],
            }
        }
    }));
    out.extend((0..tail).map(|i| {
        let (x, y) = (a.len() - tail + i, b.len() - tail + i);
        Change::Same {
            old: x + 1,
            new: y + 1,
            text: a[x],
        }
    }));
    out
}

/// Lines of the new text that are not in the old one, by number from 1.
pub fn changed_lines(old: &str, new: &str) -> Vec<usize> {
    let added = diff(old, new).into_iter();
    added
        .filter_map(|change| {
            if let Change::Added { new, .. } = change {
                Some(new)
            } else {
                None
            }
        })
        .collect()
}

type Step = (Option<usize>, Option<usize>);

fn middle(a: &[&str], b: &[&str]) -> Vec<Step> {
    let whole = || {
        let removed = (0..a.len()).map(|x| (Some(x), None));
        removed.chain((0..b.len()).map(|y| (None, Some(y)))).collect()
    };
    if a.is_empty() || b.is_empty() {
        return whole();
    }
    let most = (a.len() + b.len()).min(MOST);
    // best[k] is how far down the old text a path on diagonal k (offset by `most`) has come.
    let at = |k: isize| (k + most as isize + 1) as usize;
    let mut best = vec![0usize; 2 * most + 3];
    let mut trace: Vec<Vec<usize>> = Vec::new();
    for d in 0..=most as isize {
        trace.push(best[at(-d)..=at(d)].to_vec());
        for k in (-d..=d).step_by(2) {
            let down = k == -d || (k != d && best[at(k - 1)] < best[at(k + 1)]);
            let mut x = if down {
                best[at(k + 1)]
            } else {
                best[at(k - 1)] + 1
            };
            let mut y = (x as isize - k) as usize;
            while x < a.len() && y < b.len() && a[x] == b[y] {
                x += 1;
                y += 1;
            }
            best[at(k)] = x;
            if x >= a.len() && y >= b.len() {
                return walk_back(&trace, a.len(), b.len());
            }
        }
    }
    whole()
}

/// Follows the path back. `trace[d]` is the state before round d, for diagonals -d to d.
fn walk_back(trace: &[Vec<usize>], mut x: usize, mut y: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    for (d, best) in trace.iter().enumerate().rev() {
        let d = d as isize;
        let value = |k: isize| best.get((k + d) as usize).copied().unwrap_or_default();
        let k = x as isize - y as isize;
        let down = k == -d || (k != d && value(k - 1) < value(k + 1));
        let from_k = if down { k + 1 } else { k - 1 };
        let (from_x, from_y) = if d == 0 {
            (0, 0)
        } else {
            (value(from_k), (value(from_k) as isize - from_k) as usize)
        };
        while x > from_x && y > from_y {
            x -= 1;
            y -= 1;
            steps.push((Some(x), Some(y)));
        }
        if d > 0 {
            if down {
                y -= 1;
                steps.push((None, Some(y)));
            } else {
                x -= 1;
                steps.push((Some(x), None));
            }
        }
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(old: &str, new: &str) -> String {
        let mark = |change: &Change<'_>| match change {
            Change::Same { text, .. } => format!(" {text}"),
            Change::Removed { text, .. } => format!("-{text}"),
            Change::Added { text, .. } => format!("+{text}"),
        };
        diff(old, new).iter().map(mark).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn equal_texts_have_no_changes() {
        assert_eq!(marks("a\nb", "a\nb"), " a, b");
        assert!(changed_lines("a\nb", "a\nb").is_empty());
    }

    #[test]
    fn the_shortest_script_is_found() {
        assert_eq!(marks("a\nb\nc", "a\nx\nc"), " a,-b,+x, c");
        assert_eq!(
            marks("a\nb\nc\na\nb\nb\na", "c\nb\na\nb\na\nc")
                .matches(['-', '+'])
                .count(),
            5
        );
        assert_eq!(marks("", "a"), "-,+a");
        assert_eq!(marks("a", "a\nb"), " a,+b");
        assert_eq!(changed_lines("a\nb\nc", "a\nx\ny\nc"), [2, 3]);
    }

    #[test]
    fn both_sides_can_be_rebuilt() {
        let words = ["a", "b", "c", "", "d"];
        let mut seed = 7_u32;
        for _ in 0..200 {
            let mut text = || {
                let lines = (0..12).map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    words[(seed >> 24) as usize % words.len()]
                });
                lines.collect::<Vec<_>>().join("\n")
            };
            let (old, new) = (text(), text());
            let changes = diff(&old, &new);
            let side = |pick: fn(&Change<'_>) -> Option<(usize, String)>| {
                let lines: Vec<_> = changes.iter().filter_map(pick).collect();
                assert!(lines.iter().enumerate().all(|(i, (n, _))| i + 1 == *n));
                lines
                    .into_iter()
                    .map(|(_, text)| text)
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            let was = side(|c| match c {
                Change::Same { old, text, .. } | Change::Removed { old, text } => {
                    Some((*old, (*text).to_owned()))
                }
                Change::Added { .. } => None,
            });
            let is = side(|c| match c {
                Change::Same { new, text, .. } | Change::Added { new, text } => {
                    Some((*new, (*text).to_owned()))
                }
                Change::Removed { .. } => None,
            });
            assert_eq!((was, is), (old.clone(), new.clone()));
        }
    }

    #[test]
    fn texts_without_a_common_line_are_replaced() {
        let old = (0..2000).map(|n| format!("a{n}")).collect::<Vec<_>>().join("\n");
        let new = (0..2000).map(|n| format!("b{n}")).collect::<Vec<_>>().join("\n");
        assert_eq!(diff(&old, &new).len(), 4000);
    }
}
