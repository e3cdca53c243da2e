//! The OpenAPI document: what the handlers say of themselves, and what is so for all of them.

use super::schema::ProblemDetails;
use serde_json::{Map, Value as Json, json};
use std::collections::HashSet;
use utoipa::OpenApi as _;
use utoipa::openapi::{OpenApi, OpenApiVersion};

/// Good segments of a path, between slashes.
const PATH: &str =
    r"^(?!\.{1,2}(/|$))[^/#\x00-\x1f\x7f-\x9f]{1,255}(/(?!\.{1,2}(/|$))[^/#\x00-\x1f\x7f-\x9f]{1,255})*$";
/// Names of classes: none of ASCII's signs but "_" and "$", and no digit first. Past ASCII the node takes only letters and digits.
const NAME: &str = r"^[^\x00-\x23\x25-\x40\x5b-\x5e\x60\x7b-\x7f][^\x00-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]{0,254}$";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Emerge", version = env!("CARGO_PKG_VERSION"),
        description = "Objects with fields and methods, kept under file-like paths. What JSON lacks is an object with one key that begins \
                       with \"$\": {\"$datetime\": \"2026-01-31T12:00:00Z\"}, {\"$bytes\": \"AAEC\"}, {\"$int\": \"9007199254740993\"}.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    tags(
        (name = "objects", description = "Objects and directories, by their paths"),
        (name = "calls", description = "Methods, which run on the node"),
        (name = "versions", description = "Earlier versions of objects"),
        (name = "classes", description = "Classes and their versions"),
        (name = "operations", description = "Every operation by its name"),
    ),
    components(schemas(ProblemDetails))
)]
struct About;

/// The document without its paths.
pub(super) fn about() -> OpenApi {
    About::openapi()
}

/// The operations whose addresses take a query: method and route.
pub(super) fn queried(document: &OpenApi) -> HashSet<(String, String)> {
    let json = serde_json::to_value(document).unwrap_or_default();
    let paths = json["paths"].as_object().into_iter().flatten();
    let operations =
        paths.flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |each| (path, each)));
    let takes = |operation: &Json| {
        operation["parameters"].as_array().into_iter().flatten().any(|parameter| parameter["in"] == "query")
    };
    operations
        .filter(|(_, (_, operation))| takes(operation))
        .map(|(path, (method, _))| (method.to_uppercase(), path.clone()))
        .collect()
}

/// The document as it is served.
///
/// `{*path}` of the router, which takes slashes, is `{path}` here; each operation asks for the token and may end with a problem.
pub(super) fn finish(mut document: OpenApi) -> String {
    document.openapi = OpenApiVersion::Version31;
    // A document that is no JSON cannot be made of these types; a test reads it.
    let mut json = serde_json::to_value(&document).unwrap_or_default();
    json["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "description": "The token that the node printed when it started" },
    });
    json["security"] = json!([{ "token": [] }]);
    let paths = json["paths"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let paths = paths.into_iter().map(|(path, mut item)| {
        if let Some(operations) = item.as_object_mut() {
            operations.iter_mut().for_each(|(method, operation)| finish_operation(&path, method, operation));
        }
        (path.replace("{*", "{"), item)
    });
    json["paths"] = Json::Object(paths.collect::<Map<_, _>>());
    format!("{json:#}\n")
}

fn finish_operation(path: &str, method: &str, operation: &mut Json) {
    if method == "head" {
        // Two operations may not share an id, and the answer has no body.
        let id = operation["operationId"].as_str().map(|id| format!("{id}_head"));
        operation["operationId"] = id.into();
        for response in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            response.as_object_mut().map(|response| response.remove("content"));
        }
    }
    let problem = json!({
        "description": "What went wrong",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/ProblemDetails" } } },
    });
    operation["responses"]["default"] =
        if method == "head" { json!({ "description": "What went wrong" }) } else { problem };
    let parameters = operation.get_mut("parameters").and_then(Json::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let schema = match (parameter["in"].as_str(), parameter["name"].as_str()) {
            (Some("path"), Some("path")) => {
                json!({ "type": "string", "pattern": PATH, "maxLength": 4095, "examples": ["notes/today"] })
            }
            (Some("path"), Some("name")) => {
                json!({ "type": "string", "pattern": NAME, "examples": ["Note"] })
            }
            (Some("path"), Some("hash")) => json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }),
            (Some("path"), Some("operation")) => {
                json!({ "type": "string", "enum": emerge_node::json::OPERATIONS })
            }
            (Some("header"), Some("If-Match" | "If-None-Match")) => json!({
                "type": "string", "pattern": "^(\\*|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$",
            }),
            (Some("header"), Some("Idempotency-Key")) => {
                json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" })
            }
            (Some("header"), Some("Emerge-Class")) => json!({ "type": "string", "pattern": NAME }),
            _ => continue,
        };
        parameter["schema"] = schema;
        if parameter["in"] == "header" {
            parameter["required"] = false.into();
        }
        if parameter["name"] == "path" && path.contains("{*") {
            parameter["description"] = format!(
                "{} Its segments are separated by \"/\", or by \"%2F\" where a client escapes it.",
                parameter["description"].as_str().map(|text| format!("{text}.")).unwrap_or_default(),
            )
            .into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Json {
        serde_json::from_str(&finish(super::super::resources().into_openapi())).unwrap()
    }

    #[test]
    fn the_document_is_whole() {
        let document = document();
        assert_eq!(document["openapi"], "3.1.0");
        let mut ids = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(!path.contains('*'), "{path}");
            for (method, operation) in item.as_object().unwrap() {
                let name = format!("{method} {path}");
                let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{name} has no id"));
                assert!(!ids.contains(&id.to_owned()), "{name}: {id} is there twice");
                ids.push(id.to_owned());
                assert!(operation["responses"]["default"].is_object(), "{name}");
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
                let in_path = path.matches('{').count();
                assert!(operation.get("parameters").is_none_or(Json::is_array), "{name}");
                let told = operation["parameters"].as_array().into_iter().flatten();
                let told: Vec<&Json> = told.filter(|parameter| parameter["in"] == "path").collect();
                assert_eq!(told.len(), in_path, "{name}");
                assert!(told.iter().all(|parameter| parameter["schema"]["type"] == "string"), "{name}");
            }
        }
        assert!(ids.len() > 15, "{ids:?}");
    }

    #[test]
    fn what_it_refers_to_is_there() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap_or_default();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
