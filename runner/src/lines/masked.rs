//! What is masked in lines, however they come.

use proptest::prelude::*;

use cronium_protocol::masks::*;

use super::LineCutter;

fn masks(values: &[&str]) -> Masks {
    let masks = Masks::default();
    masks.learn(values.iter().copied()).unwrap();
    masks
}

fn text(masks: &Masks, text: &str) -> String {
    spoken(masks, 1000, &[text.as_bytes()]).concat()
}

/// What comes out of lines that are read in these pieces.
fn spoken(masks: &Masks, limit: usize, pieces: &[&[u8]]) -> Vec<String> {
    let mut cutter = LineCutter::new(limit);
    cutter.mask(masks.masker());
    let mut out = Vec::new();
    for piece in pieces {
        cutter.feed(piece, |cut| out.push(cut.text));
    }
    out.extend(cutter.finish().map(|cut| cut.text));
    out
}

#[test]
fn each_secret_in_a_text_is_masked_and_the_rest_stays() {
    let masks = masks(&["hunter2", "second"]);
    let shown = text(&masks, "a hunter2 b second,hunter2second c");
    assert_eq!(shown, "a *** b ***,*** c");
    assert_eq!(text(&masks, "hunter"), "hunter");
    assert_eq!(text(&Masks::default(), "hunter2"), "hunter2");
}

#[test]
fn secrets_that_overlap_leave_nothing_of_each_other() {
    let masks = masks(&["abcdefgh", "efghijkl", "abcdefghij"]);
    assert_eq!(text(&masks, "xabcdefghijklx"), "x***x");
}

#[test]
fn a_secret_on_the_edge_of_a_cut_line_is_masked() {
    let secret = "0123456789".repeat(20);
    let masks = masks(&[&secret, "short secret"]);
    for before in 0..120 {
        for value in [secret.as_str(), "short secret"] {
            let line = format!("{}{value}{}\n", "x".repeat(before), "y".repeat(300));
            let out = spoken(&masks, 100, &[line.as_bytes()]);
            let beginning = &value[..4];
            assert!(!out[0].contains(beginning), "{before}: {out:?}");
            assert!(out[0].len() <= 102, "{before}: {out:?}");
        }
    }
}

#[test]
fn an_output_stays_json() {
    let masks = masks(&["123456", "with \"quotes\"", "été!"]);
    let json = |text: &str| masks.json(text.to_owned());
    assert_eq!(json(r#"{"a": 123456}"#).unwrap(), r#"{"a": "***"}"#);
    assert_eq!(json(r#"{"a": "x123456y"}"#).unwrap(), r#"{"a": "x***y"}"#);
    assert_eq!(json(r#"["\\", 123456]"#).unwrap(), r#"["\\", "***"]"#);
    assert_eq!(json(r#"["with \"quotes\""]"#).unwrap(), r#"["***"]"#);
    assert_eq!(
        json(r#"["\u00e9t\u00E9!", "\u00e9t\u00e9!"]"#).unwrap(),
        r#"["\u00e9t\u00E9!", "***"]"#
    );
    assert!(json(r#"{"a": 1234567}"#).is_err());
    assert_eq!(json(r#"{"a": 1}"#).unwrap(), r#"{"a": 1}"#);
}

#[test]
fn so_many_secrets_that_they_can_t_be_masked_are_refused() {
    let masks = Masks::default();
    let values: Vec<String> = (0..5_000).map(|n| format!("secret number {n}")).collect();
    let learn = |values: &[String]| masks.learn(values.iter().map(String::as_str));
    assert_eq!(learn(&values[..500]), Ok(()));
    assert_eq!(learn(&values), Err(TooMany));
    assert_eq!(text(&masks, "secret number 7"), "***");
}

proptest! {
    /// However the bytes are split, in whatever form: nothing of the secret is left, and what is beside it is.
    #[test]
    fn no_split_lets_a_secret_through(
        secret in "[ -~éß]{8,90}",
        before in "[0-9 ]{0,30}",
        after in "[0-9 ]{0,30}",
        form in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let secret = format!("s{}e", secret.trim());
        let masks = masks(&[&secret]);
        let forms: Vec<_> = forms::of(&secret).into_iter().collect();
        let form = form.get(&forms);
        let line = [before.as_bytes(), form, after.as_bytes(), b"\n"].concat();
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(line.len())).collect();
        at.extend([0, line.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &line[pair[0]..pair[1]]).collect();
        let out = spoken(&masks, 1000, &pieces);
        prop_assert_eq!(out.len(), 1);
        prop_assert!(out[0].starts_with(&before) && out[0].ends_with(&after));
        prop_assert!(out[0].contains(MASK));
        prop_assert!(!out[0].contains(&*String::from_utf8_lossy(form)));
    }

    /// A value of several lines, printed as it is, in any pieces.
    #[test]
    fn values_with_newlines_are_masked_line_by_line(
        lines in prop::collection::vec("[a-z]{4,70}", 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let value = lines.join("\n");
        let masks = masks(&[&value]);
        let text = format!("{value}\n");
        let at = cut.index(text.len());
        let out = spoken(&masks, 1000, &[&text.as_bytes()[..at], &text.as_bytes()[at..]]);
        prop_assert_eq!(out, vec![MASK.to_owned(); lines.len()]);
    }
}
