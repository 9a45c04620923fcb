//! Every way in which Box says no: status, code and message of API.md section 1.4, each made by a function that says what it means.

use serde_json::{Value, json};

/// A refused call. The HTTP layer turns it into Box's error object.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) context: Option<Value>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) form: Form,
}

/// How a refusal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Box's error object with `request_id`.
    Object,
    /// No body at all, as for 401.
    Empty,
    /// `{"error", "error_description"}` of the token endpoint.
    OAuth,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            code: code.to_owned(),
            message: message.into(),
            context: None,
            headers: Vec::new(),
            form: Form::Object,
        }
    }

    fn about(mut self, context: Value) -> Refusal {
        self.context = Some(context);
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Refusal {
        self.headers.push((name, value.into()));
        self
    }

    /// A parameter is missing or wrong; names the parameter as Box does.
    pub(super) fn bad(parameter: &str, message: impl Into<String>) -> Refusal {
        let message = message.into();
        let errors = json!({"errors": [{"reason": "invalid_parameter", "name": parameter, "message": message}]});
        Refusal::new(400, "bad_request", "Bad Request").about(errors)
    }

    pub(super) fn oauth(status: u16, error: &str, description: &str) -> Refusal {
        let mut refusal = Refusal::new(status, error, description);
        refusal.form = Form::OAuth;
        refusal
    }

    /// 401 without a body; `why` is what `WWW-Authenticate` says after the realm.
    pub(super) fn unauthorized(why: Option<(&str, &str)>) -> Refusal {
        let challenge = match why {
            None => "Bearer realm=\"Service\"".to_owned(),
            Some((error, text)) => {
                format!("Bearer realm=\"Service\", error=\"{error}\", error_description=\"{text}\"")
            }
        };
        let mut refusal = Refusal::new(401, "unauthorized", "Unauthorized");
        refusal.form = Form::Empty;
        refusal.header("WWW-Authenticate", challenge)
    }

    pub(super) fn not_found() -> Refusal {
        Refusal::new(404, "not_found", "Not Found")
    }

    pub(super) fn trashed() -> Refusal {
        Refusal::new(404, "trashed", "Item is trashed")
    }

    pub(super) fn not_trashed() -> Refusal {
        Refusal::new(404, "not_trashed", "Item is not trashed")
    }

    pub(super) fn method_not_allowed() -> Refusal {
        Refusal::new(405, "method_not_allowed", "Method Not Allowed")
    }

    pub(super) fn forbidden() -> Refusal {
        Refusal::new(403, "forbidden", "Forbidden")
    }

    pub(super) fn no_permission() -> Refusal {
        Refusal::new(403, "access_denied_insufficient_permissions", "Access denied - insufficient permission")
    }

    /// The token, not the user, may not do it.
    pub(super) fn insufficient_scope() -> Refusal {
        let text = "The request requires higher privileges than provided by the access token.";
        let challenge = format!("Bearer realm=\"Service\", error=\"insufficient_scope\", error_description=\"{text}\"");
        Refusal::new(403, "insufficient_scope", text).header("WWW-Authenticate", challenge)
    }

    pub(super) fn locked() -> Refusal {
        Refusal::new(403, "access_denied_item_locked", "Access denied - item locked")
    }

    pub(super) fn file_too_large() -> Refusal {
        Refusal::new(403, "file_size_limit_exceeded", "File size exceeds the folder owner's file size limit")
    }

    pub(super) fn no_space() -> Refusal {
        Refusal::new(403, "storage_limit_exceeded", "Account storage limit reached")
    }

    pub(super) fn precondition() -> Refusal {
        Refusal::new(
            412,
            "precondition_failed",
            "The resource has been modified. Please retrieve the resource again and retry",
        )
    }

    pub(super) fn name_invalid(why: &str) -> Refusal {
        let errors = json!({"errors": [{"reason": "invalid_parameter", "name": "name", "message": why}]});
        Refusal::new(400, "item_name_invalid", "Item name invalid").about(errors)
    }

    pub(super) fn name_too_long() -> Refusal {
        Refusal::new(400, "item_name_too_long", "Item name too long")
    }

    /// `conflicts` is already in the shape of the call, or null where Box leaves it out.
    pub(super) fn name_in_use(conflicts: Value) -> Refusal {
        let refusal = Refusal::new(409, "item_name_in_use", "Item with the same name already exists");
        if conflicts.is_null() { refusal } else { refusal.about(json!({"conflicts": conflicts})) }
    }

    pub(super) fn name_reserved() -> Refusal {
        Refusal::new(
            409,
            "name_temporarily_reserved",
            "The item name is reserved by another processing item. Wait and then retry the request or verify that the item was created",
        )
    }

    pub(super) fn blocked() -> Refusal {
        Refusal::new(
            409,
            "operation_blocked_temporary",
            "The operation is blocked by another on-going operation. Please retry later",
        )
    }

    pub(super) fn cyclical() -> Refusal {
        Refusal::new(400, "cyclical_folder_structure", "Folder move creates cyclical folder structure")
    }

    pub(super) fn folder_not_empty() -> Refusal {
        Refusal::new(400, "folder_not_empty", "Cannot delete - folder not empty")
    }

    pub(super) fn bad_digest() -> Refusal {
        Refusal::new(400, "bad_digest", "The specified content-md5 did not match what we received")
    }

    pub(super) fn digest_mismatch(actual: &str, expected: &str) -> Refusal {
        Refusal::new(
            400,
            "digest_mismatch",
            format!("File digest was incorrect. Actual: {actual} Expected: {expected}"),
        )
    }

    pub(super) fn parts_mismatch() -> Refusal {
        Refusal::new(400, "parts_mismatch", "The parts in the commit request do not match the parts of the session")
    }

    pub(super) fn too_large() -> Refusal {
        Refusal::new(413, "request_entity_too_large", "Request Entity Too Large")
    }

    pub(super) fn length_required() -> Refusal {
        Refusal::new(411, "length_required", "Length Required")
    }

    pub(super) fn part_overlaps() -> Refusal {
        Refusal::new(
            409,
            "range_overlaps_existing_part",
            "The part conflicts with a part that is already in the session",
        )
    }

    /// A failure of this machine, not of the caller.
    pub(super) fn internal(what: &std::io::Error) -> Refusal {
        Refusal::new(500, "internal_server_error", format!("Internal Server Error: {what}"))
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Refusal {
        Refusal::internal(&error)
    }
}
