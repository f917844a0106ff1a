//! An HTTP request that appends the missing part of a file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use ureq::Agent;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use ureq::http::{HeaderMap, StatusCode};

use crate::error::DataError;

/// A server that sends nothing for this long is given up; the next mirror is tried.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a transfer stopped.
pub(crate) enum Interruption {
    /// An error of this machine: no other mirror will help.
    Local(DataError),
    /// An error of the mirror or of the connection to it.
    Remote(String),
}

/// An HTTP client; proxies are taken from the environment.
pub(crate) struct Client {
    agent: Agent,
}

impl Client {
    pub(crate) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The checksum is that of the bytes as stored; nothing may compress them again on the way.
            .accept_encoding("identity")
            .user_agent(concat!("ddpm/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(PATIENCE))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .timeout_per_read(Some(PATIENCE))
            .build();
        Self { agent: config.new_agent() }
    }

    /// Appends the rest of a file of `size` bytes to `part`, asking for what is missing only. Whatever arrived before
    /// an error stays in the partial file.
    pub(crate) fn receive(
        &self,
        url: &str,
        part: &mut File,
        path: &Path,
        size: u64,
        report: &mut dyn FnMut(u64),
    ) -> Result<(), Interruption> {
        let local = |error| Interruption::Local(DataError::io("write", path)(error));
        let mut done = part.seek(SeekFrom::End(0)).map_err(local)?;
        let mut request = self.agent.get(url);
        if done > 0 {
            request = request.header(RANGE, format!("bytes={done}-"));
        }
        let response = request.call().map_err(|error| Interruption::Remote(error.to_string()))?;
        match response.status() {
            StatusCode::OK => {
                // The server does not support ranges: start from the beginning.
                expect_length(number(response.headers(), &CONTENT_LENGTH), size)?;
                part.set_len(0).map_err(local)?;
                done = part.seek(SeekFrom::Start(0)).map_err(local)?;
            }
            StatusCode::PARTIAL_CONTENT => expect_range(response.headers(), done, size)?,
            other => return Err(Interruption::Remote(format!("HTTP status {other}"))),
        }

        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        report(done);
        loop {
            let count = body.read(&mut buffer).map_err(|error| {
                Interruption::Remote(format!("connection lost at byte {done} of {size}: {error}"))
            })?;
            if count == 0 && done < size {
                return Err(Interruption::Remote(format!("connection closed at byte {done} of {size}")));
            }
            if count == 0 {
                return Ok(());
            }
            if done + count as u64 > size {
                return Err(Interruption::Remote(format!("expected {size} bytes, got more")));
            }
            part.write_all(&buffer[..count]).map_err(local)?;
            done += count as u64;
            report(done);
        }
    }
}

fn number(headers: &HeaderMap, name: &ureq::http::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A server that announces another size serves another file. This is checked before the transfer.
fn expect_length(announced: Option<u64>, size: u64) -> Result<(), Interruption> {
    match announced {
        Some(other) if other != size => {
            Err(Interruption::Remote(format!("expected a file of {size} bytes, got one of {other}")))
        }
        _ => Ok(()),
    }
}

/// Checks `Content-Range: bytes FIRST-LAST/TOTAL` (RFC 9110, section 14.4) against what was asked for.
fn expect_range(headers: &HeaderMap, first: u64, size: u64) -> Result<(), Interruption> {
    let text = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parsed = text.trim().strip_prefix("bytes ").and_then(|rest| rest.split_once('/'));
    let Some((range, total)) = parsed else {
        return Err(Interruption::Remote(format!(
            "expected a Content-Range from byte {first}, got `{text}`"
        )));
    };
    expect_length(total.parse().ok(), size)?;
    match range.split_once('-').and_then(|(start, _)| start.parse::<u64>().ok()) {
        Some(start) if start == first => Ok(()),
        _ => Err(Interruption::Remote(format!("expected a range from byte {first}, got `{range}`"))),
    }
}
