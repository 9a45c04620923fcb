//! The account.

use super::call::{Call, Request};
use super::client::BoxClient;
use super::meaning::{ApiError, Meaning};
use super::wire;
use reqwest::Method;
use serde::Deserialize;

/// Who the token belongs to, and how much room there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: String,
    pub login: String,
    pub name: String,
    /// Bytes the account may hold.
    pub space_amount: Option<u64>,
    /// Bytes it holds, trash included.
    pub space_used: Option<u64>,
    /// Largest file in bytes.
    pub max_upload_size: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WireAccount {
    #[serde(deserialize_with = "wire::text")]
    id: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    login: Option<String>,
    #[serde(deserialize_with = "wire::text")]
    name: Option<String>,
    #[serde(deserialize_with = "wire::count")]
    space_amount: Option<u64>,
    #[serde(deserialize_with = "wire::count")]
    space_used: Option<u64>,
    #[serde(deserialize_with = "wire::count")]
    max_upload_size: Option<u64>,
}

const ME: Call = Call::read("get_account", "/users/me");

impl BoxClient {
    pub async fn me(&self) -> Result<Account, ApiError> {
        let request = Request::below(Method::GET, &self.hosts().api, &["users", "me"])
            .query("fields", "id,login,name,space_amount,space_used,max_upload_size");
        let account: WireAccount = self.send(&ME, &request).await?.json()?;
        let none = || ApiError::new(ME.name, Meaning::BadAnswer, "the answer names no account");
        Ok(Account {
            id: account.id.ok_or_else(none)?,
            login: account.login.unwrap_or_default(),
            name: account.name.unwrap_or_default(),
            space_amount: account.space_amount,
            space_used: account.space_used,
            max_upload_size: account.max_upload_size,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_plan_is_a_float() {
        let account: WireAccount = serde_json::from_str(
            r#"{"id":"1","space_amount":1e+15,"space_used":1000000000000000.0,"max_upload_size":null}"#,
        )
        .unwrap();
        assert_eq!(account.space_amount, Some(1_000_000_000_000_000));
        assert_eq!(account.space_used, account.space_amount);
        assert_eq!(account.max_upload_size, None);
    }
}
