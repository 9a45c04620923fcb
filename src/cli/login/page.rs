//! What the browser shows at the end of its way. Plain pages: nothing is loaded from anywhere.

/// A page of one sentence.
pub(super) fn page(title: &str, text: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>boxfs: {title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>body{{font:1.2em sans-serif;margin:15vh auto;\
         max-width:30em;padding:0 1em;text-align:center}}</style></head><body><h1>{title}</h1><p>{text}</p></body></html>\n",
        title = escape(title),
        text = escape(text)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The whole answer, after which the connection closes. What is asked for holds a code: no cache and no referrer keeps it.
pub(super) fn answer(status: &str, html: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\ncache-control: no-store\r\n\
         referrer-policy: no-referrer\r\nconnection: close\r\n\r\n{html}",
        html.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_said_is_no_markup() {
        assert!(page("Not signed in", "<script>").contains("&lt;script&gt;"));
    }
}
