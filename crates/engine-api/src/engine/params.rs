//! The parameters of a call: a list, each of which is read for itself.

use jsonrpsee::types::{ErrorObjectOwned, Params};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    engine::{codes::invalid_params, json::Few},
    object::Object,
};

/// No method takes more.
const PARAMS_MAX: usize = 4;

/// The parameters, of which there are at least `least` and at most `most`.
pub(super) fn list<'a>(
    params: &'a Params<'_>,
    least: usize,
    most: usize,
) -> Result<Vec<&'a RawValue>, ErrorObjectOwned> {
    // A call without any is one with none.
    let text = params.as_str().unwrap_or("[]");
    let Few(list) = serde_json::from_str::<Few<&RawValue, PARAMS_MAX>>(text).map_err(invalid_params)?;
    if (least..=most).contains(&list.len()) {
        Ok(list)
    } else {
        Err(invalid_params(format_args!("{} parameters, {least} to {most} are needed", list.len())))
    }
}

/// Reads one; null is not there.
pub(super) fn read<'a, T: Deserialize<'a>>(param: &'a RawValue) -> Result<T, ErrorObjectOwned> {
    serde_json::from_str(param.get()).map_err(invalid_params)
}

/// Reads one that is an object.
pub(super) fn read_object<'a, T: Deserialize<'a>>(param: &'a RawValue) -> Result<T, ErrorObjectOwned> {
    read(param).map(|Object(read)| read)
}

/// The only one.
pub(super) fn only<T: for<'a> Deserialize<'a>>(params: &Params<'_>) -> Result<T, ErrorObjectOwned> {
    read(list(params, 1, 1)?[0])
}
