//! Texts with places to fill in: Jinja's language, without a way to anything but the values that are given. Steps and
//! size are limited. Pure.

use std::collections::BTreeSet;
use std::io::{self, Write};

use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};
use serde::Serialize;

/// Steps that one text may take.
const FUEL: u64 = 100_000;
/// Largest result, in bytes.
const MOST: usize = 1 << 20;
/// How deep values and blocks may be nested.
const DEPTH: usize = 64;

/// Why a text can't be filled in; for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl From<minijinja::Error> for TemplateError {
    fn from(error: minijinja::Error) -> Self {
        let text = match error.kind() {
            ErrorKind::OutOfFuel => format!("it takes more than {FUEL} steps"),
            ErrorKind::WriteFailure => format!("it becomes longer than {} KiB", MOST >> 10),
            ErrorKind::UndefinedError => match error.detail() {
                Some(detail) => format!("a value is not there: {detail}"),
                None => "a value is not there".to_owned(),
            },
            kind => match error.detail() {
                Some(detail) => format!("{kind}: {detail}"),
                None => kind.to_string(),
            },
        };
        Self(match error.line() {
            Some(line) if line > 1 => format!("line {line}: {text}"),
            _ => text,
        })
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEPTH);
    // A value that is not there is a mistake, and half a request is worse than none.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("urlencode", urlencode);
    environment
}

/// Jinja's own leaves `/`, so that a value could be several segments of a path, and makes nothing of what is not there.
fn urlencode(value: &Value) -> Result<String, minijinja::Error> {
    if value.is_undefined() || value.is_none() {
        return Err(ErrorKind::UndefinedError.into());
    }
    Ok(minijinja::filters::urlencode(value)?.replace('/', "%2F"))
}

/// Whether it is a template at all.
pub fn check(text: &str) -> Result<(), TemplateError> {
    Ok(environment().template_from_str(text).map(drop)?)
}

/// The values that a template asks for, as `input.name` and so on.
pub fn names(text: &str) -> BTreeSet<String> {
    let environment = environment();
    let template = environment.template_from_str(text);
    let names = template.map(|template| template.undeclared_variables(true));
    names.into_iter().flatten().collect()
}

/// Takes at most so many bytes.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text with its places filled in from `values`.
pub fn render(text: &str, values: &impl Serialize) -> Result<String, TemplateError> {
    if !text.contains("{{") && !text.contains("{%") && !text.contains("{#") {
        return Ok(text.to_owned());
    }
    let environment = environment();
    let template = environment.template_from_str(text)?;
    let mut result = Bounded(Vec::new());
    drop(template.render_captured_to(Value::from(Serde(values)), &mut result)?);
    String::from_utf8(result.0).map_err(|_| TemplateError("it becomes what is no text".into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn rendered(text: &str) -> Result<String, String> {
        let values = json!({ "input": { "name": "<Ann>", "n": 3, "list": [1, 2], "path": "a b/c" } });
        render(text, &values).map_err(|error| error.to_string())
    }

    #[test]
    fn places_are_filled_in_as_they_are() {
        assert_eq!(rendered("plain {text}"), Ok("plain {text}".into()));
        assert_eq!(rendered("Hi {{ input.name }}!"), Ok("Hi <Ann>!".into()));
        assert_eq!(rendered("{{ input.list | tojson }}"), Ok("[1, 2]".into()));
        assert_eq!(rendered("{{ input.path | urlencode }}"), Ok("a%20b%2Fc".into()));
        assert_eq!(
            rendered("{{ {'a b': 'c/d'} | urlencode }}"),
            Ok("a%20b=c%2Fd".into())
        );
        assert_eq!(
            rendered("{% for x in input.list %}{{ x }};{% endfor %}"),
            Ok("1;2;".into())
        );
    }

    #[test]
    fn mistakes_are_told() {
        assert!(
            rendered("{{ input.nmae }}")
                .unwrap_err()
                .starts_with("a value is not there")
        );
        for absent in ["{{ input.nmae | urlencode }}", "{{ none | urlencode }}"] {
            assert_eq!(rendered(absent), Err("a value is not there".into()), "{absent}");
        }
        assert!(
            rendered("{{ variables.X }}")
                .unwrap_err()
                .starts_with("a value is not there")
        );
        assert!(
            rendered("\n{{ input.name")
                .unwrap_err()
                .starts_with("line 2: syntax error")
        );
        assert!(check("{{ a").is_err() && check("{{ a }}").is_ok());
    }

    #[test]
    fn steps_size_and_reach_are_limited() {
        let loops = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert_eq!(rendered(loops), Err("it takes more than 100000 steps".into()));
        let long = "{% for a in range(9999) %}{{ 'x' * 999 }}{% endfor %}";
        assert!(rendered(long).is_err());
        let long = format!("{{% for a in range(2000) %}}{}{{% endfor %}}", "y".repeat(1000));
        assert_eq!(rendered(&long), Err("it becomes longer than 1024 KiB".into()));
        for outside in [
            "{% include '/etc/passwd' %}",
            "{% import 'os' as os %}",
            "{{ env('PATH') }}",
            "{{ ''.__class__ }}",
        ] {
            assert!(rendered(outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn what_a_template_asks_for_is_known() {
        let asked = names("{{ input.a }} {{ variables.KEY | upper }} {% if secrets.B %}x{% endif %}");
        let asked: Vec<_> = asked.iter().map(String::as_str).collect();
        assert_eq!(asked, ["input.a", "secrets.B", "variables.KEY"]);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,200}") {
            let _ = check(&text);
            let _ = rendered(&text);
            let _ = names(&text);
        }

        #[test]
        fn no_template_is_too_strange(parts in prop::collection::vec(
            prop::sample::select(vec!["{{", "}}", "{%", "%}", "for", "in", "if", "endif", "endfor", "input", ".", "(", ")",
                "[", "]", "|", "tojson", "range", "'", "x", "1", "*", "+", "~", " "]), 0..40)) {
            let _ = rendered(&parts.concat());
        }
    }
}
