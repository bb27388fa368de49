//! The runner as a client of its own socket, for scripts whose image has no other:
//! `call METHOD PATH [--body JSON | --stdin | --stdin-as NAME] [--text NAME VALUE] [--json NAME VALUE] [--print NAME] [--quiet CODE]`.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use cronium_protocol::runtime::PREFIX;
use serde_json::{Map, Value};

/// What the status says of an error's code; 1 is for everything that has none.
const CODES: [(&str, u8); 7] = [
    ("INVALID", 10),
    ("NOT_FOUND", 11),
    ("FORBIDDEN", 12),
    ("TOO_LARGE", 13),
    ("RATE_LIMITED", 14),
    ("UNAVAILABLE", 15),
    ("INTERNAL", 16),
];

/// Why a call did not come to a success.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{0}")]
    Usage(String),
    #[error("CRONIUM_SOCKET is not set: there is no runtime API here")]
    NoSocket,
    #[error("the runtime API does not answer: {0}")]
    Io(#[from] io::Error),
    #[error("the runtime API's answer can't be read")]
    Answer,
    #[error("nothing to say")]
    Quiet(String),
    #[error("{code}: {message}{}", after(*.retry_after))]
    Refused {
        code: String,
        message: String,
        retry_after: Option<u64>,
    },
}

fn after(seconds: Option<u64>) -> String {
    seconds.map_or(String::new(), |seconds| format!(" (retry after {seconds} s)"))
}

/// Runs the command; its status names the error's code.
pub fn main(args: impl Iterator<Item = String>) -> ExitCode {
    let problem = match run(args) {
        Ok(out) => match io::stdout().write_all(&out) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => Problem::Io(error),
        },
        Err(problem) => problem,
    };
    if !matches!(problem, Problem::Quiet(_)) {
        eprintln!("cronium: {problem}");
    }
    let code = match &problem {
        Problem::Quiet(code) => CODES.iter().find(|(name, _)| name == code),
        Problem::Refused { code, .. } => CODES.iter().find(|(name, _)| name == code),
        Problem::Io(_) | Problem::NoSocket => CODES.iter().find(|(name, _)| *name == "UNAVAILABLE"),
        Problem::Usage(_) => return ExitCode::from(2),
        Problem::Answer => None,
    };
    code.map_or(ExitCode::FAILURE, |(_, status)| ExitCode::from(*status))
}

struct Call {
    method: String,
    path: String,
    body: Vec<u8>,
    print: Option<String>,
    /// The code of an error that is told by the status alone.
    quiet: Option<String>,
}

fn run(args: impl Iterator<Item = String>) -> Result<Vec<u8>, Problem> {
    let call = parse(args, || {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text)?;
        Ok(text)
    })?;
    let socket = std::env::var_os("CRONIUM_SOCKET").ok_or(Problem::NoSocket)?;
    let mut stream = UnixStream::connect(socket)?;
    let head = format!(
        "{} {PREFIX}{} HTTP/1.1\r\nhost: runtime\r\ncontent-length: {}\r\n\r\n",
        call.method,
        escaped(&call.path),
        call.body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&call.body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let (status, body) = answer(&bytes)?;
    if status >= 400 {
        return Err(match (refused(body), call.quiet) {
            (Problem::Refused { code, .. }, Some(quiet)) if code == quiet => Problem::Quiet(code),
            (told, _) => told,
        });
    }
    match call.print {
        Some(name) => printed(body, &name),
        None if body.is_empty() => Ok(Vec::new()),
        None => Ok([body, b"\n"].concat()),
    }
}

fn parse(
    mut args: impl Iterator<Item = String>,
    stdin: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<Call, Problem> {
    let missing = |what: &str| Problem::Usage(format!("{what} is missing"));
    let method = args.next().ok_or_else(|| missing("a method"))?;
    let path = args.next().ok_or_else(|| missing("a path"))?;
    if !method.bytes().all(|b| b.is_ascii_uppercase()) || !path.starts_with('/') {
        return Err(Problem::Usage(format!("{method} {path} is no call")));
    }
    let (mut body, mut fields, mut print, mut quiet) = (None, Map::new(), None, None);
    let mut stdin = Some(stdin);
    let mut read = || match stdin.take() {
        Some(read) => Ok(read()?),
        None => Err(Problem::Usage("stdin can be read once only".into())),
    };
    while let Some(option) = args.next() {
        let mut value = || {
            args.next()
                .ok_or_else(|| missing(&format!("a value of {option}")))
        };
        match option.as_str() {
            "--body" => body = Some(value()?.into_bytes()),
            "--stdin" => body = Some(read()?),
            "--stdin-as" => {
                let text = String::from_utf8(read()?);
                let text = text.map_err(|_| Problem::Usage("stdin is not UTF-8".into()))?;
                fields.insert(value()?, text.into());
            }
            "--text" => {
                let name = value()?;
                fields.insert(name, value()?.into());
            }
            "--json" => {
                let name = value()?;
                let json = serde_json::from_str(&value()?)
                    .map_err(|error| Problem::Usage(format!("{name} is not JSON: {error}")))?;
                fields.insert(name, json);
            }
            "--print" => print = Some(value()?),
            "--quiet" => quiet = Some(value()?),
            _ => return Err(Problem::Usage(format!("unknown option {option}"))),
        }
    }
    let body = match body {
        Some(body) => body,
        None if fields.is_empty() => Vec::new(),
        None => Value::from(fields).to_string().into_bytes(),
    };
    Ok(Call {
        method,
        path,
        body,
        print,
        quiet,
    })
}

/// A path may hold anything that a script gives as a key.
fn escaped(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    path.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

fn answer(bytes: &[u8]) -> Result<(u16, &[u8]), Problem> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => Ok((response.code.unwrap_or(500), &bytes[used..])),
        _ => Err(Problem::Answer),
    }
}

fn refused(body: &[u8]) -> Problem {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| told["error"][name].as_str().map(str::to_owned);
    Problem::Refused {
        code: text("code").unwrap_or_else(|| "INTERNAL".into()),
        message: text("message").unwrap_or_else(|| "no reason was given".into()),
        retry_after: told["error"]["retryAfterSeconds"].as_u64(),
    }
}

/// A field of the answer: text as it is, everything else as JSON.
fn printed(body: &[u8], name: &str) -> Result<Vec<u8>, Problem> {
    let told: Value = serde_json::from_slice(body).map_err(|_| Problem::Answer)?;
    let absent = || Problem::Refused {
        code: "INVALID".into(),
        message: format!("the answer has no field {name}"),
        retry_after: None,
    };
    let text = match told.get(name).ok_or_else(absent)? {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Ok(format!("{text}\n").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(args: &[&str], stdin: &str) -> Result<Call, Problem> {
        parse(args.iter().map(ToString::to_string), || {
            Ok(stdin.as_bytes().to_vec())
        })
    }

    #[test]
    fn bodies_are_json_whatever_the_texts_are() {
        let made = call(
            &[
                "PUT",
                "/variables/A",
                "--stdin-as",
                "value",
                "--json",
                "secret",
                "true",
                "--text",
                "a",
                "\"\n",
            ],
            "x\"y",
        )
        .unwrap();
        assert_eq!(made.body, br#"{"a":"\"\n","secret":true,"value":"x\"y"}"#);
        assert_eq!(call(&["PUT", "/output", "--stdin"], "[1]").unwrap().body, b"[1]");
        assert_eq!(call(&["GET", "/input"], "x").unwrap().body, b"");
        for bad in [
            &["GET"][..],
            &["GET", "x"],
            &["GET /", "/"],
            &["GET", "/", "--x"],
            &["GET", "/", "--print"],
        ] {
            assert!(call(bad, "").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_can_t_leave_the_request_line() {
        assert_eq!(escaped("/variables/A B\r\n%?"), "/variables/A%20B%0D%0A%25%3F");
    }

    #[test]
    fn a_field_that_is_not_there_is_refused_by_its_name() {
        assert_eq!(printed(br#"{"a":"x"}"#, "a").unwrap(), b"x\n");
        let refused = printed(br#"{"a":"x"}"#, "nope").unwrap_err().to_string();
        assert_eq!(refused, "INVALID: the answer has no field nope");
    }
}
