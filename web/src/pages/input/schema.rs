//! Reads a JSON Schema as a form: one control for each property of a flat object. The text of the
//! JSON stays the truth; a form only reads and rewrites it. Knows nothing of the page.

use serde_json::{Map, Value};

/// More controls than this make no form that anybody would fill in.
const MOST: usize = 40;

/// How a property is entered.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Text,
    Number,
    Switch,
    /// One of these.
    Choice(Vec<Value>),
    /// A list or an object, as JSON.
    Json,
}

/// One property of the object.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    pub name: String,
    pub title: String,
    pub hint: Option<String>,
    pub kind: Kind,
    pub required: bool,
    default: Option<Value>,
}

fn kind(schema: &Value) -> Kind {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return Kind::Choice(choices.clone());
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => Kind::Text,
        Some("number" | "integer") => Kind::Number,
        Some("boolean") => Kind::Switch,
        _ => Kind::Json,
    }
}

/// The properties of an object's schema, the required ones first; none where a form makes no sense.
pub fn properties(schema: &Value) -> Option<Vec<Property>> {
    let all = schema.get("properties")?.as_object()?;
    if all.is_empty() || all.len() > MOST {
        return None;
    }
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let word = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut properties: Vec<Property> = all
        .iter()
        .map(|(name, of)| Property {
            title: word(of, "title").unwrap_or_else(|| name.clone()),
            hint: word(of, "description"),
            kind: kind(of),
            required: required.contains(&name.as_str()),
            default: of.get("default").cloned(),
            name: name.clone(),
        })
        .collect();
    // Switches need no line of their own, so they come last.
    properties.sort_by_key(|p| (p.kind == Kind::Switch, !p.required));
    Some(properties)
}

/// The object of a text; an empty text is an empty object.
pub fn object(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_json::from_str(text).ok()
}

fn pretty(object: &Map<String, Value>) -> String {
    serde_json::to_string_pretty(object).unwrap_or_default()
}

/// The text to begin with: what the schema gives by default.
pub fn beginning(schema: Option<&Value>) -> String {
    let properties = schema.and_then(properties).unwrap_or_default();
    let object: Map<String, Value> = properties
        .into_iter()
        .filter_map(|property| Some((property.name, property.default?)))
        .collect();
    if object.is_empty() {
        "{}".to_owned()
    } else {
        pretty(&object)
    }
}

/// The text with one property set, or taken out.
pub fn with(text: &str, name: &str, value: Option<Value>) -> String {
    let mut object = object(text).unwrap_or_default();
    match value {
        Some(value) => drop(object.insert(name.to_owned(), value)),
        None => drop(object.remove(name)),
    }
    pretty(&object)
}

/// What a control shows for a value.
pub fn shown(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}

/// What was typed as a value. Text that is not yet one of the kind stays text, so that nothing that
/// a person types is changed under their hands.
pub fn typed(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        _ if text.is_empty() => None,
        Kind::Text => Some(Value::String(text.to_owned())),
        Kind::Number | Kind::Json => {
            let read = serde_json::from_str::<Value>(text.trim()).ok();
            let fits = |value: &Value| value.is_number() || *kind == Kind::Json;
            let same = read.filter(|value| fits(value) && shown(Some(value)) == text);
            Some(same.unwrap_or_else(|| Value::String(text.to_owned())))
        }
        Kind::Choice(choices) => choices.iter().find(|choice| shown(Some(choice)) == text).cloned(),
        Kind::Switch => Some(Value::Bool(text == "true")),
    }
}

/// The input as it is sent: numbers and JSON that were left as text are read.
pub fn read(schema: Option<&Value>, input: Value) -> Value {
    let (Some(properties), Value::Object(mut object)) = (schema.and_then(properties), input.clone()) else {
        return input;
    };
    for property in properties {
        let Some(Value::String(text)) = object.get(&property.name) else {
            continue;
        };
        let read = serde_json::from_str::<Value>(&text.trim().replace(',', ".")).ok();
        let read = match property.kind {
            Kind::Number => read.filter(Value::is_number),
            Kind::Json => serde_json::from_str(text).ok(),
            Kind::Text | Kind::Switch | Kind::Choice(_) => None,
        };
        if let Some(value) = read {
            object.insert(property.name, value);
        }
    }
    Value::Object(object)
}

/// The property that an error is about: what its path begins with. Names may have dots in them.
pub fn at<'a>(path: &str, properties: &'a [Property]) -> Option<&'a str> {
    let names = properties.iter().map(|property| property.name.as_str());
    let begins = |name: &&str| {
        path.strip_prefix(*name)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    names.filter(begins).max_by_key(|name| name.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({"type": "object", "required": ["day"], "properties": {
            "dry": {"type": "boolean", "default": true},
            "limit": {"type": "integer", "default": 200},
            "day": {"type": "string", "title": "Day", "description": "yesterday if empty"},
            "region": {"enum": ["eu", "us"]},
            "more": {"type": "array"}}})
    }

    #[test]
    fn a_schema_becomes_controls() {
        let found = properties(&schema()).unwrap();
        let names: Vec<&str> = found.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["day", "limit", "more", "region", "dry"]);
        assert_eq!((found[0].title.as_str(), found[0].required), ("Day", true));
        assert_eq!(found[3].kind, Kind::Choice(vec![json!("eu"), json!("us")]));
        assert_eq!(properties(&json!({"type": "string"})), None);
        assert_eq!(properties(&json!(true)), None);
    }

    #[test]
    fn defaults_are_there_at_the_beginning() {
        let text = beginning(Some(&schema()));
        assert_eq!(
            object(&text).unwrap(),
            *json!({"dry": true, "limit": 200}).as_object().unwrap()
        );
        assert_eq!(beginning(None), "{}");
    }

    #[test]
    fn typing_never_changes_what_was_typed() {
        for text in ["1", "1.", "1.5", "-", "1e", "007"] {
            let value = typed(&Kind::Number, text);
            assert_eq!(shown(value.as_ref()), text);
        }
        assert_eq!(typed(&Kind::Number, "1.5"), Some(json!(1.5)));
        assert_eq!(typed(&Kind::Text, ""), None);
        assert_eq!(typed(&Kind::Json, "[1, 2"), Some(json!("[1, 2")));
    }

    #[test]
    fn what_was_left_as_text_is_read_when_it_is_sent() {
        let sent = read(
            Some(&schema()),
            json!({"day": "1", "limit": "1.0", "more": "[1, 2]", "dry": true}),
        );
        assert_eq!(
            sent,
            json!({"day": "1", "limit": 1.0, "more": [1, 2], "dry": true})
        );
        assert_eq!(
            read(Some(&schema()), json!({"limit": "many"})),
            json!({"limit": "many"})
        );
        assert_eq!(read(None, json!(3)), json!(3));
    }

    #[test]
    fn an_error_finds_its_property() {
        let all = properties(&json!({"properties": {"limit": {}, "more": {}, "more.of": {}}})).unwrap();
        for (path, name) in [
            ("limit", Some("limit")),
            ("more.0", Some("more")),
            ("more.of.it", Some("more.of")),
            ("moreover", None),
            ("", None),
        ] {
            assert_eq!(at(path, &all), name, "{path}");
        }
    }
}
