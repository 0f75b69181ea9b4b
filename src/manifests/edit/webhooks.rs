//! Webhook configurations, of which native `projectcalico.org/v3` definitions bring one.

use super::EditError;
use super::cursor::Cursor;
use crate::manifests::{Document, Settings};

/// Leaves an empty `caBundle` out: it is the site's to fill in, and an apply of the empty one would empty it again.
pub(super) fn edit(documents: &mut [Document], _: &Settings) -> Result<(), EditError> {
    for document in documents {
        if document.kind() != "ValidatingWebhookConfiguration" {
            continue;
        }
        for webhook in Cursor::new(document).field(&["webhooks"])?.items() {
            let mut client = webhook.field(&["clientConfig"])?;
            let client = client.object()?;
            if client.get("caBundle").is_some_and(|bundle| bundle == "") {
                client.remove("caBundle");
            }
        }
    }
    Ok(())
}
